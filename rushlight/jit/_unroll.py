"""Repeating the bodies of loops."""

from __future__ import annotations

from ._ir import Block, Graph, Node, Value
from ._types import IntType

_TIMES = 8
_MOST_NODES = 32


def loop_unrolling(graph: Graph) -> bool:
    """Repeat the small bodies of innermost `for` loops eight times; whether there are any.

    A loop of up to eight turns, known beforehand, is none afterwards; any other has a second loop
    for the turns that are left over.
    """
    changed = _unroll_in(graph.block())
    if changed:
        from ._passes import dce

        dce(graph)
    return changed


def _unroll_in(block: Block) -> bool:
    changed = False
    for node in list(block.nodes()):
        for inner in node.blocks():
            changed |= _unroll_in(inner)
        if node.kind() == "prim::Loop" and _fits(node):
            _unroll(node)
            changed = True
    return changed


def _fits(loop: Node) -> bool:
    (body,) = loop.blocks()
    nodes = list(body.all_nodes())
    always = _constant(loop.inputsAt(1)) is True and _constant(next(body.outputs())) is True
    return always and len(nodes) <= _MOST_NODES and all(n.kind() != "prim::Loop" for n in nodes)


def _constant(value: Value):
    return value.toIValue() if value.node().kind() == "prim::Constant" else None


def _unroll(loop: Node) -> None:
    graph = loop.graph
    (body,) = loop.blocks()
    turns = _constant(loop.inputsAt(0))
    with graph.insert_point_guard(loop):
        start = graph.insertConstant(0)
    carried = list(loop.inputs())[2:]
    if turns is not None and turns <= _TIMES:
        with graph.insert_point_guard(loop):
            carried = _repeat(body, max(turns, 0), start, carried)[1:]
    else:
        with graph.insert_point_guard(loop):
            most = _binary(graph, "aten::__round_to_zero_floordiv", loop.inputsAt(0), _TIMES)
            done = _binary(graph, "aten::mul", most, _TIMES)
            left = _sized(graph, "aten::sub", loop.inputsAt(0), done)
            carried = _looped(loop, most, _TIMES, [start, *carried])
            carried = _looped(loop, left, 1, carried)[1:]
    for old, new in zip(loop.outputs(), carried, strict=True):
        old.replaceAllUsesWith(new)
    loop.destroy()


def _binary(graph: Graph, kind: str, value: Value, by: int) -> Value:
    return _sized(graph, kind, value, graph.insertConstant(by))


def _sized(graph: Graph, kind: str, a: Value, b: Value) -> Value:
    return graph.insertNode(graph.create(kind, [a, b])).output().setType(IntType.get())


def _looped(old: Node, turns: Value, times: int, carried: list[Value]) -> list[Value]:
    """A loop that repeats the body of another, and counts along; what it gives."""
    graph = old.graph
    (body,) = old.blocks()
    loop = graph.create("prim::Loop", [turns, old.inputsAt(1), *carried], len(carried))
    graph.insertNode(loop).copyMetadata(old)
    inner = loop.addBlock()
    inner.addInputToBlock().setType(IntType.get())
    for value, output in zip(carried, loop.outputs(), strict=True):
        inner.addInputToBlock().setType(value.type())
        output.setType(value.type())
    with graph.insert_point_guard(inner):
        counter, *values = list(inner.inputs())[1:]
        made = _repeat(body, times, counter, values)
    inner.registerOutput(old.inputsAt(1))
    for value in made:
        inner.registerOutput(value)
    return list(loop.outputs())


def _repeat(body: Block, times: int, counter: Value, carried: list[Value]) -> list[Value]:
    """The nodes of a body some times over at the insert point; the counter and the values."""
    graph = body.graph
    for _ in range(times):
        known = dict(zip(body.inputs(), [counter, *carried], strict=True))
        for node in body.nodes():
            copied = graph.insertNode(graph.createClone(node, lambda v: known.get(v, v)))  # noqa: B023
            for mine, theirs in zip(node.outputs(), copied.outputs(), strict=True):
                known[mine] = theirs.copyMetadata(mine)
        carried = [known.get(v, v) for v in list(body.outputs())[1:]]
        counter = _binary(graph, "aten::add", counter, 1)
    return [counter, *carried]
