"""Graphs made and changed by hand."""

from __future__ import annotations

import operator

import pytest

import rushlight as torch
from rushlight import fx


def chain():
    graph = fx.Graph()
    x = graph.placeholder("x")
    a = graph.call_function(torch.relu, (x,))
    b = graph.call_function(operator.add, (a, x))
    graph.output(b)
    return graph, x, a, b


def test_a_graph_prints_and_runs():
    graph, *_ = chain()
    assert str(graph) == (
        "graph():\n"
        "    %x : [num_users=2] = placeholder[target=x]\n"
        "    %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})\n"
        "    %add : [num_users=1] = call_function[target=operator.add]"
        "(args = (%relu, %x), kwargs = {})\n"
        "    return add"
    )
    module = fx.GraphModule({}, graph)
    assert module.code == (
        "\n\n\ndef forward(self, x):\n"
        "    relu = torch.relu(x)\n"
        "    add = relu + x;  relu = x = None\n"
        "    return add\n    "
    )
    assert module(torch.tensor([-1.0, 2.0])).tolist() == [-1.0, 4.0]


def test_users_follow_arguments():
    graph, x, a, b = chain()
    assert list(x.users) == [a, b] and b.all_input_nodes == [a, x]
    b.args = (a, a)
    assert list(x.users) == [a] and list(a.users) == [b]
    b.update_arg(1, 3)
    b.insert_arg(0, x)
    b.update_kwarg("alpha", [x])
    assert b.args == (x, a, 3) and b.kwargs == {"alpha": [x]}
    b.replace_input_with(x, a)
    assert b.args == (a, a, 3) and b.kwargs == {"alpha": [a]}
    with pytest.raises(TypeError, match="does not support mutation"):
        b.kwargs["alpha"].append(1)


def test_replacing_and_erasing():
    graph, x, a, b = chain()
    with graph.inserting_after(a):
        c = graph.call_function(torch.neg, (a,))
    result = graph.output_node()
    changed = a.replace_all_uses_with(c, delete_user_cb=lambda n: n is not c)
    assert changed == [b] and list(a.users) == [c]
    with pytest.raises(RuntimeError, match="Tried to erase Node relu but it still had 1 users"):
        graph.erase_node(a)
    b.args = (c, c)
    d = graph.call_method("unused", (x,))
    result.prepend(d)
    assert graph.eliminate_dead_code()
    assert [n.name for n in graph.nodes] == ["x", "relu", "neg", "add", "output"]
    graph.lint()


def test_insertion_points_and_order():
    graph, x, a, b = chain()
    with graph.inserting_before(b):
        first = graph.call_method("one", (a,))
        second = graph.call_method("two", (a,))
    with graph.inserting_before():
        begin = graph.get_attr("w")
    names = [n.name for n in graph.nodes]
    assert names == ["w", "x", "relu", "one", "two", "add", "output"]
    assert begin < x < first < second < b and not b < a
    assert [n.name for n in reversed(graph.nodes)] == names[::-1] and len(graph.nodes) == 7
    a.append(second)
    assert a.next is second and second.prev is a
    assert graph.find_nodes(op="call_method", target="one") == [first]


def test_names_are_given_once():
    graph = fx.Graph()
    x = graph.placeholder("input")
    names = [graph.call_method(n, (x,)).name for n in ("add", "add", "a.b-c", "0", "add_1", "is")]
    assert x.name == "input_1"
    assert names == ["add", "add_1", "a_b_c", "_0", "add_2", "is_1"]


def test_copies():
    graph, x, a, b = chain()
    other = fx.Graph()
    start = other.placeholder("y")
    result = other.graph_copy(graph, {x: start})
    other.output(result)
    assert [n.name for n in other.nodes] == ["y", "relu", "add", "output"]
    import copy

    again = copy.deepcopy(graph)
    assert str(again) == str(graph) and next(iter(again.nodes)) is not x


def test_what_lint_finds():
    graph, x, a, b = chain()
    b.append(a)
    with pytest.raises(RuntimeError, match="was used before it has been defined"):
        graph.lint()
    stray = fx.Graph()
    stray.call_method("f", (x,))
    with pytest.raises(RuntimeError, match="does not belong to this Graph"):
        stray.lint()
    graph = fx.Graph(owning_module=torch.nn.Linear(2, 2))
    graph.create_node("call_module", "nothing")
    with pytest.raises(RuntimeError, match="nonexistent attribute"):
        graph.lint()


def test_table_and_generated_lines(capsys):
    graph, *_ = chain()
    graph.print_tabular()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["opcode", "name", "target", "args", "kwargs"]
    assert lines[2].split()[:3] == ["placeholder", "x", "x"] and len(lines) == 6
    assert lines[1].endswith("  " + "-" * len("kwargs  "))  # heads have two columns to spare
    module = fx.GraphModule({}, graph)
    with graph.on_generate_code(lambda old: lambda body: ["y = 3\n", *body]):
        module.recompile()
        assert "    y = 3\n" in module.code
    module.recompile()
    assert "y = 3" not in module.code


def test_pure_and_impure():
    graph = fx.Graph()
    x = graph.placeholder("x")
    pure = [torch.relu, torch.add, operator.getitem]
    effects = [torch._assert, operator.setitem, torch.rand, torch.bernoulli]
    assert not any(graph.call_function(f, (x,)).is_impure() for f in pure)
    assert all(graph.call_function(f, (x,)).is_impure() for f in effects)

    def shown(x):
        return x

    fx.has_side_effect(shown)
    assert graph.call_function(shown, (x,)).is_impure()
    assert graph.call_function(torch.ops.aten.add_.Tensor, (x, 1)).is_impure()
    assert not graph.call_function(torch.ops.aten.add.Tensor, (x, 1)).is_impure()
    draw = graph.call_function(torch.ops.aten.rand.default, ([2],))
    assert draw.is_impure() and not draw.is_impure(False)
