"""Module: registration, walking, state, conversion and calls."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight as torch
from rushlight import nn


class Net(nn.Module):
    """Two layers, a buffer that is saved, one that is not, and a shared parameter."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2, bias=False)
        self.scale = nn.Parameter(torch.ones(2))
        self.alias = self.scale
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)

    def forward(self, x, factor=1):
        return self.second(torch.relu(self.first(x))) * self.scale * factor


def test_assignment_registers_and_reassignment_moves():
    m = nn.Module()
    m.a = nn.Parameter(torch.ones(1))
    m.b = nn.Linear(1, 1)
    m.c = nn.Buffer(torch.ones(1), persistent=False)
    assert list(m._parameters) == ["a"] and list(m._modules) == ["b"] and list(m._buffers) == ["c"]
    assert m._non_persistent_buffers_set == {"c"}
    m.c = torch.zeros(1)
    assert m._buffers["c"].item() == 0 and "c" not in m.__dict__
    m.b = None
    assert m.b is None and list(m.children()) == []
    m.c = nn.Parameter(torch.ones(2))
    assert list(m._parameters) == ["a", "c"] and not m._buffers
    assert not m._non_persistent_buffers_set
    m.plain = 3
    m.plain = nn.Parameter(torch.ones(1))
    assert "plain" not in m.__dict__ and m.plain is m._parameters["plain"]
    del m.a
    assert not hasattr(m, "a")


@pytest.mark.parametrize(
    "value", [nn.Linear(1, 1), nn.Parameter(torch.ones(1)), nn.Buffer(torch.ones(1))]
)
def test_assignment_before_init_is_refused(value):
    class Early(nn.Module):
        def __init__(self):
            self.x = value

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


def test_a_module_without_init_cannot_be_called():
    class Silent(nn.Module):
        def __init__(self):
            self.x = 1

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match="no attribute '_backward_hooks'"):
        Silent()(1)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("weight", torch.ones(1), TypeError, r"cannot assign 'torch.FloatTensor' as parameter"),
        ("child", 3, TypeError, r"cannot assign 'int' as child module 'child'"),
        ("stat", 3, TypeError, r"cannot assign 'int' as buffer 'stat'"),
    ],
)
def test_registered_names_keep_their_kind(name, value, error, message):
    m = nn.Module()
    m.weight, m.child = nn.Parameter(torch.ones(1)), nn.ReLU()
    m.register_buffer("stat", torch.ones(1))
    before = {**m._parameters, **m._modules, **m._buffers}
    with pytest.raises(error, match=message):
        setattr(m, name, value)
    assert {**m._parameters, **m._modules, **m._buffers} == before


@pytest.mark.parametrize("register", ["register_buffer", "register_parameter", "add_module"])
def test_names_are_checked(register):
    m = nn.Module()
    for name, error in (("a.b", KeyError), ("", KeyError), (3, TypeError), ("training", KeyError)):
        with pytest.raises(error):
            getattr(m, register)(name, None)
    with pytest.raises(TypeError):
        getattr(m, register)("x", "not a tensor")


def test_a_computed_tensor_cannot_be_a_parameter():
    m = nn.Module()
    p = nn.Parameter(torch.ones(1))
    with pytest.raises(TypeError):
        m.register_parameter("x", p * 2)


def test_init_refuses_stray_arguments():
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        nn.Module(x=1)
    with pytest.raises(TypeError, match="takes 1 positional argument but 3 were given"):
        nn.Module(1, 2)


def test_walks_name_each_thing_once_unless_told_otherwise():
    net = Net()
    names = [n for n, _ in net.named_parameters()]
    assert names == ["scale", "first.weight", "first.bias", "second.weight"]
    every = [n for n, _ in net.named_parameters(remove_duplicate=False)]
    assert every == ["scale", "alias", "first.weight", "first.bias", "second.weight"]
    assert [n for n, _ in net.named_parameters(prefix="p", recurse=False)] == ["p.scale"]
    assert [n for n, _ in net.named_buffers()] == ["count", "scratch"]
    shared = nn.Linear(1, 1)
    twice = nn.Sequential(shared, shared)
    assert [n for n, _ in twice.named_modules()] == ["", "0"]
    assert [n for n, _ in twice.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    assert [n for n, _ in twice.named_children()] == ["0"]


def test_lookup_by_path():
    net = nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.BatchNorm1d(2)))
    assert net.get_submodule("1.0") is net[1][0] and net.get_submodule("") is net
    assert net.get_parameter("0.weight") is net[0].weight
    assert net.get_buffer("1.0.running_var") is net[1][0].running_var
    net.set_submodule("1.0", nn.ReLU())
    assert isinstance(net[1][0], nn.ReLU)
    for call, target in (
        (net.get_submodule, "5"), (net.get_submodule, "0.weight"), (net.get_parameter, "0.x"),
        (net.get_parameter, "1.0.training"), (net.get_buffer, "0.weight"),
    ):  # fmt: skip
        with pytest.raises(AttributeError):
            call(target)
    with pytest.raises(ValueError, match="without a target name"):
        net.set_submodule("", nn.ReLU())
    with pytest.raises(AttributeError):
        net.set_submodule("7", nn.ReLU(), strict=True)


def test_train_and_eval_reach_everything():
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train("yes")


def test_zero_grad_drops_or_fills():
    net = Net()
    net(torch.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_requires_grad_freezes():
    net = Net().requires_grad_(False)
    assert not net(torch.ones(1, 3)).requires_grad


@pytest.mark.parametrize(
    ("convert", "dtype"),
    [
        (lambda m: m.double(), torch.float64),
        (lambda m: m.half(), torch.float16),
        (lambda m: m.bfloat16(), torch.bfloat16),
        (lambda m: m.to(torch.float64), torch.float64),
        (lambda m: m.to("cpu", torch.float64), torch.float64),
        (lambda m: m.to(device="cpu", dtype=torch.float16), torch.float16),
        (lambda m: m.to(torch.zeros(1, dtype=torch.float64)), torch.float64),
        (lambda m: m.cpu().float(), torch.float32),
    ],
)
def test_conversion_keeps_the_parameter_objects(convert, dtype):
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net(torch.ones(3, 2)).sum().backward()
    params = list(net.parameters())
    assert convert(net) is net
    assert all(a is b for a, b in zip(params, net.parameters(), strict=True))
    assert {p.dtype for p in params} == {p.grad.dtype for p in params} == {dtype}
    assert net[1].num_batches_tracked.dtype == torch.int64


def test_to_refuses_integers_and_nonsense():
    net = Net()
    with pytest.raises(TypeError, match="only accepts floating point or complex"):
        net.to(torch.int64)
    with pytest.raises(RuntimeError):
        net.to("nonsense")
    assert all(p.dtype == torch.float32 for p in net.parameters())


def test_apply_visits_children_first():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential"]


def test_missing_forward_names_the_class():
    with pytest.raises(NotImplementedError, match=r"Module \[Module\] is missing the required"):
        nn.Module()(1)


def test_instance_forward_can_be_replaced():
    m = nn.ReLU()
    m.forward = lambda x: x + 1
    assert m(1) == 2


def test_deepcopy_and_pickle_keep_structure_and_part_from_the_original():
    net = Net()
    net.register_forward_hook(_double)
    x = torch.ones(1, 3)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))
        assert twin.scale is twin.alias
        with torch.no_grad():
            twin.scale.zero_()
        assert net.scale.sum() == 2
        assert [type(p) for p in twin.parameters()] == [nn.Parameter] * 4


def _double(module, args, output):
    return output * 2


def test_dir_lists_what_attributes_find():
    net = Net()
    assert {"first", "scale", "count", "forward"} <= set(dir(net))
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_repr_nests_and_indents():
    net = nn.Sequential(nn.Linear(1, 2), nn.ModuleDict({"a": nn.ReLU()}))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (1): ModuleDict(\n"
        "    (a): ReLU()\n"
        "  )\n"
        ")"
    )


def test_parameter_prints_copies_and_pickles():
    p = nn.Parameter(torch.ones(2))
    assert repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert nn.Parameter().numel() == 0 and isinstance(p, torch.Tensor)
    p.note = "kept"
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(twin) is nn.Parameter and twin.requires_grad and twin is not p
        assert torch.equal(twin, p)
    assert pickle.loads(pickle.dumps(p)).note == "kept"
    assert type(p * 2) is torch.Tensor and type(p.detach()) is torch.Tensor
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    assert not frozen.requires_grad
    with pytest.raises(TypeError):
        nn.Parameter([1.0, 2.0])


def test_a_call_without_hooks_puts_no_frame_above_forward():
    import sys

    class Depth(nn.Module):
        def forward(self):
            frame, depth = sys._getframe(), 0
            while frame.f_code.co_name != "outermost":
                frame, depth = frame.f_back, depth + 1
            return depth

    m = Depth()

    def outermost():
        return m()

    assert outermost() == 1
    handle = m.register_forward_hook(lambda *a: None)
    assert outermost() > 1
    handle.remove()


def test_overridden_and_replaced_methods_are_what_runs(monkeypatch):
    class Wrapper(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inner, name)

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            seen.append(name)

    seen = []
    w = Wrapper(nn.Linear(2, 3))
    assert w.in_features == 2 and w.weight is w.inner.weight and seen == ["inner"]
    with pytest.raises(AttributeError, match="nothing"):
        w.nothing  # noqa: B018 (the access itself raises)

    class Called(nn.ReLU):
        def __call__(self, x):
            return "mine", super().__call__(x)

    assert Called()(torch.ones(1)) == ("mine", torch.ones(1))
    original = nn.Module.__call__
    monkeypatch.setattr(nn.Module, "__call__", lambda self, *a: ("patched", original(self, *a)))
    assert nn.ReLU()(torch.ones(1))[0] == "patched"
    monkeypatch.undo()
    assert torch.equal(nn.ReLU()(torch.ones(1)), torch.ones(1))


def test_calls_pass_arguments_of_every_kind():
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    m = Echo()
    many = tuple(range(30))
    assert m() == ((), {}) and m(1, 2) == ((1, 2), {}) and m(1, k=2) == ((1,), {"k": 2})
    assert m(*many, a=1, b=2) == (many, {"a": 1, "b": 2})
    assert m(**{str(i): i for i in many})[1] == {str(i): i for i in many}

    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return x + 1

    assert Static()(1) == 2


def test_properties_and_class_attributes_come_before_registered_names():
    class Shown(nn.Module):
        constant = 5

        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.ones(1))

        @property
        def doubled(self):
            return self.p * 2

        @property
        def broken(self):
            return self.p.no_such_thing

    m = Shown()
    assert m.constant == 5 and m.doubled.item() == 2
    with pytest.raises(AttributeError, match="no_such_thing"):
        m.broken  # noqa: B018 (the access itself raises)
    m.constant = 6
    assert m.constant == 6 and Shown.constant == 5
    with pytest.raises(AttributeError):
        m.doubled = 3


def test_object_setattr_and_delattr_work_on_modules():
    m = nn.Linear(1, 1)
    object.__setattr__(m, "note", 3)
    assert m.note == 3
    object.__delattr__(m, "note")
    assert not hasattr(m, "note")


def test_modules_do_not_leak_references():
    import gc
    import sys
    import weakref

    m = nn.Linear(2, 2)
    x = torch.ones(1, 2)
    before = [sys.getrefcount(o) for o in (m, m.weight, x, None)]
    for _ in range(100):
        m(x)
        m.weight, m.in_features, m.forward  # noqa: B018 (the accesses are what is counted)
        with pytest.raises(AttributeError):
            m.nothing  # noqa: B018
        with pytest.raises(RuntimeError):
            m(torch.ones(1, 3))
    after = [sys.getrefcount(o) for o in (m, m.weight, x)]
    assert after == before[:3]
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None


def test_compile_takes_the_arguments_of_torch_compile_and_leaves_no_trace_in_copies():
    m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x, names = torch.ones(1, 2), list(m.state_dict())
    want = m(x)
    assert m.compile(fullgraph=True) is None
    assert m(x).equal(want) and list(m.state_dict()) == names
    assert copy.deepcopy(m)._compiled_call_impl is None
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        m.compile(mode="fastest")


_PATCHED = [
    (lambda: nn.Linear(4, 2), "linear", (2, 4)),
    (lambda: nn.Conv1d(4, 2, 1), "conv1d", (2, 4, 4)),
    (lambda: nn.Conv2d(4, 2, 1), "conv2d", (2, 4, 4, 4)),
    (lambda: nn.ConvTranspose2d(4, 2, 1), "conv_transpose2d", (2, 4, 4, 4)),
    (lambda: nn.LayerNorm(4), "layer_norm", (2, 4)),
    (lambda: nn.BatchNorm1d(4), "batch_norm", (2, 4)),
    (lambda: nn.ReLU(), "relu", (2, 4)),
    (lambda: nn.Dropout(0.5), "dropout", (2, 4)),
    (lambda: nn.Dropout2d(0.5), "dropout2d", (2, 4, 4, 4)),
    (lambda: nn.MaxPool2d(2), "max_pool2d", (2, 4, 4, 4)),
    (lambda: nn.AvgPool2d(2), "avg_pool2d", (2, 4, 4, 4)),
    (lambda: nn.LPPool2d(2, 2), "lp_pool2d", (2, 4, 4, 4)),
    (lambda: nn.AdaptiveAvgPool2d(2), "adaptive_avg_pool2d", (2, 4, 4, 4)),
    (lambda: nn.AdaptiveMaxPool2d(2), "adaptive_max_pool2d", (2, 4, 4, 4)),
    (lambda: nn.FractionalMaxPool2d(2, 2), "fractional_max_pool2d", (2, 4, 4, 4)),
]


@pytest.mark.parametrize("make, name, shape", _PATCHED, ids=[name for _, name, _ in _PATCHED])
def test_layers_call_what_stands_in_functional(make, name, shape, monkeypatch):
    """Counters of operations put functions of their own there."""
    calls = []
    plain = getattr(nn.functional, name)
    layer = make()

    def counted(*args, **kwargs):
        calls.append(name)
        return plain(*args, **kwargs)

    monkeypatch.setattr(nn.functional, name, counted)
    layer(torch.ones(shape))
    assert calls == [name]
