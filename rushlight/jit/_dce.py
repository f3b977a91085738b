"""Taking out what nobody uses."""

from __future__ import annotations

from ._effects import EFFECTS, writes
from ._ir import Block, Graph, Node, Value


def dce(graph: Graph | Block) -> None:
    """Take out what has no effect on the outputs: mark what is used, drop the rest."""
    block = graph if isinstance(graph, Block) else graph.block()
    _Sweep(block).run()


def _may_not_end(node: Node) -> bool:
    """Whether a node is a loop that no number of turns ends."""
    return node.kind() == "prim::Loop" and node.inputsAt(0).toIValue() == 2**63 - 1


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
            if node.kind() in EFFECTS or _may_not_end(node):
                self._node(node)
            elif writes(node):
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
            self._loop(node)
        else:
            for value in [*node.inputs(), *(o for b in node.blocks() for o in b.outputs())]:
                self._value(value)
            for block in node.blocks():
                for inner in block.nodes():
                    if inner.kind() in EFFECTS:
                        self._node(inner)
        outer = node.owningBlock()
        if outer is not None and outer is not self.block and outer.owning is not None:
            self._node(outer.owning)

    def _loop(self, node: Node) -> None:
        """What a loop carries stays if it is used anywhere, be it to compute itself."""
        (body,) = node.blocks()
        self._value(body.returnNode().inputsAt(0))
        carried = list(body.inputs())[1:]
        for i, (output, value) in enumerate(zip(node.outputs(), carried, strict=True)):
            if output.hasUses() or value.hasUses():
                self._carried(node, i)

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
