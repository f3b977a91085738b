"""Constants that the source writes as sums: computed once, branches that they decide taken."""

from __future__ import annotations

from .. import _types as T

_FIXED = (
    T.IntType, T.FloatType, T.BoolType, T.StringType, T.NoneType, T.DeviceObjType, T.ComplexType,
    T.NumberType,
)  # fmt: skip
_LEFT = {"prim::Uninitialized", "prim::Print", "prim::RaiseException", "prim::CreateObject",
         "aten::warn", "prim::CallFunction", "prim::CallMethod", "prim::GetAttr",
         "prim::unchecked_cast", "prim::fork", "prim::SetAttr"}  # fmt: skip


def fold(block) -> None:
    """Replace what has only constants for inputs by its value, where that cannot be changed."""
    for node in list(block.nodes()):
        kind = node.kind()
        if kind == "prim::If":
            _fold_if(node)
        elif kind == "prim::Loop":
            _fold_loop(node)
        elif kind == "prim::Constant" or kind in _LEFT:
            continue
        elif node.blocks_:
            for inner in node.blocks():
                fold(inner)
        else:
            _fold_node(node)


def is_fixed(t: T.Type) -> bool:
    """Whether values of the type cannot be written to."""
    if isinstance(t, T.TupleType | T.UnionType):
        inner = t.containedTypes_full() if isinstance(t, T.UnionType) else t.elements()
        return all(is_fixed(i) for i in inner)
    return isinstance(t, _FIXED)


def _fold_node(node) -> None:
    inputs, outputs = list(node.inputs()), list(node.outputs())
    if not outputs or not inputs:
        return
    if not all(is_fixed(v.type()) for v in (*inputs, *outputs)):
        return
    if any(v.node().kind() != "prim::Constant" for v in inputs):
        return
    found = _computed(node, [v.toIValue() for v in inputs])
    if found is _NOTHING:
        return
    results = found if len(outputs) > 1 else [found]
    graph = node.graph
    for output, result in zip(outputs, results, strict=True):
        with graph.insert_point_guard(node):
            made = graph.insertConstant(result)
        made.node().source = node.source
        output.replaceAllUsesWith(made)
    node.destroy()


_NOTHING = object()


def _computed(node, values: list):
    kind = node.kind()
    if kind == "prim::TupleConstruct":
        return tuple(values) if not node.output().type().fields else _NOTHING  # type: ignore[union-attr]
    if kind in ("prim::TupleUnpack", "prim::TupleIndex"):
        return values[0] if kind == "prim::TupleUnpack" else values[0][values[1]]
    if kind == "aten::format":
        return values[0].format(*values[1:])
    if kind == "aten::percentFormat":
        return values[0] % tuple(values[1:])
    from .._operators import run
    from .._schema import schema_of

    try:
        schema = schema_of(node)
        return _NOTHING if schema is None else run(schema)(*values)
    except Exception:  # it fails when the program runs, and then says why
        return _NOTHING


def _fold_if(node) -> None:
    known = node.inputsAt(0)
    if known.node().kind() == "prim::Constant":
        block = list(node.blocks())[0 if known.toIValue() else 1]
        fold(block)
        for inner in list(block.nodes()):
            inner.moveBefore(node)
        for output, value in zip(node.outputs(), block.outputs(), strict=True):
            output.replaceAllUsesWith(value)
        node.destroy()
        return
    for block in node.blocks():
        fold(block)
    for i in reversed(range(node.outputsSize())):
        ends = [list(b.outputs())[i] for b in node.blocks()]
        if ends[0] is ends[1] or _same_constant(*ends):
            _drop_settled(node, i, ends[0])


def _same_constant(one, other) -> bool:
    nodes = (one.node(), other.node())
    if any(n.kind() != "prim::Constant" for n in nodes):
        return False
    values = [v.toIValue() for v in (one, other)]
    plain = all(isinstance(v, bool | int | float | str | None) for v in values)
    return plain and one.type() == other.type() and values[0] == values[1]


def _drop_settled(node, i: int, value) -> None:
    """An output that both branches agree on is that value."""
    if value.node().owningBlock() in list(node.blocks()):
        value.node().moveBefore(node)
    node.outputsAt(i).replaceAllUsesWith(value)
    for block in node.blocks():
        block.returnNode().removeInput(i)
    node.eraseOutput(i)


def _fold_loop(node) -> None:
    count, condition = node.inputsAt(0), node.inputsAt(1)
    constant = [v.node().kind() == "prim::Constant" for v in (count, condition)]
    never = (constant[0] and count.toIValue() <= 0) or (constant[1] and not condition.toIValue())
    if never:
        for output, start in zip(node.outputs(), list(node.inputs())[2:], strict=True):
            output.replaceAllUsesWith(start)
        node.destroy()
        return
    (body,) = node.blocks()
    fold(body)
    _drop_unchanged(node, body)


def _drop_unchanged(node, body) -> None:
    """A carried variable that no turn changes is not carried."""
    for i in reversed(range(node.outputsSize())):
        inner = list(body.inputs())[i + 1]
        end = list(body.outputs())[i + 1]
        if end is not inner and end is not node.inputsAt(i + 2):
            continue
        start = node.inputsAt(i + 2)
        inner.replaceAllUsesWith(start)
        node.outputsAt(i).replaceAllUsesWith(start)
        body.returnNode().removeInput(i + 1)
        body.paramNode().eraseOutput(i + 1)
        node.removeInput(i + 2)
        node.eraseOutput(i)
