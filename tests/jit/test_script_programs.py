"""torch.jit.script of functions: results are Python's, graphs are PyTorch's."""

import copy

import pytest
from script_tools import load, same, shape_of

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
FILES = ("script_programs", "script_flow")
OURS = load("script_programs", torch)


def cases(library):
    return {k: v for file in FILES for k, v in load(file, library).CASES.items()}


CASES = cases(torch)


@pytest.fixture(scope="module")
def theirs():
    """The same programs under PyTorch."""
    return cases(pytest.importorskip("torch"))


@pytest.mark.parametrize("name", CASES)
def test_gives_what_python_gives(name):
    function, inputs = CASES[name]
    compiled = torch.jit.script(function)
    for args in inputs:
        wanted = function(*copy.deepcopy(args))
        assert same(wanted, compiled(*copy.deepcopy(args)))


@pytest.mark.parametrize("name", CASES)
def test_graph_is_that_of_pytorch(name, theirs):
    import torch as oracle

    wanted = oracle.jit.script(theirs[name][0])
    made = torch.jit.script(CASES[name][0])
    assert shape_of(made.graph) == shape_of(wanted.graph)
    assert str(made.schema).replace("_rushlight", "_torch") == str(wanted.schema)


def test_a_graph_that_is_known():
    @torch.jit.script
    def clip(x: torch.Tensor, low: float = 0.0) -> torch.Tensor:
        if bool(x.sum() > low):
            return x
        return x + low

    assert shape_of(clip.graph) == (
        "graph(%0 : Tensor,\n      %1 : float):\n"
        "  %2 : Tensor = aten::sum(%0, <NoneType ()>)\n  %3 : Tensor = aten::gt(%2, %1)\n"
        "  %4 : bool = aten::Bool(%3)\n  %5 : Tensor = prim::If(%4)\n    block0():\n"
        "      -> (%0)\n    block1():\n      %6 : Tensor = aten::add(%0, %1, <int [value=1]()>)\n"
        "      -> (%6)\n  return (%5)"
    )
    assert str(clip.graph).startswith("graph(%x.1 : Tensor,\n      %low.1 : float):\n")
    assert str(clip.schema) == "clip(Tensor x, float low=0.) -> Tensor"
    assert clip.code.startswith("def clip(x: Tensor,\n    low: float=0.) -> Tensor:\n")


def test_a_function_is_compiled_once():
    assert torch.jit.script(OURS.helper) is torch.jit.script(OURS.helper)


def test_fork_and_wait():
    def twice(x: torch.Tensor, k: int):
        return x * k

    def program(x: torch.Tensor):
        first = torch.jit.fork(twice, x, 2)
        second = torch.jit.fork(twice, x, k=3)
        return torch.jit.wait(first) + torch.jit.wait(second)

    compiled = torch.jit.script(program)
    assert torch.equal(compiled(torch.ones(2)), torch.full((2,), 5.0))
    assert "prim::fork" in str(compiled.graph) and "Future[Tensor]" in str(compiled.graph)


def test_gradients_flow_through_a_compiled_function():
    def program(x: torch.Tensor, n: int):
        for i in range(n):
            if i % 2 == 0:
                x = x * x
            else:
                x = x + i
        return x.sum()

    a = torch.tensor([1.5, -0.5], requires_grad=True)
    b = a.detach().clone().requires_grad_()
    torch.jit.script(program)(a, 3).backward()
    program(b, 3).backward()
    assert torch.equal(a.grad, b.grad)


def test_different_values_with_flags():
    def all_of_them(x: torch.Tensor):
        found, inverse = torch.unique(x, return_inverse=True)
        runs, counts = torch.unique_consecutive(x, return_counts=True)
        return torch.unique(x, dim=0), found, inverse, runs, counts

    x = torch.tensor([2, 1, 1, 3, 3])
    compiled = torch.jit.script(all_of_them)
    assert all(torch.equal(a, b) for a, b in zip(all_of_them(x), compiled(x), strict=True))
    names = [n.kind() for n in compiled.inlined_graph.findAllNodes("aten::_unique2")]
    assert names and "aten::unique(" not in str(compiled.inlined_graph)


def test_sizes_that_may_be_absent():
    def resized(x: torch.Tensor, size: int | None, scale: float | None):
        return torch.nn.functional.interpolate(x, size=size, scale_factor=scale)

    compiled = torch.jit.script(resized)
    assert compiled(torch.rand(1, 1, 4, 4), 6, None).shape == (1, 1, 6, 6)
    assert compiled(torch.rand(1, 1, 4, 4), None, 0.5).shape == (1, 1, 2, 2)
