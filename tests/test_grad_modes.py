"""Recording modes, autograd.grad and backward, graphs and their hooks."""

import pytest

import rushlight as torch
from rushlight.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_modes_nest_and_survive_exceptions():
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError, match="x"), torch.no_grad():
        raise ValueError("x")
    assert torch.is_grad_enabled()


def test_modes_as_decorators():
    @torch.no_grad()
    def with_call(x):
        """Doc."""
        return x * 2

    @torch.no_grad
    def without_call(x):
        return x * 2

    @torch.inference_mode()
    def inferring(x):
        return x * 2

    @torch.set_grad_enabled(False)
    def switched(x):
        return x * 2

    assert torch.is_grad_enabled() and with_call.__doc__ == "Doc."
    for function in (with_call, without_call, inferring, switched):
        assert not function(leaf(1.0)).requires_grad
        assert torch.is_grad_enabled()


def test_generator_functions_run_within_the_mode():
    @torch.no_grad()
    def generator(x):
        received = yield torch.is_grad_enabled()
        try:
            yield received, torch.is_grad_enabled()
        except KeyError:
            yield "caught"
        return x

    g = generator(7)
    assert next(g) is False and torch.is_grad_enabled()
    assert g.send("sent") == ("sent", False)
    assert g.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == 7 and torch.is_grad_enabled()


def test_set_grad_enabled_as_call_and_context():
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_inference_mode():
    with torch.inference_mode():
        x = torch.ones(2)
        assert torch.is_inference_mode_enabled() and x.is_inference()
        with torch.inference_mode(False):
            assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    with pytest.raises(RuntimeError, match="[Ii]nference"):
        x * leaf(1.0, 2.0).float()


# grad and backward


def test_grad_leaves_dot_grad_alone():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = torch.autograd.grad((x * y).sum(), (x, y))
    assert gx.tolist() == [3.0] and gy.tolist() == [2.0] and x.grad is None


def test_grad_of_several_outputs():
    x = leaf(1.0, 2.0)
    (g,) = torch.autograd.grad((x * 2, x * 3), x, (torch.ones(2), torch.tensor([1.0, 0.0])))
    assert g.tolist() == [5.0, 2.0]


def test_unused_inputs():
    x, other = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        torch.autograd.grad((x * 2).sum(), (x, other))
    assert torch.autograd.grad((x * 2).sum(), (x, other), allow_unused=True)[1] is None
    zero = torch.autograd.grad((x * 2).sum(), (x, other), materialize_grads=True)[1]
    assert zero.tolist() == [0.0]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: torch.autograd.grad(x * 2, x), "implicitly created only for scalar"),
        (lambda x: torch.autograd.grad(x.sum(), x, torch.ones(3)), "Mismatch in shape"),
        (lambda x: torch.autograd.grad(x.sum(), torch.ones(2)), "does not require grad"),
        (lambda x: torch.autograd.grad(torch.ones(1), x), "does not require grad and does not"),
        (lambda x: torch.autograd.grad(x.sum(), []), "cannot be empty"),
        (lambda x: torch.autograd.backward(x.sum(), inputs=[]), "cannot be empty"),
    ],
)
def test_wrong_calls_of_grad(call, match):
    with pytest.raises(RuntimeError, match=match):
        call(leaf(1.0, 2.0))


def test_backward_into_chosen_inputs():
    x, y = leaf(1.0), leaf(2.0)
    torch.autograd.backward((x * y).sum(), inputs=[x])
    assert x.grad.tolist() == [2.0] and y.grad is None


def test_batched_gradients():
    x = leaf(1.0, 2.0)
    (rows,) = torch.autograd.grad(x * x, x, torch.eye(2, dtype=x.dtype), is_grads_batched=True)
    assert rows.tolist() == [[2.0, 0.0], [0.0, 4.0]]


# The graph


def test_gradient_edges_stand_for_tensors():
    x = leaf(2.0)
    y = x * 3
    edge = torch.autograd.graph.get_gradient_edge(y)
    (g,) = torch.autograd.grad((y * y).sum(), edge)
    assert g.tolist() == [12.0]
    node = torch.autograd.graph.get_gradient_edge(x).node
    assert type(node).__name__ == "AccumulateGrad" and node.variable is x
    with pytest.raises(RuntimeError, match="gradient edge"):
        torch.autograd.graph.get_gradient_edge(torch.ones(1))


def test_saved_tensors_hooks():
    packed = []

    def pack(tensor):
        packed.append(tensor)
        return tensor.tolist()

    def unpack(values):
        return torch.tensor(values, dtype=torch.float64)

    x = leaf(2.0)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp() * x
        z = Cube.apply(x)
    count = len(packed)
    assert count >= 3
    (y + z).sum().backward()
    assert len(packed) == count
    assert x.grad.item() == pytest.approx(3 * 2.718281828459045**2 + 12)


def test_saved_tensors_hooks_keep_second_derivatives():
    x = leaf(2.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: t):
        y = x * x * x
        z = Cube.apply(x)
    for out in (y, z):
        (g,) = torch.autograd.grad(out, x, create_graph=True)
        (h,) = torch.autograd.grad(g, x)
        assert g.item() == 12.0 and h.item() == 12.0


def test_saved_tensors_hooks_can_be_refused():
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"):
            with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                raise AssertionError("must not be entered")
    with torch.autograd.graph.save_on_cpu():
        y = Cube.apply(leaf(1.0))
    y.sum().backward()


def test_incremented_version_is_noticed():
    x = leaf(1.0) * 1
    y = Cube.apply(x)
    torch.autograd.graph.increment_version(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_multi_grad_hooks():
    x, y, unused = leaf(1.0), leaf(2.0), leaf(3.0)
    calls = []
    handle = torch.autograd.graph.register_multi_grad_hook(
        (x, y, unused), lambda grads: calls.append([g and g.item() for g in grads])
    )
    (x * y).sum().backward()
    (x * y).sum().backward()
    assert calls == [[2.0, 1.0, None]] * 2
    handle.remove()
    (x * y).sum().backward()
    assert len(calls) == 2
    with torch.autograd.graph.register_multi_grad_hook(
        (x, y), lambda g: calls.append(g.item()), mode="any"
    ):
        (x * y).sum().backward()
    assert len(calls) == 3


def test_anomaly_mode_names_the_operation():
    x = leaf(0.0)
    with pytest.warns(UserWarning), torch.autograd.detect_anomaly():
        y = (x * 0) / x
        with pytest.raises(RuntimeError, match="returned nan values"):
            y.backward(torch.ones(1, dtype=torch.float64))
    with torch.autograd.set_detect_anomaly(True):
        assert torch.is_anomaly_enabled()
    assert not torch.is_anomaly_enabled()


# Checking gradients
