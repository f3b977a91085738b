"""The engine under load: deep graphs, memory given back as backward proceeds, several threads."""

from __future__ import annotations

import gc
import threading
from weakref import ref

import pytest

import rushlight as torch
from rushlight import _C
from rushlight.autograd import Function

DEPTH = 100_000


class Twice(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g * 1


@pytest.mark.parametrize(
    "step, depth",
    [
        (lambda y: y + 1, DEPTH),
        (lambda y: y * 1.0, DEPTH),
        (lambda y: y * y.detach().sign(), DEPTH // 2),
        (lambda y: y.view(1), DEPTH),
        (lambda y: y.mul_(1.0), DEPTH),
        (lambda y: y[:1], DEPTH // 2),
        (Twice.apply, DEPTH // 5),
    ],
    ids=["add", "scale", "mul", "view", "in place", "slice", "function"],
)
def test_deep_graphs(step, depth):
    x = torch.ones(1, requires_grad=True)
    y = x * 1
    for _ in range(depth):
        y = step(y)
    y.sum().backward()
    assert x.grad.item() == 1.0
    y = x * 1
    for _ in range(depth):
        y = step(y)
    del y  # without a backward run


def test_wide_graphs():
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    torch.stack([x * float(i) for i in range(20_000)]).sum().backward()
    assert x.grad.item() == 20_000 * 19_999 / 2
    inputs = [torch.ones(1, requires_grad=True) for _ in range(3000)]
    total = inputs[0]
    for tensor in inputs[1:]:
        total = total + tensor
    assert all(g.item() == 1.0 for g in torch.autograd.grad(total, inputs))


def test_deep_double_backward():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(2000):
        y = y * x
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert (g.item(), h.item()) == (2001.0, 2001.0 * 2000.0)


def test_memory_is_given_back_as_backward_proceeds():
    size, layers = 100_000, 40
    live = []

    def look(g):
        live.append(_C.memory_stats()["allocated_bytes"])

    x = torch.zeros(size, requires_grad=True)
    y = x
    for _ in range(layers):
        y = (y * 1.01).sin()
        y.register_hook(look)
    total = y.sum()
    del y
    full = _C.memory_stats()["allocated_bytes"]
    total.backward()
    one = size * 4
    # Each layer keeps one activation; two or three gradients are under way.
    assert full >= layers * one
    for step, found in enumerate(live):
        assert found <= full - step * one + 4 * one
    assert live[-1] < full - (layers - 6) * one


def test_a_graph_that_is_kept_keeps_its_memory():
    x = torch.zeros(50_000, requires_grad=True)
    y = x.exp()
    total = y.sum()
    del y
    before = _C.memory_stats()["allocated_bytes"]
    total.backward(retain_graph=True)
    one = 200_000  # the activation, then the gradient too
    assert _C.memory_stats()["allocated_bytes"] >= before + one
    total.backward()
    assert _C.memory_stats()["allocated_bytes"] < before + one // 2


def test_graphs_die_with_their_tensors():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    watch = ref(y)
    total = (y * 2).sum()
    del y
    assert watch() is None, "a result that only its own node needs is not kept as a tensor"
    held = x * 3
    watch = ref(held)
    z = held.sin().sum()
    del held
    assert watch() is not None
    z.backward()
    gc.collect()
    assert watch() is None
    total.backward()


def in_threads(work, count=6):
    errors = []

    def run(i):
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_threads_add_to_one_leaf():
    # Big enough for the kernels to let other threads run.
    x = torch.zeros(200_000, requires_grad=True)
    assert not in_threads(lambda i: [(x * 1.0).sum().backward() for _ in range(20)])
    assert x.grad.min().item() == x.grad.max().item() == 120.0


def test_threads_run_one_graph():
    x = torch.linspace(0.1, 1.0, 1000, requires_grad=True)
    y = (x.exp().sin() * x).sum()
    (once,) = torch.autograd.grad(y, x, retain_graph=True)
    assert not in_threads(lambda i: [y.backward(retain_graph=True) for _ in range(10)])
    assert torch.allclose(x.grad, once * 60)


def test_threads_race_for_a_graph_that_is_freed():
    for _ in range(20):
        x = torch.ones(100, requires_grad=True)
        y = x
        for _ in range(30):
            y = (y * y.cos()).sin()
        total = y.sum()
        errors = in_threads(lambda i, total=total: total.backward(), 3)
        assert len(errors) == 2
        assert all("second time" in str(error) for error in errors)


def test_threads_have_hooks_and_modes_of_their_own():
    x = torch.ones(10, requires_grad=True)
    calls = []
    x.register_hook(lambda g: calls.append(threading.get_ident()))
    multi = []
    torch.autograd.graph.register_multi_grad_hook([x], lambda gs: multi.append(len(gs)))

    def work(i):
        for _ in range(20):
            with torch.no_grad():
                assert not (x * 2).requires_grad
            (x * 2).sum().backward()

    assert not in_threads(work)
    assert len(calls) == len(multi) == 120 and threading.get_ident() not in calls
    with torch.no_grad():
        enabled = []
        in_threads(lambda i: enabled.append(torch.is_grad_enabled()), 1)
    assert enabled == [True]


def test_threads_checkpoint():
    from rushlight.utils.checkpoint import checkpoint

    def work(i):
        for _ in range(10):
            x = torch.full((50,), 0.5, requires_grad=True)
            checkpoint(lambda v: v.exp().sin(), x, use_reentrant=False).sum().backward()
            assert torch.allclose(x.grad, x.exp().cos() * x.exp())

    assert not in_threads(work)
