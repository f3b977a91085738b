"""Sorting, selection, distinct values and searching, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from parity import REAL, both_raise, check, numbers, oracle, pair, same

import rushlight as torch

NAN = np.array([[2.0, np.nan, -np.inf, 0.0, -0.0, np.inf, -3.0], [1, 1, np.nan, 5, -1, 1, 0]])


@pytest.mark.parametrize("dtype", [*REAL, "int8", "int16", "float16", "bfloat16"])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable_for_every_dtype(dtype, descending):
    for shape, dim in (((7,), 0), ((4, 9), 0), ((3, 200), -1), ((2, 3, 4), 1)):
        check(
            lambda m, x, d=dim: tuple(x.sort(dim=d, descending=descending, stable=True)),
            np.abs(numbers(*shape)),
            dtype=dtype,
        )


def test_sort_puts_nan_last_and_keeps_zeros_in_order():
    for descending in (False, True):
        theirs, ours = pair(NAN)
        got = ours.sort(stable=True, descending=descending)
        want = theirs.sort(stable=True, descending=descending)
        same(tuple(want), tuple(got))
        assert np.array_equal(np.signbit(got[0].numpy()), np.signbit(want[0].numpy()))


@pytest.mark.parametrize("n", [1, 2, 159, 160, 161, 5000, 250000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
def test_long_lines_sort(n, dtype):
    check(lambda m, x: tuple(m.sort(x, stable=True)), numbers(n, high=3000), dtype=dtype)


def test_sort_gradients_and_relatives():
    x = np.random.default_rng(0).permutation(24.0 * np.arange(1, 25)).reshape(4, 6)
    for f in (
        lambda m, x: x.sort(0)[0],
        lambda m, x: x.topk(3)[0],
        lambda m, x: m.msort(x),
        lambda m, x: x.topk(2, 0, False)[0],
        lambda m, x: x.argsort(1, True),
    ):
        check(f, x)
    check(lambda m, x: x.sort(0, True)[0], x, grad=True)
    check(lambda m, x: x.topk(3, 1)[0], x, grad=True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bfloat16"])
@pytest.mark.parametrize("largest", [True, False])
def test_topk_values(dtype, largest):
    for n, k in ((10, 0), (10, 1), (10, 10), (1000, 5), (3000, 400)):
        x = np.random.default_rng(n).permutation(n).astype(np.float64) % 251
        theirs, ours = pair(np.stack([x, x[::-1]]), dtype)
        values, at = ours.topk(k, largest=largest)
        same(theirs.topk(k, largest=largest)[0], values)
        same(theirs.gather(1, oracle.tensor(at.numpy())), values)
    both_raise(RuntimeError, lambda m: m.zeros(3).topk(4))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8", "bfloat16"])
@pytest.mark.parametrize("few", [1, 2, 5, 50])  # different values
def test_topk_of_ties_names_the_same_positions(dtype, few):
    draw = np.random.default_rng(few)
    for n in (4, 8, 17, 64, 129, 700, 5000):
        theirs, ours = pair(draw.integers(0, few, (3, n)), dtype)
        for k in (1, 2, 6, 16, n // 2, n):
            for how in ({}, {"largest": False}, {"sorted": False}):
                if k <= n:
                    same(theirs.topk(k, **how).indices, ours.topk(k, **how).indices)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "uint8"])
def test_unique(dtype):
    x = np.abs(numbers(6, 3, high=3))
    for how in (
        {},
        {"return_inverse": True},
        {"return_counts": True},
        {"return_inverse": True, "return_counts": True},
    ):
        for dim in (None, 0, 1):
            check(lambda m, x, h=how, d=dim: m.unique(x, dim=d, **h), x, dtype=dtype)
            check(lambda m, x, h=how, d=dim: m.unique_consecutive(x, dim=d, **h), x, dtype=dtype)


def test_searching():
    line, wanted = np.sort(numbers(20)), numbers(3, 4, seed=2)
    for right in (False, True):
        check(lambda m, a, b, r=right: m.searchsorted(a, b, right=r), line, wanted)
        check(lambda m, a, b, r=right: m.bucketize(b, a, right=r, out_int32=True), line, wanted)
    check(lambda m, a, b: m.searchsorted(a.view(2, 10), b[:2], side="right"), line, wanted)
    check(
        lambda m, a: m.searchsorted(
            a.flip(0), m.tensor([1.0, np.nan], dtype=a.dtype), sorter=m.arange(19, -1, -1)
        ),
        line,
    )
    check(lambda m, a, b: m.searchsorted(a.long(), b + 0.5), line, wanted)
    check(lambda m, a: m.bucketize(1.5, a.long()), line)
    both_raise(RuntimeError, lambda m: m.searchsorted(m.zeros(3, 2), m.zeros(2, 2)))


def test_counting():
    ids = np.array([1, 3, 1, 0, 7])
    check(
        lambda m, i: [m.bincount(i), m.bincount(i, minlength=10), m.bincount(i, m.ones(5) / 2)], ids
    )
    x = numbers(50)
    check(lambda m, x: [m.histc(x), m.histc(x, 5), m.histc(x, 4, -2, 3)], x, dtype="float32")
    check(lambda m, x: tuple(m.histogram(x, 6)), x, dtype="float32", rtol=1e-6)
    check(lambda m, x: tuple(m.histogram(x, 3, range=(-2.0, 4.0), density=True)), x, rtol=1e-6)
    both_raise(RuntimeError, lambda m: m.bincount(m.tensor([-1])))


def test_isin():
    x = numbers(5, 6)
    for tests in (numbers(3, seed=4), numbers(40, seed=4), np.zeros(0)):
        check(lambda m, a, b: [m.isin(a, b), m.isin(a, b, invert=True)], x, tests)
    check(lambda m, a: m.isin(a, 3.0), x)


def test_complex_numbers_have_no_order():
    with pytest.raises(RuntimeError):
        torch.zeros(3, dtype=torch.complex64).sort()
