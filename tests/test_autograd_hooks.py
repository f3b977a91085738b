"""Hooks on gradients: on tensors and nodes, their order, what they may change, their removal."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd.graph import (
    get_gradient_edge,
    register_multi_grad_hook,
)


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_everything_runs_in_pytorchs_order():
    log = []
    x = leaf(1.0, 1.0)
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: log.append("after y"))
    y.grad_fn.register_prehook(lambda outputs: log.append("before y"))
    for i in range(2):
        y.register_hook(lambda g, i=i: log.append(f"y{i}"))
        x.register_hook(lambda g, i=i: log.append(f"x{i}"))
    x.register_post_accumulate_grad_hook(lambda t: log.append(f"accumulated {t.grad.tolist()}"))
    accumulate = get_gradient_edge(x).node
    accumulate.register_prehook(lambda outputs: log.append("before x"))
    accumulate.register_hook(lambda inputs, outputs: log.append(f"after x {inputs}"))
    y.sum().backward()
    assert log == [
        *["y0", "y1", "before y", "after y"],
        *["x0", "x1", "before x", "accumulated [2.0, 2.0]", "after x ()"],
    ]
    log.clear()
    torch.autograd.grad((x * 2).sum(), x)
    assert log == ["x0", "x1"], "grad() runs a leaf's own hooks, not its node's"


def test_hooks_change_gradients():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: -g)
    y.sum().backward()
    assert x.grad.tolist() == [-33.0, -33.0]
    node = (x * 1).grad_fn
    z = x * x
    z.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2,))
    z.grad_fn.register_hook(lambda inputs, outputs: (inputs[0], None))
    assert torch.autograd.grad(z.sum(), x)[0].tolist() == [-2.0, -4.0]
    assert node.name() == "MulBackward0"


def test_what_is_asked_of_a_node_that_runs_comes_before_its_hooks():
    x = leaf(1.0, 1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    z = y.sum()
    both = torch.autograd.grad(z, [x, y], retain_graph=True)
    assert [g.tolist() for g in both] == [[20.0, 20.0], [1.0, 1.0]]
    (alone,) = torch.autograd.grad(z, y)
    assert alone.tolist() == [10.0, 10.0]


@pytest.mark.parametrize(
    "result, error, text",
    [
        (5, TypeError, "expected Variable, but hook returned 'int'"),
        (torch.ones(3), RuntimeError, "hook 'bad' has changed the size of value"),
        (torch.ones(2, 1), RuntimeError, "hook 'bad' has changed the size of value"),
        (
            torch.ones(2, dtype=torch.float64),
            RuntimeError,
            "has changed the type of value .was torch.FloatTensor got torch.DoubleTensor",
        ),
    ],
)
def test_tensor_hooks_are_checked(result, error, text):
    def bad(g):
        return result

    x = leaf(1.0, 2.0)
    for tensor in (x * 1, x):
        handle = tensor.register_hook(bad)
        with pytest.raises(error, match=text):
            (tensor * 2).sum().backward()
        handle.remove()
    assert x.grad is None


@pytest.mark.parametrize(
    "result, error, text",
    [
        (7, TypeError, "expected tuple, but hook returned 'int'"),
        ((1, 2), TypeError, "expected Variable, but hook returned 'int'"),
        ((None,), RuntimeError, "hook 'bad' has returned an incorrect number of values"),
        ((torch.ones(2), torch.ones(5)), RuntimeError, "has changed the size of value"),
        ([None, None], TypeError, "expected tuple, but hook returned 'list'"),
    ],
)
def test_node_hooks_are_checked(result, error, text):
    def bad(inputs, outputs):
        return result

    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * w
    handle = y.grad_fn.register_hook(bad)
    with pytest.raises(error, match=text):
        y.sum().backward(retain_graph=True)
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_prehooks_are_checked():
    x = leaf(1.0, 2.0)
    for result, error in ((3, TypeError), ((None, None), RuntimeError), ((4,), TypeError)):
        y = x * 2
        y.grad_fn.register_prehook(lambda outputs, result=result: result)
        with pytest.raises(error):
            y.sum().backward()
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: (None,))
    y.sum().backward()
    assert x.grad is None


def test_absent_gradients_reach_hooks_as_none():
    log = []
    first, second = torch.arange(4.0, requires_grad=True).split(2)
    second.register_hook(lambda g: log.append(g))
    first.grad_fn.register_prehook(lambda outputs: log.append([g is None for g in outputs]))
    first.sum().backward()
    assert log == [None, [False, True]]
    a, b = torch.arange(4.0, requires_grad=True).split(2)
    b.register_hook(lambda g: torch.ones(2))
    with pytest.raises(RuntimeError, match="can't replace a None gradient"):
        a.sum().backward()


def test_hooks_stay_with_the_value_they_were_put_on():
    log = []
    x = leaf(1.0, 1.0)
    y = x * 2
    y.register_hook(lambda g: log.append(("before", g.tolist())))
    y.mul_(3)
    y.register_hook(lambda g: log.append(("after", g.tolist())))
    y.sum().backward()
    assert log == [("after", [1.0, 1.0]), ("before", [3.0, 3.0])]


@pytest.mark.parametrize("write", ["whole", "part", "base"])
def test_retained_gradients_follow_the_tensor(write):
    x = leaf(1.0, 1.0)
    y = x * 2
    if write == "base":
        view = y[:1]
        view.retain_grad()
        y.mul_(2)
        (y.sum() + view.sum() * 3).backward()
        assert view.grad.tolist() == [3.0]
        return
    y.retain_grad()
    if write == "whole":
        y.mul_(3)
    else:
        y[0] = 5.0
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]


def test_retain_grad_sees_what_hooks_made_of_it():
    y = leaf(1.0) * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10.0]


def test_handles_and_late_registration():
    log = []
    x = leaf(1.0)

    def first(g):
        log.append("first")
        handle.remove()
        x.register_hook(lambda g: log.append("late"))

    handle = x.register_hook(first)
    x.register_hook(lambda g: log.append("second"))
    x.sum().backward()
    x.sum().backward()
    assert log == ["first", "second", "second", "late"]
    with x.register_hook(lambda g: g * 100):
        assert torch.autograd.grad(x.sum(), x)[0].item() == 100.0
    assert torch.autograd.grad(x.sum(), x)[0].item() == 1.0
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(1).register_hook(print)


def test_optimizer_step_within_backward():
    parameters = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]

    def step(p):
        with torch.no_grad():
            p -= 0.5 * p.grad
        p.grad = None

    for p in parameters:
        p.register_post_accumulate_grad_hook(step)
    (parameters[0] * 2 + parameters[1]).sum().backward()
    assert [p.tolist() for p in parameters] == [[0.0, 0.0], [0.5, 0.5]]
    assert all(p.grad is None for p in parameters)
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (parameters[0] * 2).register_post_accumulate_grad_hook(step)
    parameters[0].register_post_accumulate_grad_hook(lambda p: 5)
    with pytest.raises(TypeError, match="expected Variable, but hook returned 'int'"):
        parameters[0].sum().backward()


def test_multi_grad_hook_all():
    log = []
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    note = lambda gs: log.append([None if g is None else g.item() for g in gs])  # noqa: E731
    handle = register_multi_grad_hook((a, b, c), note)
    (a * b).sum().backward()
    (a * b * c).sum().backward()
    a.sum().backward()
    assert log == [[2.0, 1.0, None], [6.0, 3.0, 2.0], [1.0, None, None]]
    handle.remove()
    (a * b).sum().backward()
    assert len(log) == 3
    with pytest.raises(ValueError, match="Expects mode to be one of"):
        register_multi_grad_hook((a,), note, mode="some")


def test_multi_grad_hook_any():
    log = []
    a, b = leaf(1.0), leaf(2.0)
    with register_multi_grad_hook((a, b), lambda g: log.append(g.item()), mode="any"):
        (a * 2 * b).sum().backward()
        a.sum().backward()
    a.sum().backward()
    assert log == [2.0, 1.0]


def test_multi_grad_hook_while_another_run_is_nested():
    log = []
    a, b = leaf(1.0), leaf(2.0)
    y, z = a * 2, b * 3
    register_multi_grad_hook([y, z], lambda gs: log.append([g.item() for g in gs]))

    def nested(g):
        with torch.enable_grad():
            log.append(torch.autograd.grad((b * b).sum(), b)[0].item())

    y.register_hook(nested)
    (y * z).sum().backward()
    assert sorted(log, key=str) == [4.0, [6.0, 2.0]]


def test_callbacks_run_when_all_is_done():
    log = []
    engine = torch.autograd.Variable._execution_engine
    x = leaf(1.0)
    x.register_hook(lambda g: engine.queue_callback(lambda: log.append(x.grad.item())))
    (x * 3).sum().backward()
    assert log == [3.0]
    with pytest.raises(RuntimeError, match="during backward pass"):
        engine.queue_callback(print)


def test_hooks_run_backward_themselves():
    a, b = leaf(1.0), leaf(2.0)
    y = a * 2
    y.register_hook(torch.enable_grad()(lambda g: (b * 3).sum().backward()))
    y.sum().backward()
    assert a.grad.item() == 2.0 and b.grad.item() == 3.0


def test_an_exception_of_a_hook_stops_the_run():
    x, w = leaf(1.0), leaf(2.0)
    y = x * w

    def boom(g):
        raise KeyError("boom")

    y.register_hook(boom)
    with pytest.raises(KeyError, match="boom"):
        y.sum().backward()
    assert x.grad is None and w.grad is None and torch.is_grad_enabled()


def test_hooks_are_recorded_under_create_graph():
    x = leaf(2.0)
    y = x**3
    y.register_hook(lambda g: g * x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g.item() == 24.0
    assert torch.autograd.grad(g, x)[0].item() == 36.0


def test_hooks_after_accumulation_return_nothing():
    x = torch.ones(2, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2))
    with pytest.raises(RuntimeError, match="post accumulate grad hooks should return None"):
        x.sum().backward()
