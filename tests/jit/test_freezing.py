"""Freezing: attributes become constants, layers are folded, what is written stays."""

import io

import pytest

import rushlight as torch
from rushlight import nn

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.second, self.other = nn.Conv2d(4, 5, 1, bias=False), nn.BatchNorm2d(5)
        self.drop, self.last = nn.Dropout(0.5), nn.Linear(5, 2)

    def forward(self, x):
        y = torch.relu(self.norm(self.first(x)))
        return self.last(self.drop(self.other(self.second(y) * 2.0 + 1.0)).mean([2, 3]))


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.calls = 0
        self.scale = 3
        self.register_buffer("total", torch.zeros(1))
        self.register_buffer("view", self.total[:])

    def forward(self, x):
        self.calls += 1
        self.total.add_(1)
        return self.linear(x) * self.scale + self.view

    @torch.jit.export
    def plain(self, x):
        return self.linear(x)


def lived_in():
    torch.manual_seed(0)
    module = Convolutions()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            part.weight.data.normal_()
            part.bias.data.normal_()
    return module.eval()


def kinds(graph):
    return [n.kind() for n in graph.all_nodes() if n.kind().startswith("aten")]


@pytest.mark.parametrize("compiled", ["script", "trace"])
def test_frozen_modules_give_the_same(compiled):
    module, x = lived_in(), torch.randn(2, 3, 8, 8)
    made = getattr(torch.jit, compiled)(module, *((x,) if compiled == "trace" else ()))
    frozen = torch.jit.freeze(made)
    assert torch.allclose(frozen(x), module(x), atol=1e-5)
    assert list(frozen.parameters()) == [] and list(frozen.state_dict()) == []
    names = kinds(frozen.graph)
    assert "aten::batch_norm" not in names and "aten::dropout" not in names
    exact = torch.jit.freeze(made, optimize_numerics=False)
    assert kinds(exact.graph).count("aten::batch_norm") == 2
    assert torch.allclose(exact(x), module(x), atol=1e-6)
    frozen.graph.lint()


def test_arithmetic_is_folded_into_convolutions():
    frozen = torch.jit.freeze(torch.jit.trace(lived_in(), torch.randn(2, 3, 8, 8)))
    assert not {"aten::mul", "aten::add"} & set(kinds(frozen.graph))
    names = [v.debugName() for n in frozen.graph.nodes() for v in n.outputs()]
    assert any(n.endswith("weight_fused_bn") for n in names)


def test_frozen_modules_are_saved():
    module, x = lived_in(), torch.randn(2, 3, 8, 8)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(module)), buffer)
    buffer.seek(0)
    assert torch.allclose(torch.jit.load(buffer)(x), module(x), atol=1e-5)


def test_what_is_written_stays_an_attribute():
    module = torch.jit.script(Counting().eval())
    frozen = torch.jit.freeze(module)
    x = torch.ones(1, 2)
    first, second = frozen(x), frozen(x)
    assert torch.allclose(second - first, torch.ones(1, 2)) and frozen.calls == 2
    assert sorted(frozen.state_dict()) == ["total", "view"]
    assert not hasattr(frozen, "linear") and not hasattr(frozen, "scale")
    assert module.calls == 0 or frozen.total is module.total


def test_what_is_asked_for_stays():
    module = torch.jit.script(Counting().eval())
    frozen = torch.jit.freeze(module, preserved_attrs=["plain", "scale"])
    x = torch.ones(1, 2)
    assert torch.equal(frozen.plain(x), module.plain(x)) and frozen.scale == 3
    assert frozen.plain.graph.findNode("prim::GetAttr") is None
    with pytest.raises(RuntimeError, match="Unknown name: none"):
        torch.jit.freeze(module, preserved_attrs=["none"])


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.ones(2, 2), torch.full((2, 2), 3.0)

    def forward(self, x):
        return self.a * self.b + x


class Forking(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Parts()

    def forward(self, x):
        future = torch.jit.fork(self.part.forward, x)
        return self.part(x) + torch.jit.wait(future)


class Setting(nn.Module):
    def __init__(self):
        super().__init__()
        self.part, self.a = Parts(), torch.ones(2, 2)

    def forward(self, x):
        self.part.a = x
        return self.part(x) + self.a


class Conditional(nn.Module):
    def __init__(self):
        super().__init__()
        self.items, self.step = [1, 2], 3

    def forward(self, x):
        if self.training:
            self.step = 4
        self.items.append(1)
        return x + self.step + len(self.items)


@pytest.mark.parametrize(
    ("made", "names"),
    [(Forking, []), (Setting, ["part.a"]), (Conditional, ["items", "step"]), (Parts, [])],
)
def test_only_what_is_written_stays(made, names):
    module, x = torch.jit.script(made().eval()), torch.ones(2, 2)
    frozen = torch._C._freeze_module(torch.jit.script(made().eval())._c)
    assert torch.equal(frozen.forward(x), module(x))
    found = []
    for name, child in [("", frozen), *torch.ModuleDict(frozen).items()]:
        prefix = name + "." if name else ""
        types = child._type().attributes.items()
        found += [prefix + n for n, t in types if not getattr(t, "is_module", False)]
    assert sorted(found) == names


def test_parameters_stay_if_asked_for():
    module = torch.jit.script(nn.BatchNorm1d(2).eval())
    frozen = torch._C._freeze_module(module._c, preserveParameters=True)
    assert {"weight", "running_mean"} <= {n for n, _ in frozen._module.state_dict().items()}
    assert torch._C._freeze_module(module._c)._module.state_dict() == {}


def test_what_cannot_be_frozen_says_so():
    with pytest.raises(RuntimeError, match="Freezing is currently only implemented for modules"):
        torch.jit.freeze(torch.jit.script(Counting()))
    with pytest.raises(RuntimeError, match="Freezing expects a ScriptModule as input"):
        torch.jit.freeze(Counting().eval())
    with pytest.raises(RuntimeError, match="optimize_for_inference expects a ScriptModule"):
        torch.jit.optimize_for_inference(Counting().eval())


def test_optimising_for_inference_freezes():
    module, x = lived_in(), torch.randn(2, 3, 8, 8)
    made = torch.jit.optimize_for_inference(torch.jit.script(module))
    assert torch.allclose(made(x), module(x), atol=1e-5)
    assert "aten::batch_norm" not in kinds(made.graph)


def test_operators_of_a_module_are_listed():
    names = torch.jit.export_opnames(torch.jit.script(Counting().eval()))
    assert {"aten::linear", "aten::add.Tensor", "aten::mul.Scalar"} <= set(names)


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.step = torch.tensor(1.5), 2

    def forward(self, x):
        return x + self.scale * self.step

    @torch.jit.export
    def grow(self, x):
        self.scale += x
        return self.scale


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.size = Inner(), 5

    def forward(self, x):
        return self.inner(x) + self.size


def test_names_within_modules_stay():
    module, x = torch.jit.script(Outer().eval()), torch.ones(2)
    frozen = torch.jit.freeze(module, ["inner.step"])
    assert frozen.inner.step == 2 and not hasattr(frozen.inner, "scale")
    frozen = torch.jit.freeze(module, ["inner.grow"])
    assert not hasattr(frozen.inner, "step")
    frozen.inner.grow(torch.tensor(1.0))
    assert frozen(x).tolist() == [11.0, 11.0]
    whole = torch.jit.freeze(module, ["inner"])
    assert whole.inner.grow(torch.tensor(1.0)) == 3.5 and whole.inner.step == 2
    for name in ("inner.none", "none.step", "size.step"):
        with pytest.raises(RuntimeError, match=f"Unknown name: {name}"):
            torch.jit.freeze(module, [name])


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = Inner()
        self.two = self.one

    def forward(self, x):
        self.one.scale = self.one.scale + 1
        return self.two(x)


def test_a_module_of_two_names_is_one():
    module = torch.jit.script(Twice().eval())
    frozen = torch.jit.freeze(module)
    assert frozen.one is frozen.two
    assert frozen(torch.ones(1)) == module(torch.ones(1)) == 6


class Shares(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = torch.ones(6)
        self.views = [self.base.view(2, 3)]

    def forward(self):
        self.base[0] += 1
        return self.views[0]


def test_memory_within_lists_is_shared_with_what_is_written():
    frozen = torch.jit.freeze(torch.jit.script(Shares().eval()))
    assert frozen()[0, 0] == 2 and frozen()[0, 0] == 3
    assert frozen.views[0][0, 0] == 3


class Itself(nn.Module):
    def forward(self):
        return self


def test_a_module_that_returns_itself_is_refused():
    with pytest.raises(RuntimeError, match="return itself"):
        torch.jit.freeze(torch.jit.script(Itself().eval()))
