"""The graph of a program: blocks of nodes, in the form and under the names of PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ._ir_node import Node
from ._ir_value import Use, Value

__all__ = ["Block", "Graph", "Node", "Use", "Value"]
_GAP = 1 << 20  # between the positions of nodes that follow each other


class Names:
    """The names of a graph's values: none twice."""

    def __init__(self) -> None:
        self.owners: dict[str, Value] = {}
        self.following: dict[str, int] = {}  # of a name, the number to try next behind it

    def give(self, value: Value, name: str) -> None:
        """Name a value; the one that had the name gets a number behind it."""
        if name.isdigit():
            raise RuntimeError(f"Invalid name: '{name}'")
        old = self.owners.get(name)
        if old is value:
            return
        self.forget(value)
        value._name = name
        if not name:
            return
        self.owners[name] = value
        if old is not None:
            self._number(old, name)

    def _number(self, value: Value, name: str) -> None:
        base, _, suffix = name.rpartition(".")
        numbered = bool(base) and suffix.isdigit()
        base = base if numbered else name
        number = max(self.following.get(base, 1), int(suffix) + 1 if numbered else 1)
        while f"{base}.{number}" in self.owners:
            number += 1
        self.following[base] = number + 2
        value._name = f"{base}.{number}"
        self.owners[value._name] = value

    def forget(self, value: Value) -> None:
        """The value has no name any more."""
        if value._name and self.owners.get(value._name) is value:
            del self.owners[value._name]
        value._name = ""


class Block:
    """A list of nodes with inputs and outputs: the graph's own, or the body of an If or a Loop."""

    __slots__ = ("__weakref__", "graph", "owning", "param", "ret")

    def __init__(self, graph: Graph, owning: Node | None) -> None:
        self.graph = graph
        self.owning = owning
        self.param = Node(graph, "prim::Param")
        self.ret = Node(graph, "prim::Return")
        self.param.block = self.ret.block = self
        self.param._next, self.ret._prev = self.ret, self.param
        self.ret._position = _GAP

    def place(self, node: Node) -> None:
        """Number a node that has come in, so that order is a comparison."""
        before, after = node._prev, node._next
        if after is self.ret:
            self.ret._position = before._position + 2 * _GAP  # type: ignore[union-attr]
        node._position = (before._position + after._position) // 2  # type: ignore[union-attr]
        if node._position == before._position:  # type: ignore[union-attr]
            at: Node | None = self.param
            number = 0
            while at is not None:
                at._position, number, at = number, number + _GAP, at._next

    def inputs(self) -> Iterator[Value]:
        """The inputs of the block."""
        return self.param.outputs()

    def outputs(self) -> Iterator[Value]:
        """What the block gives."""
        return self.ret.inputs()

    def nodes(self) -> Iterator[Node]:
        """The nodes, in order; the one at hand may be moved or destroyed."""
        at = self.param._next
        while at is not None and at is not self.ret:
            following = at._next
            yield at
            # A node that left tells nothing of its place.
            at = at._next if at.block is self else following

    def all_nodes(self) -> Iterator[Node]:
        """The nodes and those of their blocks, in order."""
        for node in self.nodes():
            yield node
            for block in node.blocks():
                yield from block.all_nodes()

    def addInputToBlock(self) -> Value:
        """Add an input; it."""
        return self.param.addOutput()

    def registerOutput(self, value: Value) -> int:
        """Add an output; its number."""
        self.ret.addInput(value)
        return self.ret.inputsSize() - 1

    def addNode(self, kind: str, inputs: Sequence[Value]) -> Node:
        """Add a node at the end; it."""
        return Node(self.graph, kind, inputs, 1).insertBefore(self.ret)

    def owningNode(self) -> Node | None:
        """The node that the block is part of; None for the graph's own."""
        return self.owning

    def paramNode(self) -> Node:
        """The node whose outputs are the inputs of the block."""
        return self.param

    def returnNode(self) -> Node:
        """The node whose inputs are the outputs of the block."""
        return self.ret

    def findNode(self, kind: str, recurse: bool = True) -> Node | None:
        """The first node of a kind."""
        found = self.findAllNodes(kind, recurse)
        return found[0] if found else None

    def findAllNodes(self, kind: str, recurse: bool = True) -> list[Node]:
        """The nodes of a kind, those of inner blocks too with `recurse`."""
        walked = self.all_nodes() if recurse else self.nodes()
        return [n for n in walked if n.kind_ == kind]

    def destroy(self) -> None:
        """Take everything out of the block."""
        self.ret.removeAllInputs()
        nodes = list(self.nodes())
        for node in reversed(nodes):
            node.destroy()
        for value in self.param.outputs():
            self.graph.names.forget(value)

    def cloneFrom(self, other: Block, values: Callable[[Value], Value]) -> None:
        """Copy the inputs, nodes and outputs of another block; `values` gives outer values."""
        inner: dict[Value, Value] = {}

        def lookup(value: Value) -> Value:
            return inner[value] if value in inner else values(value)

        for value in other.inputs():
            inner[value] = self.addInputToBlock().copyMetadata(value)
        for node in other.nodes():
            copied = self.graph.createClone(node, lookup).insertBefore(self.ret)
            for mine, theirs in zip(node._outputs, copied._outputs, strict=True):
                inner[mine] = theirs.copyMetadata(mine)
        for value in other.outputs():
            self.registerOutput(lookup(value))


class Graph:
    """A program: a block, and the numbers and names of its values."""

    def __init__(self) -> None:
        self._unique = 0
        self.names = Names()
        self.source: Any = None  # what new nodes get as source and scope
        self.scope = ""
        self.insert_before: Node | None = None
        self.block_ = Block(self, None)
        self.insert_before = self.block_.ret

    def next_unique(self) -> int:
        """The number of the next value."""
        self._unique += 1
        return self._unique - 1

    # -- making nodes ------------------------------------------------------------------------

    def create(
        self, kind: str, inputs: Sequence[Value] | int = (), outputs: int | None = None
    ) -> Node:
        """A node that stands nowhere yet: of a kind, with inputs, with `outputs` outputs (1)."""
        if isinstance(inputs, int):
            inputs, outputs = (), inputs
        return Node(self, kind, inputs, 1 if outputs is None else outputs)

    def insertNode(self, node: Node) -> Node:
        """Put a node at the insert point; it."""
        return node.insertBefore(self.insert_before)  # type: ignore[arg-type]

    def appendNode(self, node: Node) -> Node:
        """Put a node at the end; it."""
        return node.insertBefore(self.block_.ret)

    def prependNode(self, node: Node) -> Node:
        """Put a node at the start; it."""
        return node.insertAfter(self.block_.param)

    def insert(self, kind: str, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None):
        """Call an operator at the insert point, as its schema asks; its result."""
        from ._insert import insert

        return insert(self, kind, args, kwargs or {})

    def insertConstant(self, value: Any, type: Any = None) -> Value:
        """A constant at the insert point; its value."""
        from ._constants import constant_node

        return self.insertNode(constant_node(self, value, type)).output()

    def createClone(self, node: Node, values: Callable[[Value], Value]) -> Node:
        """A copy of a node whose inputs are what `values` gives for them."""
        copied = Node(self, node.kind_, [values(v) for v in node._inputs], len(node._outputs))
        copied.copyAttributes(node).copyMetadata(node)
        copied.callable_, copied.scalars = node.callable_, list(node.scalars)
        for mine, theirs in zip(node._outputs, copied._outputs, strict=True):
            theirs._type = mine._type
        for block in node.blocks_:
            copied.addBlock().cloneFrom(block, values)
        return copied

    def insertGraph(
        self,
        other: Graph,
        inputs: Sequence[Value],
        values: Mapping[Value, Value] | None = None,
    ) -> list[Value]:
        """Put the nodes of another graph at the insert point; what it gives for `inputs`."""
        known = dict(values or {})
        known.update(zip(other.inputs(), inputs, strict=True))
        for node in other.nodes():
            copied = self.insertNode(self.createClone(node, known.__getitem__))
            known.update(zip(node._outputs, copied._outputs, strict=True))
        return [known[v] for v in other.outputs()]

    def setInsertPoint(self, where: Node | Block) -> None:
        """New nodes come before a node, or at the end of a block."""
        self.insert_before = where.ret if isinstance(where, Block) else where

    def insertPoint(self) -> Node:
        """The node before which new ones come."""
        return self.insert_before  # type: ignore[return-value]

    @contextmanager
    def insert_point_guard(self, where: Node | Block) -> Iterator[None]:
        """Within the `with`, new nodes come before a node, or at the end of a block."""
        kept = self.insert_before
        self.setInsertPoint(where)
        try:
            yield
        finally:
            self.insert_before = kept

    # -- inputs and outputs ------------------------------------------------------------------

    def addInput(self, name: str = "") -> Value:
        """Add an input; it."""
        value = self.block_.addInputToBlock()
        return value.setDebugName(name) if name else value

    def eraseInput(self, index: int) -> None:
        """Take away an input that nothing uses."""
        self.block_.param.eraseOutput(index)

    def permuteInputs(self, order: Sequence[int]) -> None:
        """Put the inputs in another order: each number is the place one has now."""
        param = self.block_.param
        if sorted(order) != list(range(param.outputsSize())):
            raise RuntimeError(f"permuteInputs: got {list(order)}, expected every input once")
        param._outputs = [param._outputs[i] for i in order]
        for i, value in enumerate(param._outputs):
            value._offset = i

    def registerOutput(self, value: Value) -> int:
        """Add an output; its number."""
        return self.block_.registerOutput(value)

    def eraseOutput(self, index: int) -> None:
        """Take away an output."""
        self.block_.ret.removeInput(index)

    def makeMultiOutputIntoTuple(self) -> None:
        """Give one tuple instead of several outputs."""
        outputs = list(self.outputs())
        if len(outputs) < 2:
            return
        from ._types import TupleType

        node = self.create("prim::TupleConstruct", outputs)
        node.output().setType(TupleType([v.type() for v in outputs]))
        self.appendNode(node)
        self.block_.ret.removeAllInputs()
        self.registerOutput(node.output())

    def inputs(self) -> Iterator[Value]:
        """The inputs."""
        return self.block_.inputs()

    def outputs(self) -> Iterator[Value]:
        """The outputs."""
        return self.block_.outputs()

    def nodes(self) -> Iterator[Node]:
        """The nodes of the outer block, in order."""
        return self.block_.nodes()

    def all_nodes(self) -> Iterator[Node]:
        """All nodes, in order."""
        return self.block_.all_nodes()

    def block(self) -> Block:
        """The outer block."""
        return self.block_

    def param_node(self) -> Node:
        """The node whose outputs are the inputs of the graph."""
        return self.block_.param

    def return_node(self) -> Node:
        """The node whose inputs are the outputs of the graph."""
        return self.block_.ret

    def findNode(self, kind: str, recurse: bool = True) -> Node | None:
        """The first node of a kind."""
        return self.block_.findNode(kind, recurse)

    def findAllNodes(self, kind: str, recurse: bool = True) -> list[Node]:
        """The nodes of a kind, those of inner blocks too with `recurse`."""
        return self.block_.findAllNodes(kind, recurse)

    # -- the whole ---------------------------------------------------------------------------

    def copy(self) -> Graph:
        """A graph of the same nodes and names that shares nothing with this one."""
        made = Graph()
        made.block_.cloneFrom(self.block_, lambda value: None)  # type: ignore[arg-type,return-value]
        return made

    def lint(self) -> None:
        """Check that the graph holds together; RuntimeError says where it does not."""
        from ._ir_lint import lint

        lint(self)

    def alias_db(self, isFrozen: bool = False, descend_function_calls: bool = False):  # noqa: N803
        """What may share memory in the graph."""
        from ._alias import AliasDb

        return AliasDb(self, isFrozen, descend_function_calls)

    def dump_alias_db(self) -> None:
        """Print what may share memory in the graph."""
        self.alias_db().dump()

    def str(self, print_source_ranges: bool = True) -> str:
        """The text of the graph; without the places in the source if asked so."""
        from ._ir_print import graph_text

        return graph_text(self, print_source_ranges)

    def __str__(self):
        from . import _ir_print

        return _ir_print.graph_text(self, _ir_print.print_source_ranges)

    __repr__ = __str__

    @property
    def global_print_source_ranges(self) -> bool:
        """Whether str(graph) names places in the source."""
        from . import _ir_print

        return _ir_print.print_source_ranges

    @staticmethod
    def set_global_print_source_ranges(enabled: bool = True) -> None:
        """Say whether str(graph) names places in the source."""
        from . import _ir_print

        _ir_print.print_source_ranges = enabled
