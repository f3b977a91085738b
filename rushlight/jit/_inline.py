"""Putting the graphs of calls in their place, and tuples out of the way."""

from __future__ import annotations

from . import _types as T
from ._ir import Block, Graph, Node, Value


def inline(graph: Graph) -> None:
    """Put the graphs of called functions and methods in the place of the calls."""
    _inline_block(graph.block(), {})


def _inline_block(block: Block, known: dict) -> None:
    """`known` has the graphs of functions that were called before, with their calls inlined."""
    for node in list(block.nodes()):
        for inner in node.blocks():
            _inline_block(inner, known)
        called = callee(node)
        if called is None:
            continue
        inputs = list(node.inputs())
        if node.kind() == "prim::CallFunction":
            inputs = inputs[1:]
        _inline_call(node, _inlined(called, known), inputs)


def callee(node: Node):
    """The function or method that a node calls, if it has a graph; else None."""
    kind = node.kind()
    if kind == "prim::CallFunction":
        constant = node.inputsAt(0)
        called = getattr(constant.type(), "function", None)
    elif kind == "prim::CallMethod":
        t = node.inputsAt(0).type()
        called = t.findMethod(node.s("name")) if isinstance(t, T.ClassType) else None
    else:
        return None
    return called if getattr(called, "graph", None) is not None else None


def _inlined(called, known: dict) -> Graph:
    made = known.get(called)
    if made is None:
        made = known[called] = called.graph.copy()
        _inline_block(made.block(), known)
    return made


def _inline_call(node: Node, target: Graph, inputs: list[Value]) -> None:
    graph = node.graph
    with graph.insert_point_guard(node):
        values = dict(zip(target.inputs(), inputs, strict=True))
        for inner in target.nodes():
            copied = graph.insertNode(graph.createClone(inner, values.__getitem__))
            for mine, theirs in zip(inner.outputs(), copied.outputs(), strict=True):
                theirs.copyMetadata(mine)
                values[mine] = theirs
    for mine, theirs in zip(node.outputs(), target.outputs(), strict=True):
        new = values[theirs]
        mine.replaceAllUsesWith(new)
    node.destroy()


def lower_simple_tuples(graph: Graph) -> None:
    """A tuple that is taken apart right after it is made gives its parts."""
    for node in list(graph.all_nodes()):
        if node.kind() not in ("prim::TupleUnpack", "prim::TupleIndex"):
            continue
        made = node.inputsAt(0).node()
        if made.kind() != "prim::TupleConstruct":
            continue
        parts = list(made.inputs())
        if node.kind() == "prim::TupleIndex":
            index = node.inputsAt(1).toIValue()
            if not isinstance(index, int):
                continue
            parts = [parts[index]]
        for output, part in zip(list(node.outputs()), parts, strict=True):
            output.replaceAllUsesWith(part)
        node.destroy()
