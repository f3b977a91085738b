"""Running compiled programs: control flow, arguments, errors, memory; the objects themselves."""

import copy
import gc
import pickle
import weakref
from typing import Dict, List, Optional  # noqa: UP035

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.jit._function import ScriptFunction

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def from_text(text: str) -> ScriptFunction:
    """A function over a graph that is written out."""
    return ScriptFunction("__torch__.program", torch.parse_ir(text))


def test_loops_and_branches_of_a_graph():
    program = from_text("""
    graph(%n : int, %limit : int):
      %true : bool = prim::Constant[value=1]()
      %zero : int = prim::Constant[value=0]()
      %three : int = prim::Constant[value=3]()
      %sum : int, %count : int = prim::Loop(%n, %true, %zero, %zero)
        block0(%i : int, %s : int, %c : int):
          %more : int = aten::add(%s, %i)
          %left : int = aten::remainder(%i, %three)
          %divides : bool = aten::eq(%left, %zero)
          %next : int = prim::If(%divides)
            block0():
              %one : int = prim::Constant[value=1]()
              %bigger : int = aten::add(%c, %one)
              -> (%bigger)
            block1():
              -> (%c)
          %go : bool = aten::lt(%more, %limit)
          -> (%go, %more, %next)
      return (%sum, %count)
    """)
    assert program(10, 1000) == (45, 4)
    assert program(10, 5) == (6, 2)
    assert program(0, 5) == (0, 0)


def test_values_swap_in_loops():
    program = from_text("""
    graph(%n : int, %a : int, %b : int):
      %true : bool = prim::Constant[value=1]()
      %x : int, %y : int = prim::Loop(%n, %true, %a, %b)
        block0(%i : int, %p : int, %q : int):
          -> (%true, %q, %p)
      return (%x, %y)
    """)
    assert program(3, 1, 2) == (2, 1) and program(4, 1, 2) == (1, 2)


def program(x, n: int = 2, scale: float = 1.0, extra: Optional[torch.Tensor] = None):  # noqa: UP045
    for i in range(n):
        if bool(x.sum() > 0):
            x = x * scale - float(i)
        else:
            break
    if extra is not None:
        x = x + extra
    return x


def test_arguments_go_by_position_by_name_or_by_default():
    made = torch.jit.script(program)
    x = torch.ones(2)
    for args, named in (
        ((x,), {}),
        ((x, 3), {"scale": 2.0}),
        ((), {"x": x, "extra": x, "n": 0}),
        ((x, 5, 1, None), {}),
    ):
        assert torch.equal(made(*args, **named), program(*args, **named))


@pytest.mark.parametrize(
    "args, named, words",
    [
        (
            (),
            {},
            "program\\(\\) is missing value for argument 'x'. Declaration: program\\(Tensor x",
        ),
        (
            (1,),
            {},
            "Expected a value of type 'Tensor' for argument 'x' but instead found type 'int'",
        ),
        ((torch.ones(1), 1.5), {}, "'int' for argument 'n' but instead found type 'float'"),
        ((torch.ones(1),), {"m": 1}, "Unknown keyword argument 'm'"),
        ((torch.ones(1), 1, 1.0, None, 5), {}, "expected at most 4 argument\\(s\\) but received 5"),
        ((torch.ones(1), True), {}, "'int' for argument 'n' but instead found type 'bool'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(args, named, words):
    with pytest.raises(RuntimeError, match=words):
        torch.jit.script(program)(*args, **named)


def test_containers_are_copied_on_the_way_in():
    def grow(items: List[int], table: Dict[str, int]):  # noqa: UP006
        items.append(4)
        table["b"] = 2
        return items, table

    made = torch.jit.script(grow)
    items, table = [1], {"a": 1}
    assert made(items, table) == ([1, 4], {"a": 1, "b": 2})
    assert items == [1] and table == {"a": 1}
    assert made((1, 2), table)[0] == [1, 2, 4]


def test_errors_name_the_place_in_the_program():
    def broken(x, y):
        z = x + 1
        return z @ y

    with pytest.raises(RuntimeError) as caught:
        torch.jit.script(broken)(torch.ones(2, 3), torch.ones(2, 3))
    said = str(caught.value)
    assert said.startswith(
        "The following operation failed in the TorchScript interpreter.\n"
        "Traceback of TorchScript (most recent call last):\n"
    )
    assert "in broken\n" in said and "return z @ y" in said and "~~~~~ <--- HERE" in said

    def raises(n: int):
        if n > 0:
            raise ValueError("too large")
        return n

    made = torch.jit.script(raises)
    assert made(0) == 0
    with pytest.raises(torch.jit.Error, match="builtins.ValueError: too large"):
        made(1)


def test_tensors_are_let_go_after_their_last_use():
    def chain(x):
        for _ in range(6):
            x = x * 2
        return x

    traced = torch.jit.trace(chain, torch.ones(4))
    assert traced.code.count("torch.mul") == 6
    before = torch.ones(4)
    refs = weakref.ref(before)
    result = traced(before)
    del before
    gc.collect()
    assert refs() is None and torch.equal(result, torch.full((4,), 64.0))


def test_gradients_flow_through_control_flow():
    made = torch.jit.script(program)
    x = torch.ones(3, requires_grad=True)
    made(x, 3, 2.0).sum().backward()
    found, x.grad = x.grad, None
    program(x, 3, 2.0).sum().backward()
    assert torch.equal(found, x.grad)


# -- the objects -----------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.k = 3

    def forward(self, x):
        return self.inner(x) * self.k


def test_a_compiled_module_is_a_module():
    made = torch.jit.script(Net())
    assert isinstance(made, nn.Module) and isinstance(made, torch.jit.ScriptModule)
    assert [n for n, _ in made.named_parameters()] == ["inner.weight", "inner.bias"]
    assert str(made) == (
        "RecursiveScriptModule(\n  original_name=Net\n"
        "  (inner): RecursiveScriptModule(original_name=Linear)\n)"
    )
    twin = copy.deepcopy(made)
    with torch.no_grad():
        twin.inner.weight.zero_()
    assert made.inner.weight.abs().sum() > 0 and made(torch.ones(1, 2)).shape == (1, 2)
    made.k = 5
    made.inner.bias = nn.Parameter(torch.zeros(2))
    expected = (torch.ones(1, 2) @ made.inner.weight.t()) * 5
    assert torch.allclose(made(torch.ones(1, 2)), expected)
    assert not made.eval().inner.training
    made.load_state_dict(twin.state_dict())
    assert made.double()(torch.ones(1, 2).double()).dtype == torch.float64


def test_what_compiled_modules_refuse():
    made = torch.jit.script(Net())
    with pytest.raises(RuntimeError, match="Could not cast attribute 'k' to type int"):
        made.k = "x"
    with pytest.raises(RuntimeError, match="Can't add a new parameter"):
        made.other = nn.Parameter(torch.ones(1))
    with pytest.raises(RuntimeError, match="Cannot re-assign modules in a ScriptModule"):
        made.inner = nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="Cannot re-assign modules in a ScriptModule"):
        made.add_module("more", nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="__getstate__"):
        pickle.dumps(made)
    with pytest.raises(pickle.PickleError, match="ScriptFunction cannot be pickled"):
        pickle.dumps(torch.jit.script(program))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = made.nothing


def test_the_object_behind_a_module():
    made = torch.jit.script(Net())
    inner = made._c
    assert inner.qualified_name.endswith("Net") and inner._method_names() == ["forward"]
    assert inner.getattr("k") == 3 and inner.hasattr("inner") and not inner.hasattr("x")
    inner.setattr("k", 4)
    assert made.k == 4 and torch.equal(inner.forward(torch.ones(1, 2)), made(torch.ones(1, 2)))
    text = inner.dump_to_str()
    assert text.startswith(f"module {inner.qualified_name} {{\n  parameters {{\n")
    assert "k = 4" in text and "prim::CallMethod" in text


def test_modules_in_the_older_way():
    class Old(torch.jit.ScriptModule):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        @torch.jit.script_method
        def forward(self, x):
            return self.twice(x) * self.weight

        @torch.jit.script_method
        def twice(self, x):
            return x * 2

    net = Old()
    assert "twice(x, )" in net.code and torch.equal(net(torch.ones(2)), torch.full((2,), 2.0))


def test_hooks_run_around_compiled_modules():
    made = torch.jit.trace(Net(), torch.ones(1, 2))
    seen = []
    handle = made.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    made(torch.ones(3, 2))
    handle.remove()
    made(torch.ones(4, 2))
    assert seen == [(3, 2)]


def test_methods_added_from_source():
    made = torch.jit.script(Net())
    made.define("def half(self, x):\n    return self.forward(x) / 2\n")
    x = torch.ones(1, 2)
    assert torch.equal(made.half(x), made(x) / 2)


def test_switches():
    with pytest.raises(TypeError, match="enable_onednn_fusion"):
        torch.jit.enable_onednn_fusion(1)
    torch.jit.enable_onednn_fusion(True)
    assert torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(False)
    before = torch.jit.set_fusion_strategy([("STATIC", 3)])
    assert torch.jit.set_fusion_strategy(before) == [("STATIC", 3)]
    with pytest.raises(RuntimeError, match="STATIC or DYNAMIC"):
        torch.jit.set_fusion_strategy([("OTHER", 1)])
    with torch.jit.strict_fusion():
        made = torch.jit.trace(lambda x: x.sum(), torch.ones(1))
    made(torch.ones(1))
    assert "aten::sum" in str(torch.jit.last_executed_optimized_graph())
