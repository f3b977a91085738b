"""`linear` with a bias of several dims."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.nn import functional as F


@pytest.mark.parametrize(
    "rows, bias, node",
    [
        ((2,), (3,), "AddmmBackward0"),
        ((2,), (1, 3), "AddmmBackward0"),
        ((2,), (2, 3), "AddmmBackward0"),
        ((2,), (2, 1), "AddmmBackward0"),
        ((4, 2), (1, 3), "ViewBackward0"),
        ((4, 2), (2, 3), "AddBackward0"),
        ((), (1, 3), "ViewBackward0"),
    ],
)
def test_the_node_and_the_gradients_are_those_of_the_sum(rows, bias, node):
    x, w = torch.randn(*rows, 5), torch.randn(3, 5, requires_grad=True)
    b = torch.randn(bias, requires_grad=True)
    got = F.linear(x, w, b)
    assert type(got.grad_fn).__name__ == node and got.shape == (*rows, 3)
    want = x @ w.t() + (b if rows else b.flatten())
    torch.testing.assert_close(got, want)
    weights = torch.randn(got.shape)
    for a, e in zip(
        torch.autograd.grad((got * weights).sum(), (w, b)),
        torch.autograd.grad((want * weights).sum(), (w, b)),
        strict=True,
    ):
        torch.testing.assert_close(a, e)
