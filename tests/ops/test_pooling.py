"""Pooling against PyTorch: windows of every kind, indices, gradients of first and second order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from parity import both_raise, check, numbers, oracle

import rushlight as torch

F = lambda m: m.nn.functional


def distinct(*shape, seed=0):
    n = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(n).astype(np.float64).reshape(shape) / n


WINDOWS = [
    (2, None, 0, False),
    (3, 2, 1, False),
    (3, 1, 1, False),
    (2, 3, 0, True),
    (3, 2, 1, True),
    (2, 2, 1, True),
]


@pytest.mark.parametrize("k,s,p,ceil", WINDOWS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_fixed_windows(dims, k, s, p, ceil):
    shape = (2, 3, 7, 8, 6)[: 2 + dims]
    for x in (distinct(*shape), distinct(*shape[1:])):
        check(
            lambda m, x: getattr(F(m), f"max_pool{dims}d")(x, k, s, p, ceil_mode=ceil), x, grad=True
        )
        check(
            lambda m, x: getattr(F(m), f"max_pool{dims}d")(
                x, k, s, p, 2 if k == 3 else 1, ceil, return_indices=True
            ),
            x,
        )
        for pad in (True, False):
            check(
                lambda m, x, pad=pad: getattr(F(m), f"avg_pool{dims}d")(x, k, s, p, ceil, pad),
                x,
                grad=True,
                rtol=1e-12,
            )


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_adaptive_windows(dims, size):
    x = distinct(*(2, 3, 7, 5, 6)[: 2 + dims])
    check(
        lambda m, x: getattr(F(m), f"adaptive_avg_pool{dims}d")(x, size), x, grad=True, rtol=1e-12
    )
    check(lambda m, x: getattr(F(m), f"adaptive_max_pool{dims}d")(x, size, True), x, grad=True)


@pytest.mark.parametrize("order", ["contiguous_format", "channels_last"])
def test_adaptive_maxima_of_equal_elements_and_nans(order):
    nan, inf = math.nan, math.inf
    x = torch.tensor([[2.0, 2, 1, 3], [2, 0, 3, 3], [nan, 9, -inf, -inf], [4, nan, -inf, -inf]])
    x = x[None, None].repeat(1, 2, 1, 1).to(memory_format=getattr(torch, order))
    values, places = F(torch).adaptive_max_pool2d(x, 2, return_indices=True)
    assert places[0, 1].tolist() == [[0, 3], [13, 10]]  # the first of equals, the last NaN
    assert str(values[0, 1].tolist()) == "[[2.0, 3.0], [nan, -inf]]"


def test_uneven_settings():
    x = distinct(2, 3, 9, 8)
    check(lambda m, x: F(m).max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2)), x, grad=True)
    check(
        lambda m, x: F(m).avg_pool2d(x, (3, 2), (2, 1), (1, 0), divisor_override=5),
        x,
        grad=True,
        rtol=1e-12,
    )
    check(lambda m, x: F(m).adaptive_avg_pool2d(x, (None, 3)), x, grad=True, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int64", "float64"])
def test_dtypes(dtype):
    x = numbers(2, 3, 8, 8)
    check(lambda m, x: F(m).max_pool2d(x, 2), x, dtype=dtype)
    check(lambda m, x: F(m).max_pool2d(x, 3, 2, 1, return_indices=True), x, dtype=dtype)
    check(lambda m, x: F(m).avg_pool2d(x, 2), x, dtype=dtype, rtol=1e-2)


def test_ties_and_nan_pick_as_pytorch():
    x = np.zeros((1, 1, 6, 6))
    x[0, 0, 3, 3] = x[0, 0, 2, 3] = np.nan
    x[0, 0, 0, 4] = -np.inf
    for k in (2, 3):
        check(lambda m, x, k=k: F(m).max_pool2d(x, k, return_indices=True), x)
        grads = []
        for m in (oracle, torch):
            t = m.tensor(x, requires_grad=True)
            F(m).max_pool2d(t, k).sum().backward()
            grads.append(t.grad.numpy())
        np.testing.assert_array_equal(grads[1], grads[0])


def test_many_planes_in_threads():
    x = distinct(8, 16, 30, 31)
    check(lambda m, x: F(m).max_pool2d(x, 2), x, grad=True)
    check(lambda m, x: F(m).avg_pool2d(x, 3, 2, 1), x, grad=True, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
@pytest.mark.parametrize("k,s,p,ceil", WINDOWS)
def test_channels_last_stays_and_gives_the_same(k, s, p, ceil, dtype):
    last = {"memory_format": torch.channels_last}
    plain = torch.from_numpy(numbers(2, 19, 7, 9, high=5)).to(getattr(torch, dtype))
    floats = dtype != "int32"
    if floats:
        plain[0, :, 3, 3], plain[1, 4] = float("nan"), float("-inf")
    x, plain = plain.contiguous(**last).requires_grad_(floats), plain.requires_grad_(floats)
    y, at = F(torch).max_pool2d(x, k, s, p, ceil_mode=ceil, return_indices=True)
    alone, (want, want_at) = (
        F(torch).max_pool2d(x, k, s, p, ceil_mode=ceil),
        F(torch).max_pool2d(plain, k, s, p, ceil_mode=ceil, return_indices=True),
    )
    for got in (y, at, alone):
        assert got.is_contiguous(**last)
    as_floats = [t.detach().double().numpy() for t in (y, alone, want)]
    np.testing.assert_array_equal(as_floats[0], as_floats[2])
    np.testing.assert_array_equal(as_floats[1], as_floats[2])
    np.testing.assert_array_equal(at.numpy(), want_at.numpy())
    if floats:
        g = torch.randn(want.shape).round().to(want.dtype)
        (gx,), (want_gx,) = torch.autograd.grad(alone, x, g), torch.autograd.grad(want, plain, g)
        np.testing.assert_array_equal(gx.double().numpy(), want_gx.double().numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize(
    "dims,size,kernel,out",
    [
        (2, (13, 17), (2, 3), (5, 6)),
        (2, (64, 64), (3, 3), (38, 1)),
        (3, (7, 9, 8), (2, 3, 2), (3, 4, 5)),
    ],
)
def test_fractional_windows_begin_where_pytorchs_do(dims, size, kernel, out, dtype):
    x, samples = distinct(2, 3, *size), distinct(2, 3, dims, seed=1)

    def pool(m):
        given = [m.from_numpy(a).to(getattr(m, dtype)) for a in (x, samples)]
        f = getattr(F(m), f"fractional_max_pool{dims}d")
        how = {"output_size": out, "return_indices": True, "_random_samples": given[1]}
        return f(given[0], kernel, **how)

    for ours, theirs in zip(pool(torch), pool(oracle), strict=True):
        np.testing.assert_array_equal(ours.double().numpy(), theirs.double().numpy())


def test_bad_settings_raise():
    both_raise(RuntimeError, lambda m: F(m).max_pool2d(m.zeros(1, 1, 4, 4), 2, padding=2))
    both_raise(RuntimeError, lambda m: F(m).max_pool2d(m.zeros(1, 1, 2, 2), 3))
    both_raise(RuntimeError, lambda m: F(m).max_pool2d(m.zeros(4, 4), 2))
    both_raise(RuntimeError, lambda m: F(m).avg_pool2d(m.zeros(1, 1, 4, 4), 2, divisor_override=0))
    both_raise(RuntimeError, lambda m: F(m).max_pool2d(m.zeros(1, 1, 4, 4), 2, 0))


@pytest.mark.parametrize("dims", (2, 3))
def test_windows_of_padding_alone_take_no_gradient(dims):
    # Dilated windows that miss the plane: nothing to read, and nothing to write in backward.
    shape = (2, 1, *(2, 1, 5)[3 - dims :])
    x = torch.arange(float(math.prod(shape))).reshape(shape).requires_grad_()
    pool = getattr(torch.nn.functional, f"max_pool{dims}d")
    y = pool(x, 2, stride=3, padding=1, dilation=2)
    y.sum().backward()
    assert y.isinf().all() and not x.grad.any()


def test_windows_that_do_not_fit_say_the_sizes_of_a_channel():
    words = r"Given input size: \(3x4x4\)\. Calculated output size: \(3x0x0\)\. Output size is too"
    for shape in ((2, 3, 4, 4), (3, 4, 4)):
        with pytest.raises(RuntimeError, match=words):
            torch.nn.functional.max_pool2d(torch.ones(shape), 7)
