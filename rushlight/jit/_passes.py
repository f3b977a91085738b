"""Passes over graphs: unused nodes go, constants are computed, calls are inlined, and so on."""

from __future__ import annotations

from . import _types as T
from ._ir import Block, Graph, Node, Value

__all__ = [
    "constant_propagation",
    "constant_propagation_immutable_types",
    "cse",
    "dce",
    "has_side_effects",
    "inline",
    "lower_simple_tuples",
    "peephole",
]

_EFFECTS = set(
    "prim::PythonOp prim::IgnoredPythonOp prim::Print prim::RaiseException prim::SetAttr "
    "aten::warn aten::save aten::manual_seed prim::AddStatValue prim::TimePoint prim::CallFunction "
    "prim::CallMethod prim::BailoutTemplate prim::BailOut prim::rpc_async prim::rpc_sync "
    "prim::rpc_remote prim::Enter prim::Exit aten::wait prim::forkClosure aten::set_grad_enabled "
    "aten::_print aten::backward prim::BreakStmt prim::ContinueStmt prim::ReturnStmt".split()
)


def has_side_effects(node: Node) -> bool:
    """Whether a node does more than give its outputs, writing to its inputs aside."""
    if node.kind() in _EFFECTS:
        return True
    return any(has_side_effects(n) for b in node.blocks() for n in b.nodes())


# -- what nobody uses ------------------------------------------------------------------------


def dce(graph: Graph | Block) -> None:
    """Take out what has no effect on the outputs."""
    block = graph if isinstance(graph, Block) else graph.block()
    _Sweep(block).run()


class _Sweep:
    """Marks what is used, from the outputs back; the rest goes."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.nodes: set[Node] = set()
        self.values: set[Value] = set()
        self.left: list[Value] = []

    def run(self) -> None:
        for value in self.block.outputs():
            self._value(value)
        writers = []
        for node in self.block.all_nodes():
            if node.kind() in _EFFECTS:
                self._node(node)
            elif _writes(node):
                writers.append(node)
        self._follow()
        if writers:
            self._writers(writers)
        self._sweep(self.block)

    def _writers(self, writers: list[Node]) -> None:
        """Keep what writes to anything that is used, or that is seen from outside."""
        from ._alias import AliasDb

        aliases = AliasDb(self.block.graph)
        changed = True
        while changed:
            changed = False
            for node in writers:
                if node not in self.nodes and aliases.writes_to(node, self.values):
                    self._node(node)
                    self._follow()
                    changed = True

    def _value(self, value: Value) -> None:
        if value not in self.values:
            self.values.add(value)
            self.left.append(value)

    def _node(self, node: Node) -> None:
        """The node runs: its inputs are used, and so is what decides about its block."""
        if node in self.nodes:
            return
        self.nodes.add(node)
        kind = node.kind()
        if kind == "prim::If":
            self._value(node.inputsAt(0))
        elif kind == "prim::Loop":
            self._value(node.inputsAt(0))
            self._value(node.inputsAt(1))
            for block in node.blocks():
                self._value(block.returnNode().inputsAt(0))
        else:
            for value in [*node.inputs(), *(o for b in node.blocks() for o in b.outputs())]:
                self._value(value)
            for block in node.blocks():
                for inner in block.nodes():
                    if inner.kind() in _EFFECTS:
                        self._node(inner)
        outer = node.owningBlock()
        if outer is not None and outer is not self.block and outer.owning is not None:
            self._node(outer.owning)

    def _follow(self) -> None:
        while self.left:
            value = self.left.pop()
            node, i = value.node(), value.offset()
            kind = node.kind()
            if kind == "prim::Param":
                self._block_input(node, i)
                continue
            self._node(node)
            if kind == "prim::If":
                for block in node.blocks():
                    self._value(block.returnNode().inputsAt(i))
            elif kind == "prim::Loop":
                self._carried(node, i)

    def _block_input(self, param: Node, i: int) -> None:
        block = param.owningBlock()
        owner = block.owning if block is not self.block else None
        if owner is None:
            return
        self._node(owner)
        if owner.kind() == "prim::Loop" and i > 0:
            self._carried(owner, i - 1)

    def _carried(self, loop: Node, i: int) -> None:
        self._value(loop.inputsAt(i + 2))
        for block in loop.blocks():
            self._value(block.paramNode().outputsAt(i + 1))
            self._value(block.returnNode().inputsAt(i + 1))

    def _sweep(self, block: Block) -> None:
        for node in reversed(list(block.nodes())):
            if node not in self.nodes:
                _drop(node)
                continue
            if node.kind() in ("prim::If", "prim::Loop"):
                self._narrow(node)
            for inner in node.blocks():
                self._sweep(inner)

    def _narrow(self, node: Node) -> None:
        """Take away the outputs of an If or a Loop that nobody uses."""
        loop = node.kind() == "prim::Loop"
        for i in reversed(range(node.outputsSize())):
            output = node.outputsAt(i)
            used = output in self.values
            if loop:
                (body,) = node.blocks()
                used = used or body.paramNode().outputsAt(i + 1) in self.values
            if used or output.hasUses():
                continue
            for block in node.blocks():
                block.returnNode().removeInput(i + 1 if loop else i)
            if loop:
                node.removeInput(i + 2)
                self._drop_carried(node, i)
            node.eraseOutput(i)

    def _drop_carried(self, loop: Node, i: int) -> None:
        (body,) = loop.blocks()
        param = body.paramNode()
        value = param.outputsAt(i + 1)
        for use in value.uses():  # only by what goes too
            _drop_with_users(use.user)
        param.eraseOutput(i + 1)


def _drop(node: Node) -> None:
    for output in node.outputs():
        for use in output.uses():
            _drop_with_users(use.user)
    node.destroy()


def _drop_with_users(node: Node) -> None:
    if node.owningBlock() is None or node.kind() == "prim::Return":
        return
    _drop(node)


def _writes(node: Node) -> bool:
    from ._schema import schema_of, schemas_of

    return any(s.is_mutable for s in schemas_of(node.kind())) and bool(
        (schema := schema_of(node)) is None or schema.is_mutable
    )


# -- constants -------------------------------------------------------------------------------

_NOT_COMPUTED = _EFFECTS | set(
    "prim::Constant prim::Uninitialized prim::If prim::Loop prim::CreateObject prim::GetAttr "
    "prim::fork prim::Closure prim::Guard aten::_get_tracing_state aten::is_scripting prim::id "
    "aten::is_grad_enabled aten::is_autocast_enabled aten::is_autocast_cpu_enabled "
    "aten::get_autocast_dtype prim::profile prim::tolist aten::Generator".split()
)


def constant_propagation(graph: Graph) -> None:
    """Compute what depends on constants alone, in values that nothing writes to."""
    from ._alias import AliasDb

    aliases = AliasDb(graph)
    _propagate(graph.block(), lambda value: not aliases.has_writers(value), lambda t: True)
    dce(graph)


def constant_propagation_immutable_types(graph: Graph) -> None:
    """Compute what depends on constants alone and gives numbers, strings, tuples of them."""
    from ._alias import is_mutable

    _propagate(graph.block(), lambda value: True, lambda t: not is_mutable(t))
    dce(graph)


def _propagate(block: Block, readable, keeps) -> None:
    for node in list(block.nodes()):
        if node.owningBlock() is None:
            continue
        kind = node.kind()
        if kind == "prim::If":
            _propagate_if(node, readable, keeps)
            continue
        if kind == "prim::Loop":
            _propagate_loop(node, readable, keeps)
            continue
        for inner in node.blocks():
            _propagate(inner, readable, keeps)
        if _computable(node, readable, keeps):
            _compute(node)


def _computable(node: Node, readable, keeps) -> bool:
    from ._schema import draws

    if node.kind() in _NOT_COMPUTED or list(node.blocks()) or not node.outputsSize():
        return False
    inputs, outputs = list(node.inputs()), list(node.outputs())
    if not all(v.node().kind() == "prim::Constant" and readable(v) for v in inputs):
        return False
    if not all(keeps(v.type()) for v in (*inputs, *outputs)) or not all(map(readable, outputs)):
        return False
    return not draws(node) and not _writes(node)


def _compute(node: Node) -> None:
    """Put constants in the place of a node; leave it where running it fails."""
    values = compute(node, [v.toIValue() for v in node.inputs()])
    if values is None:
        return
    graph = node.graph
    with graph.insert_point_guard(node):
        for output, value in zip(list(node.outputs()), values, strict=True):
            try:
                constant = graph.insertConstant(value, _constant_type(value, output.type()))
            except (TypeError, RuntimeError):
                return
            constant.node().copyMetadata(node) if node.kind() == "aten::neg" else None
            output.replaceAllUsesWith(constant)
    node.destroy()


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


def _propagate_if(node: Node, readable, keeps) -> None:
    blocks = list(node.blocks())
    condition = node.inputsAt(0)
    if condition.node().kind() == "prim::Constant":
        block = blocks[0] if condition.toIValue() else blocks[1]
        _propagate(block, readable, keeps)
        inline_block(node, block, list(block.outputs()))
        return
    for block in blocks:
        _propagate(block, readable, keeps)
    for i in reversed(range(node.outputsSize())):
        given = [b.returnNode().inputsAt(i) for b in blocks]
        if given[0] is given[1] or _same_constant(*given):
            if given[0].node().owningBlock() is blocks[0]:
                given[0].node().moveBefore(node)
            node.outputsAt(i).replaceAllUsesWith(given[0])
            for block in blocks:
                block.returnNode().removeInput(i)
            node.eraseOutput(i)


def _same_constant(a: Value, b: Value) -> bool:
    if a.node().kind() != "prim::Constant" or b.node().kind() != "prim::Constant":
        return False
    one, other = a.toIValue(), b.toIValue()
    return a.type() == b.type() and type(one) is type(other) and (
        isinstance(one, bool | int | float | str | None) and one == other
    )  # fmt: skip


def _propagate_loop(node: Node, readable, keeps) -> None:
    (body,) = node.blocks()
    count, start = node.inputsAt(0).toIValue(), node.inputsAt(1)
    never = start.node().kind() == "prim::Constant" and start.toIValue() is False
    if never or (node.inputsAt(0).node().kind() == "prim::Constant" and count <= 0):
        for output, value in zip(node.outputs(), list(node.inputs())[2:], strict=True):
            output.replaceAllUsesWith(value)
        node.destroy()
        return
    _propagate(body, readable, keeps)
    for i in reversed(range(node.outputsSize())):
        carried = body.paramNode().outputsAt(i + 1)
        if body.returnNode().inputsAt(i + 1) is not carried:
            continue
        value = node.inputsAt(i + 2)  # it never changes
        carried.replaceAllUsesWith(value)
        node.outputsAt(i).replaceAllUsesWith(value)
        body.returnNode().removeInput(i + 1)
        node.removeInput(i + 2)
        body.paramNode().eraseOutput(i + 1)
        node.eraseOutput(i)


def inline_block(node: Node, block: Block, outputs: list[Value]) -> None:
    """Put the nodes of one of a node's blocks in its place."""
    for inner in list(block.nodes()):
        inner.moveBefore(node)
    for mine, theirs in zip(node.outputs(), outputs, strict=True):
        mine.replaceAllUsesWith(theirs)
    node.destroy()


# -- the same twice --------------------------------------------------------------------------


def cse(graph: Graph) -> None:
    """Compute once what is computed twice of the same values, where nothing writes to them."""
    from ._alias import AliasDb

    _common(graph.block(), {}, AliasDb(graph))


def _common(block: Block, outer: dict, aliases) -> None:
    known = dict(outer)
    for node in list(block.nodes()):
        for inner in node.blocks():
            _common(inner, known, aliases)
        if not _repeatable(node, aliases):
            continue
        key = node_key(node)
        if key is None:
            continue
        first = known.setdefault(key, node)
        if first is not node:
            node.replaceAllUsesWith(first)
            node.destroy()


def _repeatable(node: Node, aliases) -> bool:
    from ._schema import draws

    if node.kind() in _NOT_COMPUTED - {"prim::Constant", "prim::GetAttr"} or list(node.blocks()):
        return False
    if not node.outputsSize() or draws(node) or _writes(node):
        return False
    values = (*node.inputs(), *node.outputs())
    return not any(aliases.has_writers(v) for v in values) and (
        node.kind() not in ("prim::ListConstruct", "prim::DictConstruct")
        or not any(aliases.has_writers(v) for v in node.outputs())
    )


def node_key(node: Node):
    """What two nodes that do the same share; None where that cannot be told."""
    attributes = []
    for name, (kind, value) in sorted(node.attributes.items()):
        if kind in ("t", "ts", "g", "gs") or not isinstance(value, bool | int | float | str | list):
            attributes.append((name, id(value)))
        else:
            attributes.append((name, repr(value)))
    types = tuple(str(v.type()) for v in node.outputs())
    return node.kind(), tuple(id(v) for v in node.inputs()), tuple(attributes), types


# -- calls and tuples ------------------------------------------------------------------------


def inline(graph: Graph) -> None:
    """Put the graphs of called functions and methods in the place of the calls."""
    _inline_block(graph.block())


def _inline_block(block: Block) -> None:
    for node in list(block.nodes()):
        for inner in node.blocks():
            _inline_block(inner)
        called = callee(node)
        if called is None:
            continue
        inputs = list(node.inputs())
        if node.kind() == "prim::CallFunction":
            inputs = inputs[1:]
        _inline_call(node, called, inputs)


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


def _inline_call(node: Node, called, inputs: list[Value]) -> None:
    graph, target = node.graph, called.graph.copy()
    inline(target)
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


def peephole(graph: Graph) -> None:
    """Simplify what is known without running: sizes of shaped tensors, `is None`, double steps."""
    for node in list(graph.all_nodes()):
        if node.owningBlock() is None:
            continue
        found = _simpler(node)
        if found is not None:
            node.output().replaceAllUsesWith(found)
            if not node.hasUses():
                node.destroy()


def _simpler(node: Node) -> Value | None:
    kind, graph = node.kind(), node.graph
    if kind in ("aten::__is__", "aten::__isnot__"):
        known = _is_none(node.inputsAt(0)), _is_none(node.inputsAt(1))
        if True in known and None not in known:
            with graph.insert_point_guard(node):
                return graph.insertConstant((known[0] == known[1]) == (kind == "aten::__is__"))
        return None
    if kind == "prim::unchecked_unwrap_optional" or kind == "aten::_unwrap_optional":
        value = node.inputsAt(0)
        return value if _is_none(value) is False else None
    if kind in ("aten::Float", "aten::Int", "aten::FloatImplicit", "aten::IntImplicit"):
        made = node.inputsAt(0).node()
        if made.kind() == "prim::NumToTensor" and made.inputsAt(0).type() == node.output().type():
            return made.inputsAt(0)
    if kind == "aten::size" and node.inputsSize() == 1:
        t = node.inputsAt(0).type()
        sizes = t.sizes() if isinstance(t, T.TensorType) else None
        if sizes is not None:
            with graph.insert_point_guard(node):
                return graph.insertConstant(sizes, T.ListType.ofInts())
    if kind == "aten::dim":
        t = node.inputsAt(0).type()
        rank = t.dim() if isinstance(t, T.TensorType) else None
        if rank is not None:
            with graph.insert_point_guard(node):
                return graph.insertConstant(rank)
    return None


def _is_none(value: Value) -> bool | None:
    t = value.type()
    if isinstance(t, T.NoneType):
        return True
    return None if isinstance(t, T.UnionType | T.AnyType | T.VarType) else False
