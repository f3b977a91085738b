"""What a fresh graph goes through: simple tuples, constants, loops and outputs in normal form."""

from __future__ import annotations

from .. import _types as T
from .._dce import dce
from .._propagation import constant_propagation_immutable_types

_MAX_INT = 2**63 - 1


def tidy(graph) -> None:
    """Bring a graph, just made, into the form in which programs keep it."""
    dce(graph)
    loops_to_while(graph)
    dce(graph)
    simple_tuples(graph.block())
    dce(graph)
    constant_propagation_immutable_types(graph)
    pool_constants(graph)
    dce(graph)
    order_outputs(graph.block())
    for i, node in enumerate(graph.findAllNodes("aten::warn")):
        node.i_("warn_id", i)


def pool_constants(graph) -> None:
    """Every constant stands once, at the start of the graph."""
    known: dict = {}
    for node in list(graph.all_nodes()):
        if node.kind() != "prim::Constant":
            continue
        first = next(iter(graph.nodes()))
        if node is not first:
            node.moveBefore(first)
        key = _key(node)
        if key is None:
            continue
        kept = known.setdefault(key, node)
        if kept is not node:
            node.output().replaceAllUsesWith(kept.output())
            node.destroy()


def _key(node):
    t = node.output().type()
    if isinstance(t, T.NoneType):
        return ("NoneType",)
    if node.hasAttribute("value"):
        kind, value = node.attributes["value"]
        if kind == "t" or isinstance(value, list):
            return (kind, id(value))
        return kind, str(t), repr(value)
    attributes = [(n, node.attributes[n]) for n in node.attributeNames()]
    return repr(attributes), str(t), id(getattr(t, "function", None))


def simple_tuples(block) -> None:
    """A tuple that is taken apart again gives its parts at once."""
    for node in list(block.nodes()):
        for inner in node.blocks():
            simple_tuples(inner)
        kind = node.kind()
        if kind not in ("prim::TupleUnpack", "prim::TupleIndex", "prim::TupleSlice"):
            continue
        made = node.inputsAt(0).node()
        if made.kind() != "prim::TupleConstruct":
            continue
        parts = list(made.inputs())
        if kind == "prim::TupleUnpack":
            for output, part in zip(node.outputs(), parts, strict=True):
                _put(output, part)
        elif kind == "prim::TupleIndex":
            index = node.inputsAt(1).toIValue()
            if index is None:
                index = _negated(node.inputsAt(1))
            if index is None:
                continue
            _put(node.output(), parts[index])
        else:
            node.graph.setInsertPoint(node)
            sliced = node.graph.create(
                "prim::TupleConstruct", parts[node.i("beg") : node.i("end")], 1
            )
            sliced.output().setType(node.output().type())
            node.graph.insertNode(sliced)
            _put(node.output(), sliced.output())
        node.destroy()


def _negated(value):
    node = value.node()
    if node.kind() == "aten::neg" and node.input().toIValue() is not None:
        return -node.input().toIValue()
    return None


def _put(old, new) -> None:
    name = old.debugName() if old._name else ""
    old.replaceAllUsesWith(new)
    if name and not new._name:
        new.setDebugName(name.partition(".")[0])


# -- loops -----------------------------------------------------------------------------------


def loops_to_while(graph) -> None:
    """A loop with both a count and a condition counts by itself, as a while loop."""
    for node in graph.findAllNodes("prim::Loop"):
        limit = node.inputsAt(0)
        (body,) = node.blocks()
        again = next(iter(body.outputs()))
        if limit.toIValue() == _MAX_INT or again.toIValue() is True:
            continue
        _count(graph, node, body, limit, again)


def _count(graph, node, body, limit, again) -> None:
    def op(kind: str, inputs, t: T.Type):
        made = graph.insertNode(graph.create(kind, inputs, 1))
        return made.output().setType(t)

    whole, truth = T.IntType.get(), T.BoolType.get()
    graph.setInsertPoint(node)
    zero = graph.insertConstant(0)
    start = op("aten::gt", [limit, zero], truth)
    if node.inputsAt(1).toIValue() is not True:
        start = op("aten::__and__", [start, node.inputsAt(1)], truth)
    node.replaceInput(1, start)
    node.replaceInput(0, graph.insertConstant(_MAX_INT))
    node.addInput(zero)
    index = next(iter(body.inputs()))
    turn = body.addInputToBlock().setType(whole)
    index.replaceAllUsesWith(turn)
    graph.setInsertPoint(body)
    following = op("aten::add", [turn, graph.insertConstant(1)], whole)
    more = op("aten::lt", [following, limit], truth)
    body.returnNode().replaceInput(0, op("aten::__and__", [more, again], truth))
    body.registerOutput(following)
    node.addOutput().setType(whole)
    graph.setInsertPoint(graph.block())


# -- the order of outputs --------------------------------------------------------------------


def order_outputs(block) -> None:
    """The outputs of ifs and loops in the order in which they are first used."""
    for node in block.nodes():
        if node.kind() in ("prim::If", "prim::Loop"):
            _order(node)
            for inner in node.blocks():
                order_outputs(inner)


def _order(node) -> None:
    outputs = list(node.outputs())
    if len(outputs) < 2:
        return
    place = {o.offset(): i for i, o in enumerate(sorted(outputs, key=_first_use))}
    order = sorted(range(len(outputs)), key=place.__getitem__)
    if order == list(range(len(outputs))):
        return
    _permute(node._outputs, order)
    if node.kind() == "prim::If":
        for inner in node.blocks():
            _permute_inputs(inner.returnNode(), order, 0)
        return
    (body,) = node.blocks()
    _permute_inputs(node, order, 2)
    _permute_inputs(body.returnNode(), order, 1)
    _permute(body.paramNode()._outputs, [0, *(i + 1 for i in order)])


class _ByPlace:
    """Orders values by the place of their first use; those without come last."""

    def __init__(self, value) -> None:
        uses = value.uses()
        self.first = None
        for use in uses:
            if self.first is None or self.first.isAfter(use):
                self.first = use
        self.offset = value.offset()

    def __lt__(self, other: _ByPlace) -> bool:
        if self.first is None or other.first is None:
            return self.first is not None
        return other.first.isAfter(self.first)


def _first_use(value) -> _ByPlace:
    return _ByPlace(value)


def _permute(values: list, order: list[int]) -> None:
    values[:] = [values[i] for i in order]
    for i, value in enumerate(values):
        value._offset = i


def _permute_inputs(node, order: list[int], skip: int) -> None:
    inputs = list(node.inputs())[skip:]
    for i, source in enumerate(order):
        node.replaceInput(skip + i, inputs[source])
