"""The graph as an object: nodes, edges, what is saved and how, anomalies, modes, views."""

from __future__ import annotations

import warnings

import pytest

import rushlight as torch
from rushlight.autograd import Function, graph


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


# Nodes


def test_nodes_tell_what_they_are():
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    node = y.grad_fn
    assert isinstance(node, graph.Node) and node is y.grad_fn and node.name() == "SumBackward0"
    assert repr(node).startswith("<SumBackward0 object at 0x")
    (mul, nr), *_ = node.next_functions
    assert (mul.name(), nr, mul.requires_grad) == ("MulBackward0", 0, True)
    accumulate = mul.next_functions[0][0]
    assert accumulate.name() == "torch::autograd::AccumulateGrad"
    assert accumulate.variable is x and type(accumulate).__name__ == "AccumulateGrad"
    node.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}
    base = torch.zeros(3)
    base[:2] = x
    assert base.grad_fn.name() == "torch::autograd::CopySlices"
    assert "grad_fn=<CopySlices>" in repr(base)
    with pytest.raises(TypeError, match="Can't instantiate abstract class Node"):
        graph.Node()
    with pytest.raises(AttributeError):
        node.foo = 3


def test_walking_a_network_backwards():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    loss = torch.nn.functional.mse_loss(net(torch.ones(4, 2)), torch.zeros(4, 1))
    assert loss.grad_fn.name() == "MseLossBackward0"
    last = loss.grad_fn.next_functions[0][0]
    (bias, _), (relu, _), (weight, _) = last.next_functions  # as PyTorch's addmm has them
    assert (last.name(), relu.name()) == ("AddmmBackward0", "ReluBackward0")
    assert bias.variable is net[2].bias and weight.variable is net[2].weight
    x = torch.ones(1, 2, requires_grad=True)
    plain = torch.nn.functional.linear(x * 2, net[0].weight)
    assert [node.name() for node, _ in plain.grad_fn.next_functions] == [
        "MulBackward0",
        "torch::autograd::AccumulateGrad",
    ]
    seen = []
    y = net[0](x)
    y.grad_fn.register_hook(lambda into, _: seen.extend(g.shape for g in into))
    y.sum().backward()
    assert seen == [(3,), (1, 2), (3, 2)]


def test_nodes_show_what_they_saved():
    x = leaf(1.0, 2.0)
    w = torch.tensor([3.0, 4.0])
    mul = (x * w).grad_fn
    assert mul._saved_self is None and mul._saved_other is w
    assert x.exp().grad_fn._saved_result.tolist() == pytest.approx([2.718281828, 7.389056])
    assert x.softmax(0).grad_fn._saved_dim == 0
    assert x.sum().grad_fn._saved_self_sym_sizes == (2,)
    assert "_saved_other" in dir(mul)
    with pytest.raises(AttributeError):
        _ = mul._saved_nothing
    y = x.pow(3)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="directly access saved tensors after they have already"):
        _ = y.grad_fn._saved_self


def test_nodes_can_be_called():
    x = leaf(1.0, 2.0)
    assert x.exp().grad_fn(torch.ones(2)).tolist() == pytest.approx([2.718281828, 7.389056])
    mul = (x * leaf(3.0, 4.0)).grad_fn
    assert [g.tolist() for g in mul(torch.ones(2))] == [[3.0, 4.0], [1.0, 2.0]]
    parts = x.unbind()
    assert parts[0].grad_fn(torch.ones(()), None).tolist() == [1.0, 0.0]
    with pytest.raises(TypeError, match="expected 2 gradients, got 1"):
        parts[0].grad_fn(torch.ones(()))


# Edges


def test_edges_as_inputs_and_outputs():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = (y * y).sum()
    edge, end = graph.get_gradient_edge(y), graph.get_gradient_edge(x)
    assert edge.node is y.grad_fn and edge.output_nr == 0 and isinstance(edge, tuple)
    keep = {"retain_graph": True}
    assert torch.autograd.grad(z, edge, **keep)[0].tolist() == [4.0, 8.0]
    found = torch.autograd.grad(z, [end, edge], **keep)
    assert [g.tolist() for g in found] == [[8.0, 16.0], [4.0, 8.0]]
    assert torch.autograd.grad(edge, x, torch.ones(2), **keep)[0].tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="implicitly created only for scalar outputs"):
        torch.autograd.grad(edge, x, **keep)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        torch.autograd.grad(edge, x, torch.ones(3), **keep)
    z.backward(inputs=end, **keep)
    assert x.grad.tolist() == [8.0, 16.0]
    scalar = leaf(5.0).sum() * 3
    assert graph.get_gradient_edge(scalar).node._input_metadata == [((), torch.float32)]
    with pytest.raises(RuntimeError, match="does not require gradients"):
        graph.get_gradient_edge(torch.ones(2))
    with pytest.raises(IndexError):
        torch.autograd.grad(z, graph.GradientEdge(y.grad_fn, 7), **keep)
    with pytest.raises(RuntimeError, match="have to be Tensors or GradientEdges, but got int"):
        torch.autograd.grad(z, [5], **keep)


def test_backward_fills_inputs_that_are_no_leaves():
    x = leaf(1.0, 1.0)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    assert y.grad.tolist() == [4.0, 4.0] and x.grad is None
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        x.sum().backward(inputs=[torch.ones(1)])
    with pytest.raises(RuntimeError, match="cannot be empty"):
        x.sum().backward(inputs=[])


def test_dictionaries_of_inputs():
    x, w = leaf(1.0), leaf(2.0)
    found = torch.autograd.grad((x * w).sum(), {"x": x, "w": w})
    assert {k: v.item() for k, v in found.items()} == {"x": 2.0, "w": 1.0}
    (x * w).sum().backward(inputs={"x": x})
    assert x.grad.item() == 2.0 and w.grad is None


def test_batched_gradients_check_their_shapes():
    x = torch.arange(3.0, requires_grad=True)
    y = x * x
    options = {"is_grads_batched": True, "retain_graph": True}
    rows = torch.autograd.grad(y, x, torch.eye(3), **options)[0]
    assert rows.tolist() == [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]]
    with pytest.raises(RuntimeError, match="we interpret the first dimension of each grad_output"):
        torch.autograd.grad(y, x, torch.ones(3), **options)
    with pytest.raises(ValueError, match="same size in the mapped dimension"):
        torch.autograd.grad([y, y.sum()], x, [torch.eye(3), torch.ones(2)], **options)
    (g,) = torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True, create_graph=True)
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [2.0, 2.0, 2.0]


def test_arguments_of_grad_stand_where_pytorch_has_them():
    x, w = leaf(1.0, 2.0), leaf(3.0)
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        found = torch.autograd.grad(x.sum(), [x, w], None, True, False, False, True, False, True)
    assert [g.tolist() for g in found] == [[1.0, 1.0], [0.0]]
    with pytest.raises(RuntimeError, match="got 1 tensors and 2 gradients"):
        torch.autograd.grad(x.sum(), x, [torch.ones(()), torch.ones(())])
    with pytest.warns(FutureWarning, match="`grad_variables` is deprecated"):
        torch.autograd.backward(x.sum(), grad_variables=torch.ones(()))


# Saved tensors


def test_hooks_on_saving_keep_history_and_identity():
    packed = []
    weight = torch.nn.Parameter(torch.ones(2))
    hooks = graph.saved_tensors_hooks(lambda t: (packed.append(t is weight), t * 1)[1], lambda t: t)
    with hooks:
        y = (weight**3).sum()
        (g,) = torch.autograd.grad(y, weight, create_graph=True)
    assert packed[0], "a parameter is shown itself"
    assert torch.autograd.grad(g.sum(), weight)[0].tolist() == [6.0, 6.0]


def test_hooks_on_saving_are_checked():
    x = leaf(1.0, 2.0)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 5):
        y = x.exp()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of"):
        y.sum().backward()
    with (
        graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t),
        pytest.raises(RuntimeError, match="pack hook is modifying its input in place"),
    ):
        (x * 1).sin()


def test_each_saved_tensor_is_unpacked_once():
    unpacked = []
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: (unpacked.append(1), t)[1]):
        y = torch.addcmul(x, x, w)
    y.sum().backward()
    assert len(unpacked) == 2


def test_disabled_hooks():
    @graph.disable_saved_tensors_hooks("not here")
    def inside():
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            return 1

    with pytest.raises(RuntimeError, match="not here"):
        inside()
    with (
        graph.saved_tensors_hooks(lambda t: t, lambda t: t),
        pytest.raises(RuntimeError, match="too late"),
        graph.disable_saved_tensors_hooks("too late"),
    ):
        inside()
    with graph.save_on_cpu():
        y = (leaf(1.0).exp() * 2).sum()
    y.backward()


def test_mutation_of_saved_tensors_can_be_allowed():
    x = leaf(1.0, 2.0)
    with graph.allow_mutation_on_saved_tensors() as context:
        a = x * 1
        y = a.sin()
        a[:1].add_(5)
        w = torch.ones(2)
        z = x * w
        w.copy_(torch.zeros(2))
        (y.sum() + z.sum()).backward()
        assert torch.allclose(x.grad, x.detach().cos() + 1)
        b = x * 1
        y = b.sin()
        b.add_(1)
        context.clear()
        with pytest.raises(AssertionError, match="outside of the"):
            y.sum().backward()
        with pytest.raises(RuntimeError, match="cannot be nested"):
            with graph.allow_mutation_on_saved_tensors():
                pass
        c = x * 1
        y = c.sin()
        c.add_(1)
    with pytest.raises(AssertionError, match="outside of the"):
        y.sum().backward()


def test_versions_can_be_kept_and_raised():
    a = torch.ones(2)
    graph.increment_version([a, a])
    assert a._version == 2
    with torch.autograd._unsafe_preserve_version_counter(a):
        a.add_(1)
    assert a._version == 2
    with pytest.raises(RuntimeError, match="increment_version expect a Iterable"):
        graph.increment_version(3)


# Anomalies


def test_anomalies_name_both_forward_calls():
    class Outer(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return Inner.apply(g)

    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise RuntimeError("inner failed")

    x = leaf(1.0)
    with torch.autograd.set_detect_anomaly(True), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        (g,) = torch.autograd.grad((Outer.apply(x) ** 2).sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="inner failed"):
            g.sum().backward()
    texts = [str(w.message) for w in seen]
    assert texts[0].startswith("Error detected in InnerBackward. Traceback of forward call")
    assert "Previous calculation was induced by OuterBackward" in texts[1]
    assert all(__file__ in text for text in texts)


def test_version_errors_name_the_operation():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"FloatTensor \[2\]\], which is output 0 of Exp, is at version 1; expected version 0",
    ):
        y.sum().backward()


# Modes and views


def test_views_made_under_no_grad_ask_for_gradients():
    x = leaf(1.0, 2.0)
    with torch.no_grad():
        view = x[:1]
    assert view.requires_grad and view.is_leaf and view.grad_fn is None
    assert repr(view) == "tensor([1.], requires_grad=True)"
    (view * 3).sum().backward()
    assert x.grad is None and view.grad is None, "their gradient leads nowhere"
    y = x * 2
    with torch.no_grad():
        view = y[:1]
    with pytest.raises(RuntimeError, match="view was created in no_grad mode"):
        view.mul_(2)
    with torch.inference_mode():
        view = y[:1]
        assert not view.is_inference() and view._is_view()
    with pytest.raises(RuntimeError, match="view was created in inference mode"):
        view.mul_(2)


def test_inference_mode_records_nothing_whatever_is_enabled():
    x = leaf(1.0)
    with torch.inference_mode():
        with torch.enable_grad():
            y = x * 2
            assert torch.is_grad_enabled() and not y.requires_grad and y.is_inference()
        made = torch.ones(2)
        assert not made[:1]._is_view()
    assert torch.is_grad_enabled() and (x * 2).requires_grad
    with torch.no_grad():
        with torch.inference_mode():
            pass
        assert not torch.is_grad_enabled()
    with torch.inference_mode(), torch.inference_mode(False):
        assert (x * 2).requires_grad


def test_switches_check_their_argument():
    with pytest.raises(TypeError, match="must be bool, not int"):
        torch.set_grad_enabled(1)
    with pytest.raises(TypeError, match="must be bool, not NoneType"):
        torch.set_grad_enabled(None)
    assert torch.is_grad_enabled()


def test_variables_of_old():
    with pytest.warns(UserWarning, match="volatile was removed"):
        v = torch.autograd.Variable(torch.ones(2), volatile=True)
    assert type(v) is torch.Tensor and isinstance(v, torch.autograd.Variable)
    with pytest.warns(UserWarning, match="reference cycle between the parameter and its gradient"):
        torch.autograd._warned = False
        (leaf(1.0) ** 2).sum().backward(create_graph=True)


def test_the_dtype_of_a_leafs_gradient_can_be_chosen():
    x = leaf(1.0, 2.0)
    assert x.grad_dtype == torch.float32
    x.grad_dtype = torch.bfloat16
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.dtype == torch.bfloat16 and x.grad.tolist() == [6.0, 6.0]
    with pytest.raises(RuntimeError, match="there is already a gradient with dtype"):
        x.grad_dtype = torch.float64
    with pytest.raises(RuntimeError, match="attempting to assign a gradient with dtype 'float32'"):
        x.grad = torch.ones(2)
    y = leaf(1.0)
    y.grad_dtype = None
    y.grad = torch.ones(1, dtype=torch.float64)
    y.sum().backward()
    assert y.grad.dtype == torch.float64 and y.grad.item() == 2.0
    with pytest.raises(RuntimeError, match="must be a torch.dtype or None, but got str"):
        y.grad_dtype = "float32"
    for use in (lambda: (x * 2).grad_dtype, lambda: setattr(x * 2, "grad_dtype", None)):
        with pytest.raises(RuntimeError, match="on leaf tensors"):
            use()


def test_no_grad_lets_numpy_see_parameters():
    w = torch.nn.Parameter(torch.ones(2, 2))
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        w.numpy()
    with torch.no_grad():
        assert w[0].numpy().tolist() == [1.0, 1.0] and w.numpy().shape == (2, 2)
    assert w.numpy(force=True).shape == (2, 2)


def test_outputs_given_must_not_ask_for_gradients():
    out = torch.empty(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.mul(torch.ones(2), 2, out=out)
    with torch.no_grad():
        torch.mul(torch.ones(2), 2, out=out)
    assert out.tolist() == [2.0, 2.0]
