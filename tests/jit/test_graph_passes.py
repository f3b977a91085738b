"""Passes over graphs: what goes, what is computed, what is kept because something writes to it."""

import pytest

import rushlight as torch
from rushlight.jit import _passes

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

SOURCE = """graph(%a : int, %x : Tensor, %f : float):
  %1 : int = prim::Constant[value=1]()
  %2 : int = prim::Constant[value=2]()
  %n : None = prim::Constant()
  %3 : int = aten::add(%1, %2)
  %l : int[] = prim::ListConstruct(%1, %2)
  %l2 : int[] = prim::ListConstruct(%1, %2)
  %q : int[] = aten::append(%l2, %1)
  %t : (int, int) = prim::TupleConstruct(%1, %2)
  %o : Tensor = aten::ones(%l, %n, %n, %n, %n)
  %y : Tensor = aten::add(%x, %3, %1)
  %z : Tensor = aten::add(%x, %3, %1)
  %v : Tensor = aten::view(%x, %l)
  %vv : Tensor = aten::relu_(%v)
  %c : bool = aten::gt(%3, %1)
  %d : bool = aten::gt(%a, %1)
  %w : Tensor = prim::If(%c)
    block0():
      -> (%y)
    block1():
      -> (%z)
  %w1 : Tensor, %w2 : int = prim::If(%d)
    block0():
      -> (%y, %1)
    block1():
      -> (%z, %2)
  %true : bool = prim::Constant[value=1]()
  %a1 : Tensor, %b1 : int, %c1 : Tensor = prim::Loop(%a, %true, %x, %1, %y)
    block0(%i : int, %yy : Tensor, %k : int, %u : Tensor):
      %k2 : int = aten::add(%k, %1)
      %zz : Tensor = aten::relu(%yy)
      %uu : Tensor = aten::sigmoid(%x)
      -> (%true, %zz, %k2, %uu)
  %mx : Tensor, %mi : Tensor = aten::max(%x, %1, %true)
  %ff : float = aten::mul(%f, %f)
  %ff2 : float = aten::mul(%f, %f)
  return (%w, %t, %l, %o, %w1, %l2, %a1, %mx, %ff, %ff2)"""


@pytest.mark.parametrize(
    "sequence",
    ["dce", "constant_propagation_immutable_types", "constant_propagation", "cse", "cse dce",
     "constant_propagation_immutable_types cse dce"],
)  # fmt: skip
def test_passes_leave_what_pytorch_leaves(sequence):
    oracle = pytest.importorskip("torch")
    ours, theirs = torch.parse_ir(SOURCE), oracle._C.parse_ir(SOURCE)
    for name in sequence.split():
        getattr(torch._C, f"_jit_pass_{name}")(ours)
        getattr(oracle._C, f"_jit_pass_{name}")(theirs)
        ours.lint()
    assert str(ours) == str(theirs)


def after(text, *passes):
    graph = torch.parse_ir(text)
    for run in passes:
        run(graph)
        graph.lint()
    return graph


def kinds(graph):
    return [n.kind() for n in graph.all_nodes() if n.kind() != "prim::Constant"]


def test_what_nobody_reads_goes_even_if_it_is_written():
    graph = after(
        """graph(%x : Tensor, %i : int[]):
  %1 : int = prim::Constant[value=1]()
  %l : int[] = prim::ListConstruct(%1)
  %m : int[] = aten::append(%l, %1)
  %n : int[] = aten::append(%i, %1)
  %y : Tensor = aten::relu(%x)
  %z : Tensor = aten::relu_(%y)
  prim::Print(%1)
  return (%1)""",
        _passes.dce,
    )
    assert kinds(graph) == ["aten::append", "prim::Print"]


def test_a_write_to_what_is_read_stays():
    graph = after(
        """graph(%x : Tensor):
  %1 : int = prim::Constant[value=1]()
  %y : Tensor = aten::relu(%x)
  %l : Tensor[] = prim::ListConstruct(%y)
  %v : Tensor = aten::t(%y)
  %z : Tensor = aten::relu_(%v)
  %g : Tensor = aten::__getitem__(%l, %1)
  return (%g)""",
        _passes.dce,
        _passes.cse,
    )
    assert kinds(graph) == [
        "aten::relu", "prim::ListConstruct", "aten::t", "aten::relu_", "aten::__getitem__",
    ]  # fmt: skip


def test_branches_that_are_known_are_chosen():
    graph = after(
        """graph(%x : Tensor):
  %1 : int = prim::Constant[value=1]()
  %t : bool = aten::gt(%1, %1)
  %y : Tensor = prim::If(%t)
    block0():
      %r : Tensor = aten::relu(%x)
      -> (%r)
    block1():
      %s : Tensor = aten::sigmoid(%x)
      -> (%s)
  %z : Tensor = prim::Loop(%1, %t, %y)
    block0(%i : int, %k : Tensor):
      %q : Tensor = aten::neg(%k)
      -> (%t, %q)
  return (%z)""",
        _passes.constant_propagation,
    )
    assert kinds(graph) == ["aten::sigmoid"]


def test_what_fails_or_draws_is_left_to_run():
    graph = after(
        """graph():
  %0 : int = prim::Constant[value=0]()
  %n : None = prim::Constant()
  %l : int[] = prim::ListConstruct()
  %d : int = aten::floordiv(%0, %0)
  %r : Tensor = aten::rand(%l, %n, %n, %n, %n)
  %s : Tensor = aten::rand(%l, %n, %n, %n, %n)
  return (%d, %r, %s)""",
        _passes.constant_propagation,
        _passes.cse,
    )
    assert kinds(graph).count("aten::rand") == 2 and "aten::floordiv" in kinds(graph)


def test_peephole_knows_what_types_say():
    graph = after(
        """graph(%x : Float(2, 3), %y : int?):
  %n : None = prim::Constant()
  %s : int[] = aten::size(%x)
  %d : int = aten::dim(%x)
  %i : bool = aten::__is__(%x, %n)
  %j : bool = aten::__is__(%y, %n)
  %k : int = aten::_unwrap_optional(%d)
  return (%s, %d, %i, %j, %k)""",
        _passes.peephole,
        _passes.dce,
    )
    assert kinds(graph) == ["aten::__is__"]
    assert [v.toIValue() for v in graph.outputs()] == [[2, 3], 2, False, None, 2]


def simplified(text):
    graph = after(text, _passes.peephole)
    return kinds(graph), [v.toIValue() for v in graph.outputs()]


def test_peephole_reads_lists_that_nothing_changes():
    built = """graph(%x : Tensor, %y : Tensor):
  %0 : int = prim::Constant[value=0]()
  %9 : int = prim::Constant[value=9]()
  %l : Tensor[] = prim::ListConstruct(%x, %y)
"""
    assert simplified(built + "  %n : int = aten::len(%l)\n  return (%n)") == ([], [2])
    read = "  %e : Tensor = aten::__getitem__(%l, %0)\n  return (%e)"
    assert simplified(built + read)[0] == []
    assert "aten::__getitem__" in simplified(built + read.replace("%0", "%9"))[0]
    grown = built + "  %m : Tensor[] = aten::append(%l, %x)\n" + read
    assert simplified(grown)[0] == ["prim::ListConstruct", "aten::append", "aten::__getitem__"]


def test_peephole_knows_ranks_and_conversions():
    text = """graph(%x : Float(2, device=cpu), %y : Float(3, device=cpu), %w : Tensor, %c : bool):
  %n : None = prim::Constant()
  %1 : int = prim::Constant[value=1]()
  %t : bool = prim::Constant[value=1]()
  %f : bool = prim::Constant[value=0]()
  %s : int[] = prim::ListConstruct(%1, %1)
  %z : Tensor = aten::conv2d(%x, %w, %n, %s, %s, %s, %1)
  %d : int = aten::dim(%z)
  %a : Tensor = aten::type_as(%x, %y)
  %b : bool = prim::If(%c)
    block0():
      -> (%t)
    block1():
      -> (%f)
  return (%d, %a, %b)"""
    assert simplified(text) == ([], [4, None, None])
    resized = text.replace("  %d : int", "  %r : Tensor = aten::resize_(%z, %s, %n)\n  %d : int")
    assert "aten::dim" in simplified(resized)[0]


def test_calls_are_inlined():
    def inner(x):
        return torch.relu(x) + 1

    def outer(x):
        if bool(x.sum() > 0):
            return inner(inner(x))
        return x

    scripted = torch.jit.script(outer)
    graph = scripted.graph.copy()
    before = [n for n in graph.all_nodes() if n.kind() == "prim::CallFunction"]
    torch._C._jit_pass_inline(graph)
    graph.lint()
    assert len(before) == 2 and kinds(graph).count("aten::relu") == 2
    assert graph.findNode("prim::CallFunction") is None


def test_what_may_share_memory():
    graph = torch.parse_ir(
        """graph(%x : Tensor, %z : Tensor, %l : Tensor[]):
  %1 : int = prim::Constant[value=1]()
  %t : Tensor = aten::t(%x)
  %y : Tensor = aten::relu(%x)
  %m : Tensor[] = prim::ListConstruct(%y)
  %g : Tensor = aten::__getitem__(%m, %1)
  %w : Tensor = aten::relu_(%g)
  %h : Tensor = aten::sigmoid(%x)
  return (%t, %h)"""
    )
    values = {v.debugName(): v for v in graph.inputs()}
    t, y, m, g, w, h = (next(n.outputs()) for n in graph.nodes() if n.kind() != "prim::Constant")
    aliases = graph.alias_db()
    assert aliases.may_contain_alias(values["x"], t)
    assert aliases.may_contain_alias(values["x"], values["z"])  # nobody knows what comes in
    assert aliases.may_contain_alias(values["l"], values["x"])
    assert not aliases.may_contain_alias(values["x"], y)
    assert aliases.may_contain_alias(m, y) and aliases.may_contain_alias(g, w)
    assert [aliases.has_writers(v) for v in (y, m, g, values["x"], h)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert "aten::relu_" in str(aliases) and aliases.to_graphviz_str().startswith("digraph")


def test_aliases_agree_with_pytorch():
    oracle = pytest.importorskip("torch")
    ours, theirs = torch.parse_ir(SOURCE), oracle._C.parse_ir(SOURCE)
    mine, other = ours.alias_db(), theirs.alias_db()

    def values(graph):
        found = list(graph.inputs()) + [o for n in graph.nodes() for o in n.outputs()]
        # PyTorch forgets that a loop may not run: what it gives is what came in.
        return [v for v in found if v.node().kind() != "prim::Loop"]

    pairs = list(zip(values(ours), values(theirs), strict=True))
    assert [mine.has_writers(a) for a, _ in pairs] == [other.has_writers(b) for _, b in pairs]
    for a, b in pairs:
        for c, d in pairs:
            if a is not c:
                assert mine.may_contain_alias(a, c) == other.may_contain_alias(b, d), (a, c)


def test_nodes_move_past_others_only_if_nothing_changes():
    text = """graph(%x : Tensor):
  %y : Tensor = aten::relu(%x)
  %z : Tensor = aten::neg(%x)
  %w : Tensor = aten::add_(%y, %y, %1)
  %v : Tensor = aten::abs(%y)
  return (%v, %z)""".replace("%1", "%one").replace(
        "  %y : Tensor = aten::relu",
        "  %one : int = prim::Constant[value=1]()\n  %y : Tensor = aten::relu",
    )
    graph = torch.parse_ir(text)
    aliases = graph.alias_db()
    _, relu, neg, add, absolute = graph.nodes()
    assert aliases.move_after_topologically_valid(neg, absolute)
    assert [n.kind() for n in graph.nodes()][-1] == "aten::neg"
    assert not aliases.move_before_topologically_valid(absolute, add)
    assert not aliases.move_after_topologically_valid(relu, absolute)
    assert [n.kind() for n in graph.nodes()][1:] == [
        "aten::relu", "aten::add_", "aten::abs", "aten::neg",
    ]  # fmt: skip
    graph.lint()
