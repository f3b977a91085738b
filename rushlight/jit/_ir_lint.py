"""Whether a graph holds together: what passes and hand-made graphs may have broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._ir import Block, Graph
    from ._ir_node import Node
    from ._ir_value import Value


def lint(graph: Graph) -> None:
    """Check uses, owners and order; RuntimeError says what is wrong and where."""
    _Linter(graph).block(graph.block(), set())


class _Linter:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def block(self, block: Block, outer: set[Value]) -> None:
        """A block whose nodes see the values of `outer`."""
        if block.graph is not self.graph:
            raise RuntimeError("lint: a block belongs to another graph")
        seen = set(outer)
        self._outputs(block.paramNode(), seen)
        for node in block.nodes():
            self._node(node, block, seen)
        self._inputs(block.returnNode(), seen)

    def _node(self, node: Node, block: Block, seen: set[Value]) -> None:
        if node.block is not block or node.graph is not self.graph:
            raise RuntimeError(f"lint: a node stands in a block that it does not know: {node}")
        if node.prev().next() is not node or node.next().prev() is not node:
            raise RuntimeError(f"lint: the neighbours of a node do not know it: {node}")
        self._inputs(node, seen)
        for inner in node.blocks():
            if inner.owningNode() is not node:
                raise RuntimeError(f"lint: a block does not know the node that has it: {node}")
            self.block(inner, seen)
        self._outputs(node, seen)
        self._shape(node)

    def _inputs(self, node: Node, seen: set[Value]) -> None:
        for i, value in enumerate(node.inputs()):
            if value not in seen:
                raise RuntimeError(
                    f"lint: %{value.debugName()} is used before it is there, by {node}"
                )
            if not any(u.user is node and u.offset == i for u in value.uses()):
                raise RuntimeError(f"lint: %{value.debugName()} does not know its use in {node}")

    def _outputs(self, node: Node, seen: set[Value]) -> None:
        for i, value in enumerate(node.outputs()):
            if value.node() is not node or value.offset() != i:
                raise RuntimeError(f"lint: an output does not know its node: {node}")
            for use in value.uses():
                if use.user.inputsAt(use.offset) is not value:
                    raise RuntimeError(f"lint: %{value.debugName()} is not used where it says")
            seen.add(value)

    def _shape(self, node: Node) -> None:
        kind, blocks = node.kind(), list(node.blocks())
        if kind == "prim::Return" or kind == "prim::Param":
            raise RuntimeError(f"lint: {kind} stands among the nodes of a block")
        if kind == "prim::Constant" and node.inputsSize():
            raise RuntimeError(f"lint: a constant has inputs: {node}")
        if kind == "prim::If" and blocks:
            counts = [len(list(b.outputs())) for b in blocks]
            if len(blocks) != 2 or counts != [node.outputsSize()] * 2:
                raise RuntimeError(f"lint: the blocks of an If do not give its outputs: {node}")
        if kind == "prim::Loop" and blocks:
            inner = len(list(blocks[0].inputs())), len(list(blocks[0].outputs()))
            n = node.outputsSize()
            if len(blocks) != 1 or node.inputsSize() != n + 2 or inner != (n + 1, n + 1):
                raise RuntimeError(f"lint: the body of a Loop does not carry its values: {node}")
