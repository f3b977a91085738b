"""Nodes of a graph, under the names that PyTorch's bindings have.

A node is an operation: its kind (`aten::add`), attributes, inputs, outputs, inner blocks. Nodes of
a block are a linked list, so that one can be put or taken anywhere while the others are walked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._ir_attributes import Attributes
from ._ir_value import Use, Value

if TYPE_CHECKING:
    from ._ir import Block, Graph


class Node(Attributes):
    """An operation of the graph."""

    __slots__ = (
        "__weakref__", "_gone", "_next", "_position", "_prev", "block", "blocks_", "graph",
    )  # fmt: skip

    def __init__(self, graph: Graph, kind: str, inputs: Sequence[Value] = (), n: int = 0) -> None:
        if "::" not in kind:
            raise RuntimeError(
                "all symbols must have a namespace, <namespace>::<string>, but found: " + kind
            )
        self.graph = graph
        self.kind_ = kind
        self.attributes: dict[str, tuple[str, Any]] = {}
        self.block: Block | None = None  # where it stands
        self.blocks_: list[Block] = []
        self.source = graph.source  # str() is file:line:column, highlight() shows the text
        self.scope = graph.scope
        self.callable_ = None  # of a PythonOp: what it calls, with `scalars` between its inputs
        self.scalars: list = []
        self._prev: Node | None = None
        self._next: Node | None = None
        self._position = 0
        self._gone = False  # destroyed: it cannot be asked any more
        self._inputs: list[Value] = []
        self._outputs: list[Value] = [Value(self, i) for i in range(n)]
        for value in inputs:
            self.addInput(value)

    def kind(self) -> str:
        """The operation: aten::add, prim::If."""
        return self.kind_

    # -- inputs and outputs ------------------------------------------------------------------

    def inputs(self) -> Iterator[Value]:
        """The inputs."""
        return iter(tuple(self._inputs))

    def outputs(self) -> Iterator[Value]:
        """The outputs."""
        return iter(tuple(self._outputs))

    def input(self) -> Value:
        """The only input; RuntimeError where there are more or none."""
        return self._only(self._inputs, "input")

    def output(self) -> Value:
        """The only output; RuntimeError where there are more or none."""
        return self._only(self._outputs, "output")

    def _only(self, values: list[Value], what: str) -> Value:
        if len(values) != 1:
            raise RuntimeError(
                f"Tried to access a single {what} on node '{self.kind_}' which has {len(values)} "
                f"{what}s. You may consider using node.{what}s() instead."
            )
        return values[0]

    def inputsSize(self) -> int:
        """How many inputs."""
        return len(self._inputs)

    def outputsSize(self) -> int:
        """How many outputs."""
        return len(self._outputs)

    def inputsAt(self, index: int) -> Value:
        """One input."""
        return _at(self._inputs, index)

    def outputsAt(self, index: int) -> Value:
        """One output."""
        return _at(self._outputs, index)

    def hasMultipleOutputs(self) -> bool:
        """Whether there is more than one output."""
        return len(self._outputs) > 1

    def hasUses(self) -> bool:
        """Whether any output is an input anywhere."""
        return any(o._uses for o in self._outputs)

    def addInput(self, value: Value) -> Value:
        """Add an input at the end; the value."""
        if value is None:
            raise ValueError(f"{self.kind_}: cannot pass None in inputs")
        if value._node.graph is not self.graph:
            raise RuntimeError(f"{self.kind_}: an input belongs to another graph, expected its own")
        value._uses.append(Use(self, len(self._inputs)))
        self._inputs.append(value)
        return value

    def insertInput(self, index: int, value: Value) -> Value:
        """Put an input before another; the value."""
        later = self._inputs[index:]
        for _ in later:
            self.removeInput(index)
        for v in (value, *later):
            self.addInput(v)
        return value

    def replaceInput(self, index: int, value: Value) -> Value:
        """Put another value at one input; the old value."""
        old = _at(self._inputs, index)
        for use in old._uses:
            if use.user is self and use.offset == index:
                old._uses.remove(use)
                break
        self._inputs[index] = value
        value._uses.append(Use(self, index))
        return old

    def replaceInputWith(self, old: Value, value: Value) -> None:
        """Put another value wherever one is an input of this node."""
        for i, v in enumerate(self._inputs):
            if v is old:
                self.replaceInput(i, value)

    def removeInput(self, index: int) -> None:
        """Take one input away."""
        value = _at(self._inputs, index)
        value._uses = [u for u in value._uses if u.user is not self or u.offset != index]
        del self._inputs[index]
        for v in {id(v): v for v in self._inputs[index:] + [value]}.values():
            for use in v._uses:
                if use.user is self and use.offset > index:
                    use.offset -= 1

    def removeAllInputs(self) -> None:
        """Take all inputs away."""
        for v in {id(v): v for v in self._inputs}.values():
            v._uses = [u for u in v._uses if u.user is not self]
        self._inputs.clear()

    def addOutput(self) -> Value:
        """Add an output at the end; it."""
        self._outputs.append(Value(self, len(self._outputs)))
        return self._outputs[-1]

    def eraseOutput(self, index: int) -> None:
        """Take away an output that nothing uses."""
        value = _at(self._outputs, index)
        if value._uses:
            raise RuntimeError(f"eraseOutput: %{value.debugName()} is used, expected no uses")
        self.graph.names.forget(value)
        del self._outputs[index]
        for i, v in enumerate(self._outputs):
            v._offset = i

    def replaceAllUsesWith(self, other: Node) -> None:
        """Put the outputs of another node wherever those of this one are inputs."""
        if len(self._outputs) != len(other._outputs):
            raise RuntimeError(
                f"replaceAllUsesWith: got {len(other._outputs)} outputs, expected "
                f"{len(self._outputs)}"
            )
        for mine, theirs in zip(self._outputs, other._outputs, strict=True):
            mine.replaceAllUsesWith(theirs)

    # -- place -------------------------------------------------------------------------------

    def owningBlock(self) -> Block:
        """The block that it stands in."""
        return self.block  # type: ignore[return-value]

    def prev(self) -> Node:
        """The node before it."""
        return self._prev  # type: ignore[return-value]

    def next(self) -> Node:
        """The node after it."""
        return self._next  # type: ignore[return-value]

    def insertBefore(self, other: Node) -> Node:
        """Put this new node before another; itself."""
        if self.block is not None:
            raise RuntimeError(f"insertBefore: {self.kind_} stands in a block already")
        return self.insertAfter(other._prev)  # type: ignore[arg-type]

    def insertAfter(self, other: Node) -> Node:
        """Put this new node after another; itself."""
        if self.block is not None:
            raise RuntimeError(f"insertAfter: {self.kind_} stands in a block already")
        if other is None or other.block is None:
            raise RuntimeError("insertAfter: the other node does not stand in a block")
        if other._next is None:
            raise RuntimeError("insertAfter: nothing can stand after the return of a block")
        after = other._next
        self.block = other.block
        self._prev, self._next = other, after
        other._next = after._prev = self
        self.block.place(self)
        return self

    def moveBefore(self, other: Node) -> None:
        """Take the node from where it is and put it before another."""
        self._leave()
        self.insertBefore(other)

    def moveAfter(self, other: Node) -> None:
        """Take the node from where it is and put it after another."""
        self._leave()
        self.insertAfter(other)

    def _leave(self) -> None:
        if self.block is None:
            return
        if self.graph.insert_before is self:
            self.graph.insert_before = self._next
        self._prev._next, self._next._prev = self._next, self._prev  # type: ignore[union-attr]
        self.block = self._prev = self._next = None

    def destroy(self) -> None:
        """Take the node out of the graph; nothing may use its outputs."""
        if self.hasUses():
            raise RuntimeError(f"destroy: the outputs of {self.kind_} are used, expected no uses")
        self.removeAllInputs()
        for block in self.blocks_:
            block.destroy()
        self.blocks_.clear()
        for value in self._outputs:
            self.graph.names.forget(value)
        self._leave()
        self._gone = True

    def isBefore(self, other: Node) -> bool:
        """Whether it runs before another."""
        return _order(self, other) < 0

    def isAfter(self, other: Node) -> bool:
        """Whether it runs after another."""
        return _order(self, other) > 0

    # -- blocks ------------------------------------------------------------------------------

    def addBlock(self) -> Block:
        """Add an inner block; it."""
        from ._ir import Block

        self.blocks_.append(Block(self.graph, self))
        return self.blocks_[-1]

    def blocks(self) -> Iterator[Block]:
        """The inner blocks."""
        return iter(tuple(self.blocks_))

    def findNode(self, kind: str, recurse: bool = True) -> Node | None:
        """The first node of a kind in the inner blocks."""
        found = self.findAllNodes(kind, recurse)
        return found[0] if found else None

    def findAllNodes(self, kind: str, recurse: bool = True) -> list[Node]:
        """The nodes of a kind in the inner blocks."""
        return [n for b in self.blocks_ for n in b.findAllNodes(kind, recurse)]

    def __str__(self) -> str:
        from ._ir_print import node_text

        if self._gone:
            raise RuntimeError("Node: has been invalidated: a pass has taken it out of its graph")
        return node_text(self)

    __repr__ = __str__


def _at(values: list[Value], index: int) -> Value:
    if not 0 <= index < len(values):
        raise RuntimeError(f"ArrayRef: invalid index Index = {index}; Length = {len(values)}")
    return values[index]


def _order(one: Node, other: Node) -> int:
    """Negative where `one` runs first: nodes are compared in the block that holds both."""
    if one is other:
        return 0
    mine, theirs = _path(one), _path(other)
    for (block, a), (other_block, b) in zip(mine, theirs, strict=False):
        if block is not other_block:  # different blocks of one node
            order = a.block.owning.blocks_  # type: ignore[union-attr]
            return order.index(block) - order.index(other_block)
        if a is not b:
            return a._position - b._position
    return len(mine) - len(theirs)


def _path(node: Node) -> list:
    found = []
    at: Node | None = node
    while at is not None and at.block is not None:
        found.append((at.block, at))
        at = at.block.owning
    return found[::-1]
