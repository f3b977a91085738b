"""Passes that rewrite what is written in place, and that repeat loops: the results stay."""

import pytest

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

_remove, _unroll = torch._C._jit_pass_remove_mutation, torch._C._jit_pass_loop_unrolling


def _writes(graph):
    kinds = [n.kind() for n in graph.all_nodes()]
    return [k for k in kinds if k.endswith("_") and not k.endswith("__") or k == "aten::append"]


def own(x):
    a = torch.zeros(2)
    a.add_(x)
    b = [1]
    b.append(2)
    c = x + 1
    c.mul_(2).sub_(1)
    d = c[0]
    c.relu_()
    e = x * 2
    e.fill_(3)
    return a, b, c, d, e


def of_others(x):
    y = x.view(-1)
    y.add_(1)
    z = x + 1
    kept = [z]
    z.mul_(2)
    w = x - 1
    if bool(w.sum() > 0):
        w.add_(5)
    v = x * 3
    row = v[0]
    v.add_(1)
    return y, kept[0], w, row


def in_loop(x):
    total = torch.zeros(2)
    for i in range(3):
        part = x * i
        part.add_(1)
        total.add_(part)
    return total


def lists(x):
    a = [x]
    b = a
    a.append(x)
    c = [x]
    n = len(c)
    c.append(x + 1)
    c.append(x + 2)
    d = [1]
    for i in range(2):
        d.append(i)
    return b, n, c, d


@pytest.mark.parametrize(
    ("program", "left"),
    [
        # `c` is looked at by `d` before the last of its writes
        (own, ["aten::relu_"]),
        (of_others, ["aten::add_", "aten::mul_", "aten::add_", "aten::add_"]),
        (in_loop, ["aten::add_"]),
        (lists, ["aten::append"]),
    ],
)
def test_writes_become_new_values(program, left):
    scripted = torch.jit.script(program)
    graph = scripted.graph.copy()
    assert _remove(graph) is (program is not of_others)
    graph.lint()
    assert _writes(graph) == left
    made = torch._C._create_function_from_graph("made", graph)
    torch.testing.assert_close(made(torch.tensor([1.0, 2.0])), program(torch.tensor([1.0, 2.0])))


def three(x):
    for i in range(3):
        x = x * 2 + i
    return x


def many(x, n: int):
    y = x
    for i in range(n):
        y = y * 0.5 + i
        if i == 4:
            x = x + y
    return x, y


def nested(x, n: int):
    for i in range(n):
        for j in range(2):
            x = x + i * j
    return x


def stops(x, n: int):
    for i in range(n):
        if i == 2:
            break
        x = x + i
    return x


def test_loops_are_repeated():
    graph = torch.jit.script(three).graph.copy()
    assert _unroll(graph)
    assert graph.findNode("prim::Loop") is None and len(graph.findAllNodes("aten::mul")) == 3
    made = torch._C._create_function_from_graph("made", graph)
    assert torch.equal(made(torch.ones(2)), three(torch.ones(2)))


@pytest.mark.parametrize("program", [many, nested, stops])
def test_loops_of_any_length(program):
    graph = torch.jit.script(program).graph.copy()
    assert _unroll(graph) is (program is not stops)
    graph.lint()
    made = torch._C._create_function_from_graph("made", graph)
    for n in (0, 1, 7, 8, 9, 17, -2):
        torch.testing.assert_close(made(torch.ones(2), n), program(torch.ones(2), n))
