"""Computing what depends on constants alone, and choosing branches that are known."""

from __future__ import annotations

from collections.abc import Callable

from . import _types as T
from ._dce import dce
from ._effects import EFFECTS, writes
from ._ir import Block, Graph, Node, Value

NOT_COMPUTED = EFFECTS | set(
    "prim::Constant prim::Uninitialized prim::If prim::Loop prim::CreateObject prim::GetAttr "
    "prim::fork prim::Closure prim::Guard aten::_get_tracing_state aten::is_scripting prim::id "
    "aten::is_grad_enabled aten::is_autocast_enabled aten::is_autocast_cpu_enabled "
    "aten::format aten::percentFormat aten::get_autocast_dtype prim::profile prim::tolist "
    "aten::Generator".split()
)


def constant_propagation(graph: Graph) -> bool:
    """Compute what depends on constants alone, in values that nothing writes to."""
    from ._alias import AliasDb

    aliases = AliasDb(graph)
    return _Propagation(lambda v: not aliases.has_writers(v), lambda t: True).run(graph)


def constant_propagation_immutable_types(graph: Graph) -> bool:
    """Compute what depends on constants alone and gives numbers, strings, tuples of them."""
    from ._alias import is_mutable

    return _Propagation(lambda value: True, lambda t: not is_mutable(t)).run(graph)


class _Propagation:
    """Runs what has constant inputs: `readable` values, of types that `keeps` takes."""

    def __init__(self, readable: Callable[[Value], bool], keeps: Callable[[T.Type], bool]) -> None:
        self.readable = readable
        self.keeps = keeps
        self.changed = False

    def run(self, graph: Graph) -> bool:
        """All of a graph; whether anything has changed."""
        self.block(graph.block())
        if self.changed:
            dce(graph)
        return self.changed

    def block(self, block: Block) -> None:
        for node in list(block.nodes()):
            kind = node.kind()
            if kind == "prim::If":
                self._if(node)
            elif kind == "prim::Loop":
                self._loop(node)
            else:
                for inner in node.blocks():
                    self.block(inner)
                if self._computable(node):
                    self.changed = _compute(node) or self.changed

    def _computable(self, node: Node) -> bool:
        from ._schema import draws

        if node.kind() in NOT_COMPUTED or list(node.blocks()) or not node.outputsSize():
            return False
        inputs, outputs = list(node.inputs()), list(node.outputs())
        if not all(v.node().kind() == "prim::Constant" and self.readable(v) for v in inputs):
            return False
        if not all(self.keeps(v.type()) for v in (*inputs, *outputs)):
            return False
        return all(map(self.readable, outputs)) and not draws(node) and not writes(node)

    def _if(self, node: Node) -> None:
        blocks = list(node.blocks())
        condition = node.inputsAt(0)
        if condition.node().kind() == "prim::Constant":
            block = blocks[0] if condition.toIValue() else blocks[1]
            self.block(block)
            self.changed = True
            inline_block(node, block, list(block.outputs()))
            return
        for block in blocks:
            self.block(block)
        for i in reversed(range(node.outputsSize())):
            given = [b.returnNode().inputsAt(i) for b in blocks]
            if given[0] is given[1] or _same_constant(*given):
                if given[0].node().owningBlock() is blocks[0]:
                    given[0].node().moveBefore(node)
                self.changed = True
                node.outputsAt(i).replaceAllUsesWith(given[0])
                for block in blocks:
                    block.returnNode().removeInput(i)
                node.eraseOutput(i)

    def _loop(self, node: Node) -> None:
        (body,) = node.blocks()
        count, start = node.inputsAt(0).toIValue(), node.inputsAt(1)
        never = start.node().kind() == "prim::Constant" and start.toIValue() is False
        if never or (node.inputsAt(0).node().kind() == "prim::Constant" and count <= 0):
            for output, value in zip(node.outputs(), list(node.inputs())[2:], strict=True):
                output.replaceAllUsesWith(value)
            node.destroy()
            self.changed = True
            return
        self.block(body)
        for i in reversed(range(node.outputsSize())):
            carried = body.paramNode().outputsAt(i + 1)
            if body.returnNode().inputsAt(i + 1) is not carried:
                continue
            self.changed = True
            value = node.inputsAt(i + 2)  # it never changes
            carried.replaceAllUsesWith(value)
            node.outputsAt(i).replaceAllUsesWith(value)
            body.returnNode().removeInput(i + 1)
            node.removeInput(i + 2)
            body.paramNode().eraseOutput(i + 1)
            node.eraseOutput(i)


def _compute(node: Node) -> bool:
    """Put constants in the place of a node, where it can be run; whether it was."""
    values = compute(node, [v.toIValue() for v in node.inputs()])
    if values is None:
        return False
    graph = node.graph
    with graph.insert_point_guard(node):
        for output, value in zip(list(node.outputs()), values, strict=True):
            try:
                constant = graph.insertConstant(value, _constant_type(value, output.type()))
            except (TypeError, RuntimeError):  # no constant can hold it
                return False
            if node.kind() == "aten::neg":  # a negative literal of the program
                constant.node().copyMetadata(node)
            output.replaceAllUsesWith(constant)
    node.destroy()
    return True


def _constant_type(value, t: T.Type) -> T.Type | None:
    """The type of a constant, as the node gave it where the value does not say it."""
    if isinstance(t, T.TensorType | T.OptionalType | T.NumberType | T.AnyType):
        return None
    return t


def compute(node: Node, values: list) -> list | None:
    """The outputs of a node for these inputs; None where nothing runs it."""
    from ._schema import run, schema_of

    kind = node.kind()
    if kind == "prim::TupleConstruct":
        return [tuple(values)]
    if kind == "prim::ListConstruct":
        return [values]
    if kind == "prim::DictConstruct":
        return [dict(zip(values[::2], values[1::2], strict=True))]
    if kind in ("prim::TupleUnpack", "prim::ListUnpack"):
        return list(values[0])
    if kind == "prim::TupleSlice":
        return [values[0][node.i("beg") : node.i("end")]]
    schema = schema_of(node)
    if schema is None:
        return None
    try:
        result = run(schema)(*values)
    except Exception:  # it will raise, or not, where and when it runs
        return None
    return [result] if node.outputsSize() == 1 else list(result)


def _same_constant(a: Value, b: Value) -> bool:
    if a.node().kind() != "prim::Constant" or b.node().kind() != "prim::Constant":
        return False
    one, other = a.toIValue(), b.toIValue()
    return a.type() == b.type() and type(one) is type(other) and (
        isinstance(one, bool | int | float | str | None) and one == other
    )  # fmt: skip


def inline_block(node: Node, block: Block, outputs: list[Value]) -> None:
    """Put the nodes of one of a node's blocks in its place."""
    for inner in list(block.nodes()):
        inner.moveBefore(node)
    for mine, theirs in zip(node.outputs(), outputs, strict=True):
        mine.replaceAllUsesWith(theirs)
    node.destroy()
