"""The graph and the engine: history, in-place writes, views, hooks, modes, lifetime."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import rushlight as torch


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_backward_accumulates_into_leaves():
    x = leaf(1.0, 2.0, 3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [3.0, 5.0, 7.0]
    (x * 2).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0, 9.0]


def test_graph_has_pytorchs_names():
    x = leaf(1.0, 2.0)
    y = (x * 3).mean()
    assert type(y.grad_fn).__name__ == "MeanBackward0"
    mul = y.grad_fn.next_functions[0][0]
    assert mul.name() == "MulBackward0"
    accumulate = mul.next_functions[0][0]
    assert accumulate.name() == "torch::autograd::AccumulateGrad" and accumulate.variable is x
    assert mul.next_functions[1] == (None, 0)


def test_broadcast_operands_get_gradients_of_their_own_shape():
    a, b = torch.ones(3, 1, requires_grad=True), torch.ones(4, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.tolist() == [[4.0]] * 3 and b.grad.tolist() == [3.0] * 4


def test_gradient_has_the_inputs_dtype():
    a = torch.ones(3, dtype=torch.float32, requires_grad=True)
    b = torch.ones(3, dtype=torch.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == torch.float32 and b.grad.dtype == torch.float64


def test_a_value_saved_and_then_modified_is_refused():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(
        RuntimeError, match="modified by an inplace operation.*is at version 1; expected version 0"
    ):
        y.sum().backward()


def test_a_second_backward_is_refused_unless_the_graph_is_kept():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_in_place_on_a_leaf_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        x[0].mul_(2)
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]


def test_in_place_on_a_view_rewrites_the_bases_history():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    view, other = y[1:], y[:2]
    view.mul_(3)
    assert type(y.grad_fn).__name__ == "CopySlices"
    assert type(view.grad_fn).__name__ == "AsStridedBackward0"
    (y.sum() + other.sum()).backward()
    assert x.grad.tolist() == [4.0, 12.0, 6.0]


def test_assigning_into_a_slice_carries_gradients_both_ways():
    x, w = leaf(1.0, 2.0, 3.0), leaf(5.0, 6.0)
    y = x * 1
    y[1:] = w * 10
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 0.0]
    assert w.grad.tolist() == [20.0, 30.0]


def test_in_place_write_into_a_plain_tensor_starts_its_history():
    w = leaf(2.0)
    buffer = torch.zeros(3)
    row = buffer[1:2]
    row.copy_(w * 3)
    assert buffer.requires_grad and row.requires_grad
    buffer.sum().backward()
    assert w.grad.tolist() == [3.0]


def test_in_place_keeps_the_operand_it_needs():
    w, x = leaf(2.0, 3.0), leaf(5.0, 7.0)
    y = x * 1
    y.mul_(w)
    y.sum().backward()
    assert w.grad.tolist() == [5.0, 7.0] and x.grad.tolist() == [2.0, 3.0]


def test_views_of_split_refuse_in_place():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    first, _ = (x * 1).split(2)
    with pytest.raises(RuntimeError, match="multiple views"):
        first.add_(1)


def test_view_made_without_recording_refuses_in_place_with_recording():
    base = leaf(1.0, 2.0) * 1
    with torch.no_grad():
        view = base[:1]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode"):
        view.add_(1)


def test_double_backward():
    x = leaf(1.0, 2.0, 3.0)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert g.tolist() == [3.0, 12.0, 27.0] and h.tolist() == [6.0, 12.0, 18.0]


def test_grad_leaves_other_leaves_alone():
    x, y = leaf(2.0), leaf(3.0)
    (g,) = torch.autograd.grad(x * y, x)
    assert g.tolist() == [3.0] and x.grad is None and y.grad is None
    with pytest.raises(RuntimeError, match="appears to not have been used"):
        torch.autograd.grad(x * 2, y)
    assert torch.autograd.grad(x * 2, y, allow_unused=True) == (None,)


def test_backward_with_inputs_fills_only_those():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [3.0] and y.grad is None


def test_grad_of_an_intermediate():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    assert torch.autograd.grad(z, y)[0].tolist() == [3.0]


def test_implicit_gradient_needs_a_scalar():
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(1).backward()


def test_tensor_hooks_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [20.0, 20.0]
    handle.remove()
    y.sum().backward()
    assert len(seen) == 1


def test_leaf_hooks_and_post_accumulate_hooks():
    x = leaf(1.0, 2.0)
    order = []
    x.register_hook(lambda g: order.append("hook") or g * 2)
    x.register_post_accumulate_grad_hook(lambda t: order.append(t.grad.tolist()))
    (x * 3).sum().backward()
    assert order == ["hook", [6.0, 6.0]]


def test_node_hooks():
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 2,))
    y.grad_fn.register_hook(
        lambda inputs, outputs: seen.append((inputs[0].tolist(), outputs[0].tolist()))
    )
    y.sum().backward()
    assert seen == [([4.0, 4.0], [2.0, 2.0])] and x.grad.tolist() == [4.0, 4.0]


def test_retain_grad_keeps_an_intermediate_gradient():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 8.0]


def test_modes_nest_and_survive_exceptions():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        with pytest.raises(ZeroDivisionError), torch.set_grad_enabled(True):
            raise ZeroDivisionError
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert not torch.no_grad()(lambda: (x * 2).requires_grad)()


def test_inference_tensors_refuse_autograd():
    with torch.inference_mode():
        t = torch.ones(2)
        assert t.is_inference()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        t * leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        t.add_(1)


def test_detach_shares_storage_and_cuts_history():
    x = leaf(1.0, 2.0)
    d = (x * 2).detach()
    assert not d.requires_grad and d.grad_fn is None
    y = x.detach()
    y[0] = 7
    assert x.tolist() == [7.0, 2.0]


def test_requires_grad_rules():
    with pytest.raises(RuntimeError, match="only Tensors of floating point"):
        torch.ones(2, dtype=torch.int64).requires_grad_()
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf"):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        y.numpy()


def test_anomaly_mode_names_the_forward_line():
    x = leaf(-1.0)
    with (
        pytest.warns(UserWarning, match="test_autograd.py"),
        pytest.warns(UserWarning, match="Anomaly Detection has been enabled"),
        torch.autograd.detect_anomaly(),
    ):
        with pytest.raises(RuntimeError, match="returned nan values"):
            x.sqrt().backward()


def test_custom_function_with_non_tensor_arguments():
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            ctx.save_for_backward(x)
            assert ctx.needs_input_grad == (True, False)
            return x * factor

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            assert x.tolist() == [1.0, 2.0]
            return g * ctx.factor, None

    x = leaf(1.0, 2.0)
    y = Scale.apply(x, 3)
    assert type(y.grad_fn).__name__ == "ScaleBackward"
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_deep_graphs_do_not_recurse():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 0.0
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y
    gc.collect()


def test_memory_is_freed_as_backward_proceeds_and_with_the_graph():
    big = torch.ones(1000, requires_grad=True)
    y = (big * big).exp()
    kept = weakref.ref(y)
    y.sum().backward()
    del y
    assert kept() is None


def test_reference_cycles_through_hooks_are_collected():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g, y=y: None)
    gone = weakref.ref(y)
    del y
    gc.collect()
    assert gone() is None


def test_graphs_run_in_several_threads():
    results = []

    def work(scale):
        for _ in range(50):
            x = torch.full((10,), float(scale), requires_grad=True)
            (x * x).sum().backward()
        results.append((scale, x.grad[0].item()))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(results) == [(k, 2.0 * k) for k in range(4)]


def test_set_data_between_forward_and_backward_counts():
    x = leaf(3.0)
    y = x * x
    x.data = torch.tensor([100.0])
    y.backward()
    assert x.grad.tolist() == [200.0]


def test_data_writes_go_unnoticed_by_the_version():
    x = leaf(3.0)
    y = x * x
    x.data.mul_(2)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_interpreters_see_every_primitive_call():
    seen = []

    class Watch:
        def process(self, op, args, kwargs):
            seen.append(op.__name__)
            return op(*args, **kwargs)

    torch._C.push_interpreter(Watch())
    try:
        (torch.ones(2) * 2 + 1).sum()
    finally:
        torch._C.pop_interpreter()
    assert [n for n in seen if n in ("mul", "add", "sum")] == ["mul", "add", "sum"]


@pytest.mark.parametrize("count", [98, 99, 100, 300])
def test_every_one_of_many_outputs_has_a_gradient(count):
    for parts in (torch.unbind, lambda x: torch.split(x, 1)):
        x = torch.ones(count, requires_grad=True)
        outputs = parts(x * 2)
        assert all(part.grad_fn is not None for part in outputs)
        sum(i * part.sum() for i, part in enumerate(outputs)).backward()
        assert x.grad.tolist() == [2.0 * i for i in range(count)]
