"""Taking out of a graph what nothing needs: nodes, and outputs of ifs and loops."""

from __future__ import annotations

_KEPT = {
    "prim::Print", "prim::RaiseException", "prim::SetAttr", "prim::CallMethod",
    "prim::CallFunction", "prim::Enter", "prim::Exit", "prim::fork", "prim::Store", "prim::With",
    "prim::ReturnStmt", "prim::LoopExit", "aten::warn", "aten::wait", "aten::backward",
    "aten::manual_seed", "aten::save", "prim::rpc_async", "prim::PythonOp", "prim::Return",
    "prim::AddStatValue", "prim::TimePoint", "aten::set_grad_enabled", "aten::Delete",
    "prim::Load", "prim::awaitable", "prim::AutogradZero", "aten::_assert",
}  # fmt: skip


def eliminate_dead_code(graph) -> None:
    """Keep what the outputs need and what has effects of its own."""
    marked = _Marked()
    marked.block(graph.block())
    marked.all()
    _sweep(graph.block(), marked)


def has_effects(node) -> bool:
    """Whether a node does something besides giving its outputs."""
    kind = node.kind()
    if kind == "prim::Loop":  # one that is not counted may never end
        return node.inputsAt(0).toIValue() == _FOREVER
    if kind in _KEPT or not kind.startswith(("aten::", "prim::")):
        return True
    if kind.startswith("prim::"):
        return False
    return kind.endswith("_") and not kind.endswith("__") or _writes(node)


def _fills_own(node) -> bool:
    """Whether a node only writes to a list or dict that the graph has made."""
    inputs = list(node.inputs())
    made = inputs[0].node().kind() if inputs else ""
    return made in ("prim::ListConstruct", "prim::DictConstruct") and not node.hasUses()


_FOREVER = 2**63 - 1
_MUTABLE = {
    "append", "extend", "insert", "pop", "popitem", "remove", "clear", "reverse", "sort", "_set_item",
    "update", "setdefault", "index_put_", "copy_",
}  # fmt: skip


def _writes(node) -> bool:
    leaf = node.kind()[6:]
    if leaf in _MUTABLE:
        return True
    if leaf in ("batch_norm", "instance_norm"):
        return False
    from ._schema import schemas_of

    if not any(s.is_mutable for s in schemas_of(node.kind())):
        return False
    from ._schema import schema_of

    found = schema_of(node)
    return found is not None and found.is_mutable


class _Marked:
    """The values and nodes that are needed."""

    def __init__(self) -> None:
        self.values: set = set()
        self.nodes: set = set()
        self.waiting: list = []
        self.writes: list = []  # to containers that are made here: needed if those are

    def all(self) -> None:
        """Follow everything that is needed."""
        while self.waiting:
            while self.waiting:
                self.value(self.waiting.pop())
            for node in self.writes:
                if node.inputsAt(0) in self.values:
                    self.node(node)

    def need(self, value) -> None:
        """A value is needed."""
        if value not in self.values:
            self.values.add(value)
            self.waiting.append(value)

    def node(self, node) -> None:
        """A node is needed, with what it reads and what it stands in."""
        if node in self.nodes:
            return
        self.nodes.add(node)
        kind = node.kind()
        if kind == "prim::If":
            self.need(node.inputsAt(0))
        elif kind == "prim::Loop":
            self.need(node.inputsAt(0))
            self.need(node.inputsAt(1))
            (body,) = node.blocks()
            self.need(next(iter(body.outputs())))
        else:
            for value in node.inputs():
                self.need(value)
            for block in node.blocks():
                for value in block.outputs():
                    self.need(value)
        owner = node.owningBlock().owningNode() if node.owningBlock() is not None else None
        if owner is not None:
            self.node(owner)

    def value(self, value) -> None:
        """What a needed value comes from."""
        node, offset = value.node(), value.offset()
        kind = node.kind()
        if kind == "prim::Param":
            owner = node.owningBlock().owningNode()
            if owner is not None:
                self.node(owner)
                if owner.kind() == "prim::Loop" and offset > 0:
                    self.carried(owner, offset - 1)
            return
        self.node(node)
        if kind == "prim::If":
            for block in node.blocks():
                self.need(list(block.outputs())[offset])
        elif kind == "prim::Loop":
            self.carried(node, offset)

    def carried(self, loop, offset: int) -> None:
        """A variable that a loop carries."""
        self.need(loop.inputsAt(2 + offset))
        (body,) = loop.blocks()
        self.need(list(body.outputs())[1 + offset])
        self.need(list(body.inputs())[1 + offset])

    def block(self, block) -> None:
        """What a block needs: effects anywhere within, and the graph's own outputs."""
        if block.owningNode() is None:
            for value in block.outputs():
                self.need(value)
        for node in block.nodes():
            for inner in node.blocks():
                self.block(inner)
            if not has_effects(node):
                continue
            if _fills_own(node):
                self.writes.append(node)
            else:
                self.node(node)


def _sweep(block, marked: _Marked) -> None:
    for node in reversed(list(block.nodes())):
        if node not in marked.nodes:
            node.destroy()
            continue
        _drop_outputs(node, marked)
        for inner in node.blocks():
            _sweep(inner, marked)


def _drop_outputs(node, marked: _Marked) -> None:
    kind = node.kind()
    if kind not in ("prim::If", "prim::Loop"):
        return
    for i in reversed(range(node.outputsSize())):
        output = node.outputsAt(i)
        if kind == "prim::If":
            if output not in marked.values:
                for inner in node.blocks():
                    inner.returnNode().removeInput(i)
                node.eraseOutput(i)
            continue
        (body,) = node.blocks()
        carried = list(body.inputs())[i + 1]
        if output not in marked.values and carried not in marked.values:
            body.returnNode().removeInput(i + 1)
            # Uses within the body are in nodes that go too, or there are none.
            for inner in reversed(list(body.nodes())):
                if inner not in marked.nodes:
                    inner.destroy()
            body.paramNode().eraseOutput(i + 1)
            node.removeInput(i + 2)
            node.eraseOutput(i)
