"""grid_sample: odd places, layouts, threads, what is refused. Its operators are in the matrix."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight
from rushlight.nn import functional as F
from rushlight.ops.sampling import MODES, PADDINGS, sampled

SETTINGS = [
    (dims, mode, padding, corners)
    for dims in (2, 3)
    for mode, padding, corners in itertools.product(MODES[: 5 - dims], PADDINGS, (False, True))
]
ODD = [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e10, -3e9, 5e-324, -0.0, 1.0, -1.0, 1.5, -2.25, 7.0]


def problem(dims, size, places, dtype="float64", seed=0):
    """An image of odd sizes, places around it among which are odd ones, and a gradient."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(2, 3, *size)).astype(dtype)
    grid = random.uniform(-1.7, 1.7, (2, *places, dims))
    odd = random.random(grid.shape) < 0.2
    with np.errstate(over="ignore"):
        grid[odd] = random.choice(ODD, odd.sum())
        grid = grid.astype(dtype)
    return x, grid, random.normal(size=(2, 3, *places)).astype(dtype)


def sizes_of(dims):
    return [(1,) * dims, (1, 2, 3)[:dims], (2, 1, 2)[:dims], (4, 5, 3)[:dims], (9, 1, 1)[-dims:]]


@pytest.mark.parametrize("dims,mode,padding,corners", SETTINGS)
def test_odd_places_agree_with_the_specification(dims, mode, padding, corners):
    for seed, size in enumerate(sizes_of(dims)):
        x, grid, _ = problem(dims, size, (67, 5, 1)[:dims], seed=seed)
        got = F.grid_sample(rushlight.tensor(x), rushlight.tensor(grid), mode, padding, corners)
        with np.errstate(all="ignore"):
            want = sampled(np, x, grid, MODES.index(mode), PADDINGS.index(padding), corners)
        # Reflecting places further away than 1e9 leaves no digit of where they are.
        sane = (np.abs(grid) < 1e9) | ~np.isfinite(grid) | (padding != "reflection")
        sane = np.broadcast_to(sane.all(-1)[:, None], want.shape)
        np.testing.assert_allclose(got.numpy()[sane], want[sane], 1e-9, 1e-9)


@pytest.mark.parametrize("dims,mode,padding,corners", SETTINGS)
def test_gradient_of_the_input_is_the_transpose(dims, mode, padding, corners):
    for dtype, tolerance in (("float64", 1e-9), ("float32", 1e-4)):
        x, grid, g = problem(dims, (4, 5, 3)[:dims], (70, 5, 1)[:dims], dtype, 3)
        grid = np.nan_to_num(grid, nan=0.3, posinf=1.2, neginf=-1.2)
        image = rushlight.tensor(x, requires_grad=True)
        y = F.grid_sample(image, rushlight.tensor(grid), mode, padding, corners)
        y.backward(rushlight.tensor(g))
        assert (y.detach().numpy() * g).sum() == pytest.approx(
            (image.grad.numpy() * x).sum(), rel=tolerance, abs=tolerance
        )


@pytest.mark.parametrize("dims,mode,padding,corners", SETTINGS)
def test_odd_places_have_gradients_that_stay_inside(dims, mode, padding, corners):
    for size in sizes_of(dims):
        x, grid, g = problem(dims, size, (67, 5, 1)[:dims], seed=5)
        image, places = (rushlight.tensor(a, requires_grad=True) for a in (x, grid))
        F.grid_sample(image, places, mode, padding, corners).backward(rushlight.tensor(g))
        finite = np.isfinite(grid).all(-1)
        assert np.isfinite(places.grad.numpy()[finite]).all()
        if mode == "nearest":
            assert (places.grad == 0).all()


def test_known_values():
    x = rushlight.arange(12, dtype=rushlight.float64).reshape(1, 1, 3, 4)
    for corners in (False, True):
        identity = rushlight.eye(2, 3, dtype=rushlight.float64)[None]
        grid = F.affine_grid(identity, [1, 1, 3, 4], align_corners=corners)
        for mode in MODES:
            for flips in ([], [2], [2, 3]):
                signs = rushlight.tensor([-1.0 if 3 in flips else 1.0, -1.0 if 2 in flips else 1.0])
                got = F.grid_sample(x, grid * signs, mode, "border", corners)
                np.testing.assert_allclose(got.numpy(), x.flip(flips).numpy(), atol=1e-12)
    middle = rushlight.tensor([[[[0.0, 0.0], [-1.0, -1.0], [3.0, 0.0]]]], dtype=rushlight.float64)
    for padding, want in (("zeros", [5.5, 0, 0]), ("border", [5.5, 0, 7])):
        assert F.grid_sample(x, middle, "bilinear", padding, False).flatten().tolist() == want


def test_elements_outside_count_for_nothing_even_where_others_are_infinite():
    x = rushlight.tensor([[[[float("inf"), 1.0, 2.0]]]])
    last = rushlight.tensor([[[[1.0, 0.0]]]], requires_grad=True)
    for padding in PADDINGS:
        y = F.grid_sample(x, last, "bilinear", padding, True)
        assert y.item() == 2
        y.backward()
        assert last.grad.isfinite().all()


def test_layouts_and_threads_change_nothing():
    x, grid, g = problem(2, (13, 17), (31, 33), "float32", 7)
    before, results = rushlight.get_num_threads(), []
    for threads, layout in itertools.product((1, 2, 3), range(3)):
        rushlight.set_num_threads(threads)
        image = rushlight.tensor(x)
        if layout == 1:
            image = image.contiguous(memory_format=rushlight.channels_last)
        elif layout == 2:
            image = image.transpose(2, 3).contiguous().transpose(2, 3)
        places = rushlight.tensor(grid, requires_grad=True)
        image.requires_grad_()
        y = F.grid_sample(image, places, "bicubic", "border", False)
        y.backward(rushlight.tensor(g))
        assert y.is_contiguous()
        results.append([t.detach().numpy() for t in (y, image.grad, places.grad)])
    rushlight.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(a, b)
    one = rushlight.tensor(x[:1, :1]).expand(2, 3, 13, 17)
    assert F.grid_sample(one, rushlight.tensor(grid), align_corners=False).shape == (2, 3, 31, 33)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_sampled_in_single_precision(dtype):
    half = getattr(rushlight, dtype)
    x, grid, g = problem(2, (5, 6), (7, 3), "float32", 8)
    grid = np.clip(np.nan_to_num(grid), -1.5, 1.5)
    halves = [rushlight.tensor(a).to(half).requires_grad_() for a in (x, grid)]
    wide = [t.detach().float().requires_grad_() for t in halves]
    upstream = rushlight.tensor(g).to(half)
    y = F.grid_sample(*halves, align_corners=False)
    want = F.grid_sample(*wide, align_corners=False)
    assert y.dtype == half and rushlight.equal(y, want.to(half))
    y.backward(upstream)
    want.backward(upstream.float())
    for a, b in zip(halves, wide, strict=True):
        assert a.grad.dtype == half and rushlight.equal(a.grad, b.grad.to(half))


@pytest.mark.parametrize("which", ["input", "grid"])
@pytest.mark.parametrize(
    "dims,mode", [(2, "bilinear"), (2, "bicubic"), (2, "nearest"), (3, "bilinear")]
)
def test_second_derivatives_of_one_argument(dims, mode, which):
    x, grid, _ = problem(dims, (4, 5, 3)[:dims], (3, 2, 1)[:dims], seed=9)
    grid = np.random.default_rng(10).uniform(-1.4, 1.4, grid.shape)  # nowhere a kink
    tensors = {"input": rushlight.tensor(x), "grid": rushlight.tensor(grid)}
    free = tensors[which].requires_grad_()
    function = lambda t: F.grid_sample(  # noqa: E731
        **{**tensors, which: t}, mode=mode, padding_mode="zeros", align_corners=False
    )
    assert rushlight.autograd.gradcheck(function, (free,))
    assert rushlight.autograd.gradgradcheck(function, (free,))


def test_nothing_to_sample():
    image, grid = rushlight.zeros(2, 3, 4, 5), rushlight.zeros(2, 6, 7, 2)
    for x, places in ((image[:0], grid[:0]), (image[:, :0], grid), (image, grid[:, :0])):
        for mode in MODES:
            a, b = x.clone().requires_grad_(), places.clone().requires_grad_()
            y = F.grid_sample(a, b, mode, align_corners=False)
            assert y.shape == (*x.shape[:2], *places.shape[1:3])
            y.sum().backward()
            assert (a.grad == 0).all() and (b.grad == 0).all()


def zeros(*shape, **more):
    return rushlight.zeros(shape, **more)


IMAGE, GRID = zeros(2, 3, 4, 5), zeros(2, 6, 7, 2)
BAD = {
    "batch": (RuntimeError, (IMAGE[:1], GRID), {}),
    "dims of the grid": (RuntimeError, (IMAGE, GRID[0]), {}),
    "last dim": (RuntimeError, (IMAGE, zeros(2, 6, 7, 3)), {}),
    "3 dims": (RuntimeError, (zeros(2, 4, 5), zeros(2, 7, 1)), {}),
    "6 dims": (RuntimeError, (zeros(1, 1, 1, 1, 1, 1), zeros(1, 1, 1, 1, 1, 4)), {}),
    "no pixels": (RuntimeError, (IMAGE[:, :, :0], GRID), {}),
    "cubic volume": (
        RuntimeError, (zeros(2, 3, 4, 5, 2), zeros(2, 3, 4, 5, 3)), {"mode": "bicubic"}
    ),
    "two dtypes": (RuntimeError, (IMAGE, GRID.double()), {}),
    "integers": (NotImplementedError, (IMAGE.long(), GRID.long()), {}),
    "complex": (NotImplementedError, (IMAGE.cfloat(), GRID.cfloat()), {}),
    "mode": (ValueError, (IMAGE, GRID), {"mode": "linear"}),
    "padding": (ValueError, (IMAGE, GRID), {"padding_mode": "circular"}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case):
    error, args, more = BAD[case]
    with pytest.raises(error):
        F.grid_sample(*args, align_corners=False, **more)


@pytest.mark.parametrize("dims,mode,padding,corners", SETTINGS)
def test_agrees_with_torch_to_the_second_derivative(dims, mode, padding, corners):
    torch = pytest.importorskip("torch")
    x, grid, g = problem(dims, (4, 5, 3)[:dims], (3, 2, 2)[:dims], seed=11)
    grid = np.clip(np.nan_to_num(grid), -2.6, 2.6)
    results = []
    for framework in (rushlight, torch):
        inputs = [framework.tensor(a, requires_grad=True) for a in (x, grid, g)]
        y = framework.nn.functional.grid_sample(*inputs[:2], mode, padding, corners)
        first = framework.autograd.grad(y, inputs[:2], inputs[2], create_graph=True)
        second = framework.autograd.grad(
            sum((t * t).sum() for t in first), inputs, allow_unused=True
        )
        results.append([0 if t is None else t.detach().numpy() for t in (y, *first, *second)])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, 1e-9, 1e-9)
