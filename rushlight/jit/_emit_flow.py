"""Control flow in TorchScript source: branches, loops, with-statements, forked functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._emit_kinds import wants_annotation

if TYPE_CHECKING:
    from ._emit import Writer

_FOREVER = 9223372036854775807


def if_(writer: Writer, node) -> None:
    condition = writer.use(writer.inputs(node)[0])
    names = [writer.name(v) for v in node.outputs()]
    first, second = node.blocks()
    writer.line(f"if {condition}:")
    _branch(writer, first, names, node)
    writer.line("else:")
    _branch(writer, second, names, node)


def _branch(writer: Writer, block, names, node) -> None:
    writer.level += 1
    start = len(writer.lines)
    writer.block(block)
    types = [v.type() for v in node.outputs()]
    writer.assign(names, writer.inputs(block.returnNode()), types)
    if len(writer.lines) == start:
        writer.line("pass")
    writer.level -= 1


def loop_(writer: Writer, node) -> None:
    trips, condition, *carried = list(node.inputs())
    body = next(iter(node.blocks()))
    counter, *inner = list(body.inputs())
    going, *results = list(body.outputs())
    counted = _is_constant(condition, True) and _is_constant(going, True)
    if not counted and not _is_constant(trips, _FOREVER):
        raise RuntimeError(
            "a loop with both a number of turns and a condition has no TorchScript source"
        )
    names = []
    for start, inside, out in zip(carried, inner, node.outputs(), strict=True):
        text = writer.use(start)
        names.append(writer.name(out))
        writer.text[inside.unique()] = names[-1]
        wanted = wants_annotation(start.type(), out.type())
        writer.line(f"{names[-1]}{' : ' + writer.type(out.type()) if wanted else ''} = {text}")
    if counted:
        text = writer.use(trips)
        writer.line(f"for {writer.name(counter)} in range({text}):")
        targets, values = names, results
    else:
        text = writer.use(condition)
        test = writer.names.temporary()
        writer.line(f"{test} = {text}")
        writer.line(f"while {test}:")
        targets, values = [test, *names], [going, *results]
    writer.level += 1
    start = len(writer.lines)
    writer.block(body)
    writer.inputs(body.returnNode())
    types = [v.type() for v in ([going] if not counted else []) + list(node.outputs())]
    writer.assign(targets, values, types)
    if len(writer.lines) == start:
        writer.line("pass")
    writer.level -= 1


def with_(writer: Writer, node) -> None:
    """A with-statement stands between prim::Enter and prim::Exit of one object."""
    if node.kind() == "prim::Exit":
        writer.level -= 1
        return
    context = writer.use(writer.inputs(node)[0])
    output = node.output()
    bound = f" as {writer.name(output)}" if list(output.uses()) else ""
    writer.line(f"with {context}{bound}:")
    writer.level += 1


def fork_(writer: Writer, node) -> None:
    """What is forked is a function of its own, over variables of this one."""
    graph = node.g("Subgraph")
    for value, given in zip(graph.inputs(), writer.inputs(node), strict=True):
        if given.unique() in writer.inlined:
            writer.settle(given)
        writer.text[id(value)] = writer.use(given)
    outer, writer.text = writer.text, _Inner(writer.text, graph)
    inlined, writer.inlined = writer.inlined, set()
    writer.line("def __forked_function():")
    writer.level += 1
    writer.scan(graph.block())
    writer.long_constants(graph.block())
    writer.block(graph.block())
    writer.inputs(graph.return_node())
    writer.line("return " + ", ".join(writer.use(v) for v in graph.outputs()))
    writer.level -= 1
    writer.text, writer.inlined = outer, inlined
    writer.line(f"{writer.name(node.output())} = fork(__forked_function)")


class _Inner(dict):
    """Texts of the values of an inner graph; numbers of values are a graph's own."""

    def __init__(self, outer: dict, graph) -> None:
        super().__init__({v.unique(): outer.pop(id(v)) for v in graph.inputs()})


def _is_constant(value, item) -> bool:
    if value.node().kind() != "prim::Constant":
        return False
    found = value.toIValue()
    return type(found) is type(item) and found == item


STATEMENTS = {
    "prim::If": if_, "prim::Loop": loop_, "prim::Enter": with_, "prim::Exit": with_,
    "prim::fork": fork_,
}  # fmt: skip
