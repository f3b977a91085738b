"""Making tensors from sizes and ranges, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from parity import EVERY, both_raise, check, oracle, same

import rushlight as torch


@pytest.mark.parametrize(
    "f",
    [
        lambda m: m.zeros(2, 3),
        lambda m: m.zeros((2, 3)),
        lambda m: m.zeros([2, 3]),
        lambda m: m.zeros(size=(2, 3)),
        lambda m: m.zeros(()),
        lambda m: m.zeros(0, 4),
        lambda m: m.zeros(m.Size([2])),
        lambda m: m.ones(3, dtype=m.int64),
        lambda m: m.ones(2, device="cpu"),
        lambda m: m.full((2, 2), 3),
        lambda m: m.full((2,), 2.5),
        lambda m: m.full((2,), True),
        lambda m: m.full((2,), 1j),
        lambda m: m.full((2,), 7, dtype=m.uint8),
        lambda m: m.full((2, 2), float("nan")),
        lambda m: m.full((1,), 2**62),
        lambda m: m.eye(3),
        lambda m: m.eye(2, 4, dtype=m.int32),
        lambda m: m.eye(0),
        lambda m: m.tril_indices(3, 4, 1),
        lambda m: m.triu_indices(4, 3, -1),
        lambda m: m.vander(m.tensor([1, 2, 3])),
        lambda m: m.vander(m.tensor([1.0, 2.0]), 4, True),
        lambda m: m.scalar_tensor(3),
        lambda m: m.zeros(2, out=m.empty(0)),
        lambda m: m.zeros(2, 3).new_full((2,), 3),
        lambda m: m.zeros(2).long().new_ones(3),
        lambda m: m.zeros(2).new_tensor([1, 2]),
        lambda m: m.zeros_like(m.ones(2, 3), dtype=m.int8),
        lambda m: m.full_like(m.ones(2, 3), 4),
        lambda m: m.ones_like(m.zeros(2, 3).t()),
        lambda m: m.unravel_index(m.tensor([1, 11]), (3, 4)),
        lambda m: m.zeros(3).new_tensor(5),
        lambda m: m.zeros(7, 3).fill_diagonal_(2, wrap=True),
        lambda m: m.zeros(3, 3, 3).fill_diagonal_(1),
        lambda m: m.zeros(2, 3).fill_diagonal_(5),
    ],
)
def test_filled(f):
    same(f(oracle), f(torch))


@pytest.mark.parametrize(
    "args",
    [
        (5,),
        (2, 7),
        (2, 9, 3),
        (5, 0, -1),
        (0.0, 1.0, 0.1),
        (3.5,),
        (1, 2.5),
        (0, 5, 0.5),
        (0,),
        (3, 3),
        (-2, 2),
        (10, 0, -3),
    ],
)
def test_arange(args):
    same(oracle.arange(*args), torch.arange(*args), rtol=1e-6)
    same(
        oracle.arange(*args, dtype=oracle.float64),
        torch.arange(*args, dtype=torch.float64),
        rtol=1e-15,
        atol=1e-15,
    )


def test_arange_errors_and_keywords():
    same(oracle.arange(end=4), torch.arange(end=4))
    same(oracle.arange(1, step=2, end=6), torch.arange(1, step=2, end=6))
    both_raise(RuntimeError, lambda m: m.arange(0, 3, 0))
    both_raise(RuntimeError, lambda m: m.arange(0, 3, -1))
    both_raise(RuntimeError, lambda m: m.arange(0, float("inf")))
    both_raise(TypeError, lambda m: m.arange())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex64", "float16", "uint8"])
def test_spaced(dtype):
    for start, end, steps in ((0, 10, 5), (3, 8, 1), (1, 2, 0), (10, 1, 7), (0, 1, 101)):
        same(
            oracle.linspace(start, end, steps, dtype=getattr(oracle, dtype)),
            torch.linspace(start, end, steps, dtype=getattr(torch, dtype)),
            rtol=2e-3 if dtype == "float16" else 2e-6,
            atol=1e-6,
        )
    if dtype.startswith("float") and dtype != "float16":
        same(
            oracle.logspace(-2, 3, 9, dtype=getattr(oracle, dtype)),
            torch.logspace(-2, 3, 9, dtype=getattr(torch, dtype)),
            rtol=1e-5,
        )
    both_raise(RuntimeError, lambda m: m.linspace(0, 1, -1))


@pytest.mark.parametrize("dtype", EVERY)
def test_every_dtype(dtype):
    for name in ("zeros", "ones"):
        same(
            getattr(oracle, name)(2, 3, dtype=getattr(oracle, dtype)),
            getattr(torch, name)(2, 3, dtype=getattr(torch, dtype)),
        )
    check(lambda m, x: m.zeros_like(x), np.ones((2, 3)), dtype=dtype)


def test_like_keeps_memory_order():
    for m in (oracle, torch):
        x = m.zeros(2, 3, 4, 5).permute(0, 2, 3, 1)
        assert m.empty_like(x).stride() == x.stride()
        assert m.zeros_like(x, memory_format=m.contiguous_format).is_contiguous()
        assert m.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
        assert m.empty_permuted((2, 3, 4), (0, 2, 1)).stride() == (12, 1, 3)


def test_gradients_can_be_asked_for():
    assert torch.zeros(2, requires_grad=True).requires_grad
    assert torch.full((2,), 1.0, requires_grad=True).is_leaf
    both_raise(RuntimeError, lambda m: m.ones(2, dtype=m.int64, requires_grad=True))


def test_bad_sizes_raise():
    both_raise(RuntimeError, lambda m: m.zeros(-1))
    both_raise(TypeError, lambda m: m.zeros(2.5))
    both_raise(TypeError, lambda m: m.zeros("a"))
    both_raise(RuntimeError, lambda m: m.zeros(2**40, 2**40))
    both_raise(TypeError, lambda m: m.full(3, 1.0))


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett", "kaiser"])
def test_window_functions(name):
    for n in (0, 1, 2, 9):
        for periodic in (True, False):
            f = lambda m: getattr(m, name + "_window")(n, periodic, dtype=m.float64)  # noqa: B023
            same(f(oracle), f(torch), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", torch.signal.windows.__all__)
def test_signal_windows(name):
    extra = {"general_cosine": {"a": [0.4, 0.3, 0.2]}}.get(name, {})
    for n in (0, 1, 8):
        for sym in (True, False):
            same(
                getattr(oracle.signal.windows, name)(n, sym=sym, dtype=oracle.float64, **extra),
                getattr(torch.signal.windows, name)(n, sym=sym, dtype=torch.float64, **extra),
                rtol=1e-9,
                atol=1e-12,
            )
    both_raise(ValueError, lambda m: getattr(m.signal.windows, name)(-1, **extra))


def test_view_copies_are_fresh():
    x = torch.arange(6).reshape(2, 3)
    for y in (
        torch.view_copy(x, (3, 2)),
        torch.t_copy(x),
        torch.select_copy(x, 0, 1),
        torch.split_copy(x, 2, 1)[0],
    ):
        y.fill_(9)
    assert x.flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_numbers_that_do_not_fit_raise():
    for f in (
        lambda m: m.full((2,), 300, dtype=m.uint8),
        lambda m: m.full((2,), 1e30, dtype=m.int64),
        lambda m: m.zeros(3).masked_fill(m.ones(3).bool(), 1j),
        lambda m: m.zeros(3, dtype=m.int8).index_fill(0, m.tensor([0]), 200),
    ):
        both_raise(RuntimeError, f)
