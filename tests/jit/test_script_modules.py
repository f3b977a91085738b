"""torch.jit.script of modules: results are those of the modules, graphs are PyTorch's."""

import copy
import warnings

import pytest
from script_tools import load, same, shape_of

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
OURS = load("script_layers", torch)


@pytest.fixture(scope="module")
def theirs():
    """The same modules under PyTorch."""
    return load("script_layers", pytest.importorskip("torch"))


@pytest.mark.parametrize("name", OURS.MODULES)
def test_gives_what_the_module_gives(name):
    make, args = OURS.MODULES[name]
    module = make()
    compiled = torch.jit.script(copy.deepcopy(module))
    assert same(module(*args), compiled(*args))


@pytest.mark.parametrize("name", [n for n in OURS.MODULES if n != "containers"])
def test_graph_is_that_of_pytorch(name, theirs):
    import torch as oracle

    wanted = oracle.jit.script(theirs.MODULES[name][0]())
    made = torch.jit.script(OURS.MODULES[name][0]())
    assert shape_of(made.graph) == shape_of(wanted.graph)


@pytest.mark.parametrize("name", OURS.LAYERS)
def test_layers(name):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, *args = OURS.LAYERS[name]()
    compiled = torch.jit.script(copy.deepcopy(module))
    assert _near(module(*args), compiled(*args))


def _near(a, b) -> bool:
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_near, a, b))
    return a is b is None or torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "batch norm", "lstm", "attention", "upsample"]
)
def test_archives_of_layers_open_in_pytorch(name, tmp_path):
    oracle = pytest.importorskip("torch")
    torch.manual_seed(0)
    module, *args = OURS.LAYERS[name]()
    module.eval()
    path = str(tmp_path / "layer.pt")
    torch.jit.script(module).save(path)
    given = [oracle.from_numpy(a.numpy()) for a in args]
    found = oracle.jit.load(path)(*given)
    wanted = module(*args)
    first = (found[0], wanted[0]) if isinstance(wanted, tuple) else (found, wanted)
    assert abs(first[0].detach().numpy() - first[1].detach().numpy()).max() < 1e-5


def test_modules_that_are_alike_share_a_type():
    one, other = torch.jit.script(OURS.Plain()), torch.jit.script(OURS.Plain())
    assert one._c._type() is other._c._type()
    changed = OURS.Plain()
    changed.none = torch.nn.Identity()
    assert torch.jit.script(changed)._c._type() is not one._c._type()


def test_parameters_are_shared_and_train():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    compiled = torch.jit.script(module)
    assert compiled[0].weight is module[0].weight and len(compiled) == 2
    compiled(torch.ones(1, 3)).sum().backward()
    assert module[0].weight.grad is not None
    assert [n for n, _ in compiled.named_parameters()] == ["0.weight", "0.bias"]


def test_exported_methods_and_attributes():
    compiled = torch.jit.script(OURS.Methods())
    assert [compiled.infer(torch.ones(1)), compiled.infer(torch.ones(1), 7)] == [1, 7]
    assert compiled.count == 2 and compiled.forward.schema.arguments[1].name == "x"


def test_hooks_are_compiled():
    class Inner(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    def before(self, input: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (input[0] * 10,)

    def after(self, input: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        return output * 2

    outer = torch.nn.Sequential(Inner())
    outer[0].register_forward_pre_hook(before)
    outer[0].register_forward_hook(after)
    assert torch.jit.script(outer)(torch.ones(1)).item() == 22.0


def test_script_module_subclass():
    class Old(torch.jit.ScriptModule):
        __constants__ = ["k"]

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))
            self.k = 3

        @torch.jit.script_method
        def forward(self, x):
            return self.helper(x) * self.k

        @torch.jit.script_method
        def helper(self, x):
            return x + self.weight

    module = Old()
    assert torch.equal(module(torch.ones(2)), torch.full((2,), 6.0))
    assert "prim::CallMethod" in str(module.graph)


def test_compilation_unit():
    unit = torch.jit.CompilationUnit("""
    def foo(a: Tensor, b: int) -> Tensor:
        return a + b

    def bar(x: Tensor) -> Tensor:
        return foo(x, 2) * 2
    """)
    assert unit.bar(torch.ones(1)).item() == 6.0
    assert str(unit.foo.schema) == "foo(Tensor a, int b) -> Tensor"


def test_dataclasses():
    from dataclasses import dataclass

    @torch.jit.script
    @dataclass
    class Point:
        x: int
        y: float = 2.0

        def total(self) -> float:
            return self.x + self.y

    @torch.jit.script
    def program(n: int):
        p = Point(n)
        return p.total(), p == Point(n, 2.0), p.y

    assert program(3) == (5.0, True, 2.0)


def test_attribute_with_a_type():
    class Holder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = torch.jit.Attribute([], list[int])

        def forward(self, x: int):
            self.seen.append(x)
            return len(self.seen)

    compiled = torch.jit.script(Holder())
    assert [compiled(3), compiled(4)] == [1, 2] and compiled.seen == [3, 4]


def test_isinstance_of_modules_is_known():
    class Mixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.ReLU()])

        def forward(self, x: torch.Tensor):
            for part in self.parts:
                if not isinstance(part, torch.nn.Identity):
                    x = part(x) + 1
            return x

    compiled = torch.jit.script(Mixed())
    assert torch.equal(compiled(-torch.ones(2)), torch.ones(2))
    assert "prim::If" not in str(compiled.graph)


def test_overloads_whose_signatures_are_comments():
    @torch.jit._overload
    def scaled(x, by):  # noqa: F811
        # type: (Tensor, int) -> Tensor
        pass

    @torch.jit._overload
    def scaled(x, by):  # noqa: F811
        # type: (int, int) -> int
        pass

    def scaled(x, by):  # noqa: F811
        return x * by

    @torch.jit.script
    def program(x: torch.Tensor):
        return scaled(x, 2), scaled(3, 4)

    made, number = program(torch.ones(1))
    assert made.item() == 2.0 and number == 12


def test_objects_of_plain_classes_as_attributes():
    class Recipe:
        def __init__(self, sizes: list[int], name: str):
            self.sizes = sizes
            self.name = name

    class Holder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.recipes = {2: Recipe([1, 2], "two")}

        def forward(self, x: torch.Tensor):
            recipe = self.recipes[x.dim()]
            return x.reshape(recipe.sizes), recipe.name

    made, name = torch.jit.script(Holder())(torch.ones(2, 1))
    assert tuple(made.shape) == (1, 2) and name == "two"


class Scale:
    """A plain class, which a module holds an object of."""

    def __init__(self, factor: float):
        self.factor = factor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = Scale(2.0)

    def forward(self, x):
        return self.scale(x) + self.scale.factor


def test_objects_that_can_be_called(tmp_path):
    compiled = torch.jit.script(Scaled())
    assert compiled(torch.ones(2)).tolist() == [4.0, 4.0]
    torch.jit.save(compiled, tmp_path / "scaled.pt")
    assert torch.jit.load(tmp_path / "scaled.pt")(torch.ones(2)).tolist() == [4.0, 4.0]
