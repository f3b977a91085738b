"""Branches, loops and scans as operators."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rushlight as torch
from rushlight._dynamo.exc import UncapturedHigherOrderOpError
from rushlight._higher_order_ops import associative_scan, map, scan, while_loop


def test_cond_takes_one_branch():
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def branch(pred):
        return torch.cond(pred, lambda a: a.sin(), lambda a: a * 3, (x,))

    for pred, expected in ((torch.tensor(True), x.cos()), (torch.tensor([False]), 3 + 0 * x)):
        (grad,) = torch.autograd.grad(branch(pred).sum(), x)
        torch.testing.assert_close(grad, expected)
    assert branch(1).tolist() == x.sin().tolist()
    lanes = torch.vmap(lambda p, a: torch.cond(p, lambda a: a * 2, lambda a: a * 0, (a,)))
    assert lanes(torch.tensor([True, False]), torch.ones(2)).tolist() == [2.0, 0.0]
    for pred, words in ((x, "single-element tensor"), ("a", "bool or tensor, but got a")):
        with pytest.raises(RuntimeError, match=words):
            branch(pred)
    with pytest.raises(RuntimeError, match="operands to be a tuple"):
        torch.cond(torch.tensor(True), torch.sin, torch.cos, ("a",))
    with pytest.raises(RuntimeError, match="both branches to be callable"):
        torch.cond(torch.tensor(True), 1, torch.cos, (x,))


def test_while_loop():
    start = torch.tensor(0), torch.ones(2, requires_grad=True)
    count, value = torch.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), start)
    assert count.item() == 3 and value.tolist() == [8.0, 8.0]
    (grad,) = torch.autograd.grad(value.sum(), start[1])
    assert grad.tolist() == [8.0, 8.0]
    assert while_loop(lambda i: i < 3, lambda i: i + 1, (torch.tensor(0),)).item() == 3
    with pytest.raises(UncapturedHigherOrderOpError, match="scalar tensor or a bool"):
        while_loop(lambda i: torch.ones(2) > 0, lambda i: (i,), (torch.tensor(0),))
    with pytest.raises(UncapturedHigherOrderOpError, match="shape and dtype of what it replaces"):
        while_loop(lambda i: i < 3, lambda i: (i.float(),), (torch.tensor(0),))
    with pytest.raises(RuntimeError, match="cond_fn and body_fn to be callable"):
        while_loop(1, lambda i: i, (torch.tensor(0),))


def test_map():
    x = torch.arange(6.0).view(3, 2).requires_grad_()
    out = map(lambda row, shift: {"o": row.sin() + shift}, x, torch.ones(2))["o"]
    torch.testing.assert_close(out, x.sin() + 1)
    torch.testing.assert_close(torch.autograd.grad(out.sum(), x)[0], x.cos())
    with pytest.raises(RuntimeError, match="cannot be 0"):
        map(torch.sin, torch.ones(0, 2))
    with pytest.raises(RuntimeError, match="only consist of tensors"):
        map(torch.sin, 1)


def test_scan():
    start = torch.zeros(2, requires_grad=True)
    xs = torch.arange(6.0).view(3, 2).requires_grad_()
    last, rows = scan(lambda c, x: (c * x + 1, c + x), start, xs)
    last2, rows2, carry = start, [], start
    for x in xs:
        rows2.append(carry + x)
        carry = carry * x + 1
    last2 = carry
    torch.testing.assert_close((last, rows), (last2, torch.stack(rows2)))
    ours = torch.autograd.grad(last.sum() + rows.sum(), (start, xs))
    loop = torch.autograd.grad(last2.sum() + torch.stack(rows2).sum(), (start, xs))
    torch.testing.assert_close(ours, loop)
    _, backwards = scan(lambda c, x: (c + x, c.clone()), torch.zeros(2), xs, reverse=True)
    assert backwards.tolist() == [[6.0, 8.0], [4.0, 5.0], [0.0, 0.0]]
    _, columns = scan(lambda c, x: (c + x, c + x), torch.zeros(3), xs, dim=1)
    torch.testing.assert_close(columns, xs.cumsum(1))
    with pytest.raises(UncapturedHigherOrderOpError, match="the carry to have the shape"):
        scan(lambda c, x: (c.sum(), x), torch.zeros(2), xs)
    with pytest.raises(RuntimeError, match="scan dimension > 0"):
        scan(lambda c, x: (c, x), torch.zeros(2), torch.ones(0, 2))
    with pytest.raises(RuntimeError, match="requires init leaves"):
        scan(lambda c, x: (c, x), [], xs)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
def test_associative_scan(count):
    x = torch.linspace(0.5, 1.5, count * 2, dtype=torch.float64).view(count, 2).requires_grad_()
    products = associative_scan(lambda a, b: a * b, x, 0, combine_mode="generic")
    torch.testing.assert_close(products, x.cumprod(0))
    grads = [torch.autograd.grad(y.sum(), x)[0] for y in (products, x.cumprod(0))]
    torch.testing.assert_close(*grads)
    turned = associative_scan(lambda a, b: a + b, x.t(), 1, reverse=True, combine_mode="generic")
    torch.testing.assert_close(turned, x.t().flip(1).cumsum(1).flip(1))


def test_associative_scan_of_pairs_and_errors():
    decay, values = torch.full((4,), 0.5), torch.ones(4)

    def step(a, b):
        return a[0] * b[0], b[0] * a[1] + b[1]

    _, states = associative_scan(step, (decay, values), 0, combine_mode="generic")
    assert states.tolist() == [1.0, 1.5, 1.75, 1.875]
    with pytest.raises(ValueError, match="but got foo"):
        associative_scan(torch.add, values, 0, combine_mode="foo")
    with pytest.raises(ValueError, match="need to be on CUDA"):
        associative_scan(torch.add, values, 0)
    with pytest.raises(ValueError, match="scan dimension > 0"):
        associative_scan(torch.add, torch.ones(0), 0, combine_mode="generic")


def test_modules_do_not_take_the_place_of_functions():
    program = (
        "import torch\n"
        "from torch._higher_order_ops.cond import cond\n"
        "from torch.nn.utils.weight_norm import WeightNorm\n"
        "print(torch.cond is cond is torch._higher_order_ops.cond,\n"
        "      callable(torch.nn.utils.weight_norm), torch.ops.higher_order.cond.name())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "-"], input=program, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "True", "cond"], done.stderr
