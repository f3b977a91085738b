"""Reductions and scans against PyTorch: dtypes, layouts, dims, NaN, empty inputs, derivatives."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from parity import EVERY, both_raise, check, oracle, pair, same

import rushlight as torch

INF, NAN = float("inf"), float("nan")
SHAPES = [(), (1,), (7,), (17, 33), (2, 3, 4), (5, 1, 6), (0,), (2, 0, 3), (64, 130)]
LAYOUTS = {
    "contiguous": lambda t: t,
    "transposed": lambda t: t.transpose(0, -1) if t.ndim > 1 else t,
    "sliced": lambda t: t[..., ::2] if t.ndim else t,
    "expanded": lambda t: t[:1].expand(3, *t.shape[1:]) if t.ndim and t.shape[0] else t,
}
TOLERANCE = {
    "float32": 2e-5,
    "complex64": 2e-5,
    "float16": 5e-3,
    "bfloat16": 3e-2,
}

NAMES = (
    "sum mean prod nansum any all amax amin argmax argmin var std count_nonzero logsumexp "
    "cumsum cumprod cummax cummin logcumsumexp softmax log_softmax max min"
).split()
ONE_DIM = {"prod", "argmax", "argmin", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"}
ONE_DIM |= {"softmax", "log_softmax"}
NO_KEEPDIM = {"count_nonzero", *[n for n in ONE_DIM if n.startswith(("c", "log", "soft"))]}


def sample(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    if dtype.startswith("complex"):
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)
    if dtype in ("float32", "float64", "float16", "bfloat16"):
        return rng.normal(size=shape)
    return rng.integers(0 if dtype in ("uint8", "bool") else -5, 6, shape)


def outcome(f):
    """What a call gives: its tensors, or the class of its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            got = f()
    except Exception as error:
        return type(error)
    return tuple(got) if isinstance(got, tuple) else (got,)


def dims_of(name, shape):
    """(dim, keepdim) pairs to try."""
    one = name in ONE_DIM or name in ("max", "min") or not shape
    for dim in (0, -1) if one else (0, -1, (0, -1)[: len(shape)]):
        for keepdim in (False,) if name in NO_KEEPDIM else (False, True):
            yield dim, keepdim


def reduce_along(t, name, dim, keepdim):
    if name in NO_KEEPDIM:
        return outcome(lambda: getattr(t, name)(dim))
    if name in ("var", "std"):
        return outcome(lambda: getattr(t, name)(dim, correction=1, keepdim=keepdim))
    return outcome(lambda: getattr(t, name)(dim, keepdim))


def agree(want, got, where):
    """The same results, or the same class of error."""
    if isinstance(want, type) or isinstance(got, type):
        assert got is want, where
        return
    for a, b in zip(want, got, strict=True):
        tolerance = TOLERANCE.get(str(a.dtype).split(".")[1], 1e-10)
        same(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_every_dtype_shape_and_dim(name, layout):
    ordered = name in ("cummax", "cummin", "amax", "amin", "max", "min")
    for number, dtype in enumerate(EVERY):
        if dtype.startswith("complex") and ordered:
            continue
        for shape in SHAPES:
            theirs, ours = (LAYOUTS[layout](t) for t in pair(sample(shape, dtype, number), dtype))
            for dim, keepdim in dims_of(name, shape):
                want = reduce_along(theirs, name, dim, keepdim)
                got = reduce_along(ours, name, dim, keepdim)
                agree(want, got, f"{name} {dtype} {shape} {layout} dim={dim} keepdim={keepdim}")


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16", "complex128"])
@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "any", "all", "var", "norm"])
def test_whole_tensor(name, dtype):
    for shape in ((), (3,), (300, 500), (2, 3, 4)):
        theirs, ours = pair(sample(shape, dtype, 3), dtype)
        if name == "prod" and shape == (300, 500):
            continue
        agree(outcome(getattr(theirs, name)), outcome(getattr(ours, name)), f"{dtype} {shape}")


@pytest.mark.parametrize(
    "name", ["max", "min", "amax", "amin", "argmax", "argmin", "cummax", "cummin"]
)
@pytest.mark.parametrize("position", [0, 9, 63, 64, 199])
def test_a_nan_wins_wherever_it_stands(name, position):
    x = np.arange(200.0) % 7
    x[position] = NAN
    check(lambda m, t: getattr(t, name)(0), x)
    check(lambda m, t: getattr(t.reshape(4, 50).t(), name)(0), x)


def test_ties_give_the_first_index():
    x = np.array([[3.0, 3.0, 1.0], [2.0, 5.0, 5.0]])
    check(lambda m, t: t.max(1), x)
    check(lambda m, t: t.argmax(), x)
    check(lambda m, t: m.tensor([-INF, -INF], dtype=t.dtype).argmax(0), x)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "complex64"])
def test_products_of_rows_of_any_length(dtype):
    rng = np.random.default_rng(2)
    for n in (1, 3, 8, 63, 127, 128, 513, 1030):
        x = torch.from_numpy(rng.uniform(0.9, 1.1, (12, n))).to(getattr(torch, dtype))
        exact = np.prod(
            x.to(torch.complex128 if dtype == "complex64" else torch.float64).numpy(), 1
        )
        rough = 1e-2 if dtype == "bfloat16" else 1e-4
        for got, want in (
            (x.prod(1), exact),
            (x.t().contiguous().prod(0), exact),
            (x[::2].prod(1), exact[::2]),
        ):
            assert np.allclose(got.tolist(), want, rtol=rough)


def test_products_of_float32_may_leave_its_range_on_the_way():
    columns = torch.tensor([1e30, 1e30, 1e-30, 1e-30, 1e-38, 1e-5, 1e38, 1e5])
    x = columns.repeat_interleave(64)
    rows = x.view(8, 64)
    for got in (x.prod(), x.repeat(2, 1).prod(1), rows.prod(0), rows.t().contiguous().prod(1)):
        assert torch.allclose(got, torch.ones_like(got), rtol=1e-5)


def test_long_float_sums_stay_accurate():
    x = np.full(3_000_000, 0.1, "float32")
    exact = float(np.float32(0.1)) * x.size
    assert abs(torch.from_numpy(x).sum().item() / exact - 1) < 1e-6
    assert abs(torch.from_numpy(x.reshape(-1, 3)).sum(0)[1].item() * 3 / exact - 1) < 1e-6


def test_results_do_not_depend_on_the_number_of_threads():
    x = torch.randn(1_500_000)
    before = torch.get_num_threads()
    try:
        sums = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sums.append((x.sum().item(), x.var().item(), x.argmax().item()))
    finally:
        torch.set_num_threads(before)
    assert sums[0] == sums[1]


def test_variance_survives_a_large_mean():
    x = 1e6 + np.random.default_rng(0).normal(size=(4, 5000))
    check(lambda m, t: t.var(1), x, rtol=1e-9)
    assert torch.full((5000,), 0.1).var().item() == 0
    check(lambda m, t: (t.var(), t.std(0, False), t.var((0, 1), True, True)), x, rtol=1e-9)


@pytest.mark.parametrize("ord", [0, 0.5, 1, 2, 3, INF, -INF, -1])
def test_norms_and_their_subgradients(ord):
    x = np.random.default_rng(1).normal(size=(3, 4))
    theirs, ours = pair(x, grad=True)
    for dim in (None, 1):
        a, b = theirs.norm(ord, dim), ours.norm(ord, dim)
        same(a, b, rtol=1e-10)
        if ord:
            same(
                *[
                    m.autograd.grad(y.sum(), t)[0]
                    for m, y, t in ((oracle, a, theirs), (torch, b, ours))
                ],
                rtol=1e-9,
                atol=1e-12,
            )


def test_norm_of_zeros_has_gradient_zero():
    for ord in (1, 2, 3, INF):
        x = torch.zeros(3, requires_grad=True)
        x.norm(ord).backward()
        y = oracle.zeros(3, requires_grad=True)
        y.norm(ord).backward()
        same(y.grad, x.grad)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, t: t.sum(0),
        lambda m, t: t.mean((0, 1)),
        lambda m, t: t.prod(1),
        lambda m, t: t.amax(1),
        lambda m, t: t.max(),
        lambda m, t: t.min(1)[0],
        lambda m, t: t.std(0),
        lambda m, t: t.var(),
        lambda m, t: sum(m.var_mean(t, 1)),
        lambda m, t: t.logsumexp(1),
        lambda m, t: t.cumsum(1),
        lambda m, t: t.cumprod(0),
        lambda m, t: t.logcumsumexp(1),
        lambda m, t: t.cummax(1)[0],
        lambda m, t: t.softmax(0),
        lambda m, t: t.log_softmax(1),
        lambda m, t: t.median(1)[0],
        lambda m, t: t.kthvalue(2, 1)[0],
        lambda m, t: t.quantile(0.3, 0),
        lambda m, t: t.norm(3),
        lambda m, t: t.diff(),
        lambda m, t: m.trapezoid(t, dx=0.5),
        lambda m, t: t.nansum(0),
    ],
)
def test_two_derivatives(call):
    check(call, np.random.default_rng(5).normal(size=(4, 6)), grad=True, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("zeros", [1, 2])
def test_products_have_derivatives_at_zeros(zeros):
    x = np.random.default_rng(2).normal(size=(3, 5))
    x[1, :zeros] = 0
    check(lambda m, t: t.prod(1), x, grad=True, rtol=1e-9)
    check(lambda m, t: t.prod(), x, grad=True, rtol=1e-9)
    check(lambda m, t: t.cumprod(1), x, grad=True, rtol=1e-9)


def test_sums_choose_their_dtype():
    for dtype in ("uint8", "bool", "int32", "float16"):
        check(lambda m, t: t.sum(), np.arange(9) % 2, dtype=dtype)
        check(lambda m, t: t.cumsum(0), np.arange(9) % 2, dtype=dtype)
    check(lambda m, t: t.sum(dtype=m.float64), np.arange(4), dtype="int32")
    check(lambda m, t: t.sum(dtype=m.int8), np.full(3, 100), dtype="int8")
    check(lambda m, t: t.mean(dtype=m.float32), np.arange(4), dtype="int32")
    both_raise(RuntimeError, lambda m: m.arange(3).mean())


def test_overloads_and_numpy_names():
    x = np.random.default_rng(3).normal(size=(3, 4))
    check(lambda m, t: m.max(t, t.flip(0)), x)
    check(lambda m, t: t.max(axis=0), x)
    check(lambda m, t: t.sum(axis=0, keepdims=True), x)
    check(lambda m, t: t.sum(dim=()), x, rtol=1e-12)
    check(lambda m, t: t.argmax(keepdim=True), x)
    check(lambda m, t: t.aminmax(dim=1), x)
    named = torch.tensor(x).min(0)
    assert named.values is named[0] and type(named).__name__ == "min"


def test_node_names_are_those_of_pytorch():
    x = torch.ones(2, 2, requires_grad=True)
    names = [
        x.sum(),
        x.sum(0),
        x.mean(),
        x.mean(1),
        x.prod(0),
        x.max(),
        x.max(0)[0],
        x.amax(0),
        x.norm(),
    ]
    assert [t.grad_fn.name() for t in names] == [
        "SumBackward0",
        "SumBackward1",
        "MeanBackward0",
        "MeanBackward1",
        "ProdBackward1",
        "MaxBackward1",
        "MaxBackward0",
        "AmaxBackward0",
        "LinalgVectorNormBackward0",
    ]


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(interpolation):
    x = np.random.default_rng(4).normal(size=(5, 7))
    x[2, 3] = NAN
    theirs, ours = pair(x)
    for q in (0.0, 0.31, 1.0):
        for name in ("quantile", "nanquantile"):
            for dim in (1, None):
                both = [
                    getattr(t, name)(q, dim, interpolation=interpolation) for t in (theirs, ours)
                ]
                same(*both, rtol=1e-12)
    check(lambda m, t: t.quantile(m.tensor([0.1, 0.6], dtype=m.float64), 0, True), x, rtol=1e-12)


def test_medians_modes_and_kth_values():
    x = np.random.default_rng(6).integers(-4, 5, (6, 15)).astype("float64")
    check(lambda m, t: t.median(1)[0], x)
    check(lambda m, t: t.mode(1), x)
    check(lambda m, t: [t.kthvalue(k, 1)[0] for k in (1, 8, 15)], x)
    x[0, 3] = NAN
    check(lambda m, t: (t.median(1)[0], t.nanmedian(1)[0], t.median(), t.nanmedian()), x)
    check(lambda m, t: [t.kthvalue(k, 1)[0] for k in (1, 14, 15)], x)
    values, indices = torch.tensor(x).nanmedian(1)
    assert torch.equal(torch.tensor(x).gather(1, indices.unsqueeze(1)).squeeze(1), values)


def test_bad_input_raises_what_pytorch_raises():
    both_raise(IndexError, lambda m: m.ones(2, 2).sum(5))
    both_raise(RuntimeError, lambda m: m.ones(2, 2).sum((0, 0)))
    both_raise(RuntimeError, lambda m: m.ones(0).max())
    both_raise(IndexError, lambda m: m.ones(2, 0).max(1))
    both_raise(IndexError, lambda m: m.ones(0).argmax())
    both_raise(RuntimeError, lambda m: m.ones(3).kthvalue(4))
    both_raise(RuntimeError, lambda m: m.ones(3).quantile(1.5))
    both_raise(NotImplementedError, lambda m: m.arange(3).softmax(0))
    both_raise(RuntimeError, lambda m: m.arange(3).var())
    both_raise(TypeError, lambda m: m.linalg.vector_norm(m.ones(2), "fro"))


def test_recorded_gradients_of_a_mean_can_be_detached_in_place():
    x = torch.ones(2, 3, requires_grad=True)
    (g,) = torch.autograd.grad(x.mean(), x, create_graph=True)
    assert not g._is_view() and not g.detach_().requires_grad
    assert torch.equal(g, torch.full((2, 3), 1 / 6))
