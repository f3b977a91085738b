"""Modes and classes of tensors with a `__torch_dispatch__`."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.utils import _python_dispatch as dispatch
from rushlight.utils._pytree import tree_map

F = torch.nn.functional
aten = torch.ops.aten


class Log(dispatch.TorchDispatchMode):
    """Notes what it sees: the name, shapes of tensors and all else of the arguments."""

    def __init__(self):
        super().__init__()
        self.seen: list = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        def note(value):
            return tuple(value.shape) if isinstance(value, torch.Tensor) else value

        self.seen.append((str(func), *tree_map(note, list(args))))
        return func(*args, **(kwargs or {}))


class Wrapper(torch.Tensor):
    """Wraps one tensor and does with it what is asked."""

    @staticmethod
    def __new__(cls, elem, requires_grad=False):
        return torch.Tensor._make_wrapper_subclass(
            cls, elem.size(), strides=elem.stride(), storage_offset=elem.storage_offset(),
            dtype=elem.dtype, device=elem.device, requires_grad=requires_grad,
        )  # fmt: skip

    def __init__(self, elem, requires_grad=False):
        self.elem = elem

    def __tensor_flatten__(self):
        return ["elem"], None

    @classmethod
    def __tensor_unflatten__(cls, parts, context, size, stride):
        return cls(parts["elem"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        def inside(value):
            return value.elem if isinstance(value, cls) else value

        result = func(*tree_map(inside, args), **tree_map(inside, kwargs or {}))
        return tree_map(lambda t: cls(t) if isinstance(t, torch.Tensor) else t, result)


def seen(function) -> list:
    with Log() as log:
        function()
    return log.seen


X, W, B = torch.arange(12.0).view(3, 4), torch.ones(5, 4), torch.ones(5)

CALLS = {
    "linear": (lambda: F.linear(X, W, B), [("aten.t.default", (5, 4)),
               ("aten.addmm.default", (5,), (3, 4), (4, 5))]),
    "number": (lambda: X + 1, [("aten.add.Tensor", (3, 4), 1)]),
    "number first": (lambda: 1 - X, [("aten.rsub.Scalar", (3, 4), 1)]),
    "comparison": (lambda: X > 0, [("aten.gt.Scalar", (3, 4), 0)]),
    "all": (lambda: X.sum(), [("aten.sum.default", (3, 4))]),
    "dims": (lambda: X.sum(1, keepdim=True), [("aten.sum.dim_IntList", (3, 4), [1], True)]),
    "named result": (lambda: X.max(1), [("aten.max.dim", (3, 4), 1)]),
    "power": (lambda: X**2, [("aten.pow.Tensor_Scalar", (3, 4), 2)]),
    "views": (lambda: X[0, 1:].view(-1), [("aten.select.int", (3, 4), 0, 0),
              ("aten.slice.Tensor", (4,), 0, 1, 4), ("aten.view.default", (3,), [-1])]),
    "softmax": (lambda: X.softmax(-1), [("aten._softmax.default", (3, 4), -1, False)]),
    "loss": (lambda: F.cross_entropy(X, torch.tensor([0, 1, 2])),
             [("aten.lift_fresh.default", (3,)),
              ("aten._log_softmax.default", (3, 4), 1, False),
              ("aten.nll_loss_forward.default", (3, 4), (3,), None, 1, -100)]),
    "conv": (lambda: F.conv2d(X.view(1, 3, 2, 2), torch.ones(2, 3, 1, 1)),
             [("aten.view.default", (3, 4), [1, 3, 2, 2]), ("aten.ones.default", [2, 3, 1, 1]),
              ("aten.convolution.default", (1, 3, 2, 2), (2, 3, 1, 1), None, [1, 1], [0, 0],
               [1, 1], False, [0, 0], 1)]),
    "cast": (lambda: X.double(), [("aten._to_copy.default", (3, 4))]),
    "in place": (lambda: X.clone().mul_(2), [("aten.clone.default", (3, 4)),
                 ("aten.mul_.Tensor", (3, 4), 2)]),
    "making": (lambda: torch.zeros(2, 3), [("aten.zeros.default", [2, 3])]),
    "item": (lambda: X[0, 0].item(), [("aten.select.int", (3, 4), 0, 0),
             ("aten.select.int", (4,), 0, 0), ("aten._local_scalar_dense.default", ())]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_modes_see_pytorchs_operators(name):
    call, expected = CALLS[name]
    assert seen(call) == expected


@pytest.mark.parametrize("name", CALLS)
def test_the_same_under_pytorch(name):
    pytorch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.append(str(func))
            return func(*args, **(kwargs or {}))

    names: list = []
    x, w, b = pytorch.arange(12.0).view(3, 4), pytorch.ones(5, 4), pytorch.ones(5)
    call = CALLS[name][0]
    space = {**call.__globals__, "torch": pytorch, "F": pytorch.nn.functional, "X": x, "W": w}
    with Names():
        type(call)(call.__code__, {**space, "B": b})()
    assert names == [entry[0] for entry in CALLS[name][1]]


def test_a_mode_changes_results_and_is_left_inside_itself():
    class Zeros(dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert dispatch._get_current_dispatch_mode() is not self
            result = func(*args, **(kwargs or {}))
            return torch.zeros_like(result) if func is aten.mul.Tensor else result

    x = torch.ones(2, requires_grad=True)
    with Zeros() as mode:
        assert dispatch._get_current_dispatch_mode() is mode
        y = x * 3 + 1
        with dispatch._disable_current_modes():
            assert (x * 3).tolist() == [3.0, 3.0]
    assert y.tolist() == [1.0, 1.0] and y.grad_fn.name() == "AddBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and not dispatch.is_in_torch_dispatch_mode()


def test_a_mode_that_raises_is_left():
    class Refuses(dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise ValueError(str(func))

    x = torch.ones(2)
    with pytest.raises(ValueError, match="aten.add.Tensor"), Refuses():
        x + 1
    assert (x + 1).tolist() == [2.0, 2.0] and dispatch._len_torch_dispatch_stack() == 0


def test_wrappers_compute_and_differentiate():
    elem = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x = Wrapper(elem, requires_grad=True)
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert type(first) is type(second) is Wrapper
    assert torch.equal(second.elem, 6 * elem)
    w = torch.ones(2, 3, requires_grad=True)
    torch.relu(x @ w).sum().backward()
    assert type(w.grad) is Wrapper and w.grad.elem.tolist() == [[4.0] * 3, [6.0] * 3]
    assert x.grad.elem.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert x.device == torch.device("cpu") and not x.is_meta and x[1, 1].item() == 4.0


def test_writes_to_wrappers_and_their_views():
    x = Wrapper(torch.ones(2, 2), requires_grad=True)
    y = x * 2
    y[0].mul_(3)
    y.sum().backward()
    assert x.grad.elem.tolist() == [[6.0, 6.0], [2.0, 2.0]]
    z = Wrapper(torch.ones(4))
    z.view(2, 2)[1].zero_()
    assert z.elem.tolist() == [1.0, 1.0, 0.0, 0.0] and z._version == 1
    e = x.exp()
    e.relu_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        (e * e).sum().backward()


def test_modules_of_wrappers_train():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    wrapped = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    for mine, theirs in zip(wrapped, net, strict=True):
        for name, p in theirs.named_parameters():
            setattr(mine, name, torch.nn.Parameter(Wrapper(p.detach().clone())))
    x = torch.randn(5, 4)
    for model in (net, wrapped):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(x), torch.tensor([0, 1, 1, 0, 1])).backward()
            optimizer.step()
    assert isinstance(wrapped[0].weight, torch.nn.Parameter)
    for p, q in zip(net.parameters(), wrapped.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), q.detach().elem)


class Quantised(torch.Tensor):
    """Whole numbers and a scale, which are multiplied out where a product wants them."""

    @staticmethod
    def __new__(cls, whole, scale):
        return torch.Tensor._make_wrapper_subclass(cls, whole.shape, dtype=scale.dtype)

    def __init__(self, whole, scale):
        self.whole, self.scale = whole, scale

    def __tensor_flatten__(self):
        return ["whole", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, parts, context, size, stride):
        return cls(parts["whole"], parts["scale"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func in (aten.detach.default, aten.clone.default):
            out = dispatch.transform_subclass(args[0], lambda name, part: func(part))
            return dispatch.return_and_correct_aliasing(func, args, kwargs or {}, out)
        if func is aten.t.default:
            return (args[0].whole.to(args[0].dtype) * args[0].scale).t()
        raise NotImplementedError(str(func))


def test_quantised_weights():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(8, 6), torch.randn(4, 8)
    expected = layer(x)
    weight = layer.weight.detach()
    scale = weight.abs().amax(1, keepdim=True) / 127
    kept = Quantised(torch.round(weight / scale).to(torch.int8), scale)
    layer.weight = torch.nn.Parameter(kept, requires_grad=False)
    out = layer(x)
    torch.testing.assert_close(out, expected, atol=0.02, rtol=0)
    out.sum().backward()
    assert layer.bias.grad.tolist() == [4.0] * 6
    assert dispatch.is_traceable_wrapper_subclass(layer.weight)
    with pytest.raises(NotImplementedError, match="aten.add.Tensor"):
        layer.weight + 1


def test_super_runs_the_call_as_ever():
    class Counting(torch.Tensor):
        calls: list = []

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            cls.calls.append(func)
            return super().__torch_dispatch__(func, types, args, kwargs)

    x = torch.ones(3).as_subclass(Counting)
    assert type(x + 1) is torch.Tensor and aten.add.Tensor in Counting.calls


def test_overloads():
    x = torch.ones(2)
    assert aten.add.Tensor(x, 2, alpha=3).tolist() == [7.0, 7.0]
    assert aten.mul.Tensor._schema.name == "aten::mul"
    assert str(aten.mul.Tensor._schema) == "aten::mul.Tensor(Tensor self, Tensor other) -> Tensor"
    assert aten.add_.Tensor._schema.is_mutable and not aten.add.Tensor._schema.is_mutable
    assert aten.mm.default.overloadpacket is aten.mm and "dim" in aten.max.overloads()
    assert [a.name for a in aten.addmm.default._schema.arguments][:3] == ["self", "mat1", "mat2"]
    loss, total = aten.nll_loss_forward.default(
        X.log_softmax(1), torch.tensor([0, 1, 2]), None, 1, -100
    )
    assert total.item() == 3 and loss.dim() == 0
    assert aten.mse_loss.default(x, 2 * x, 2).item() == 2.0


def test_attributes_may_have_the_names_of_methods():
    class Signs(torch.Tensor):
        @staticmethod
        def __new__(cls, t, view):
            return torch.Tensor._make_wrapper_subclass(cls, t.shape, dtype=view.dtype)

        def __init__(self, t, view):
            self.t, self.view = t, view

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            def plain(x):
                return x.t.to(x.dtype) * x.view if isinstance(x, cls) else x

            return func(*tree_map(plain, args), **tree_map(plain, kwargs or {}))

    weight = Signs(torch.ones(4, 3, dtype=torch.int8), torch.tensor(0.5))
    for x in (torch.ones(2, 3), torch.ones(2, 2, 3)):
        assert F.linear(x, weight).sum().item() == x.sum().item() * 2
        assert torch.matmul(x, weight.transpose(0, 1)).shape == (*x.shape[:-1], 4)
