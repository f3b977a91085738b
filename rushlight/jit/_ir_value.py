"""Values of a graph, and where each is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _types as T

if TYPE_CHECKING:
    from ._ir_node import Node


class Use:
    """One place where a value is an input: of which node, at which position."""

    __slots__ = ("offset", "user")

    def __init__(self, user: Node, offset: int) -> None:
        self.user = user
        self.offset = offset

    def isAfter(self, other: Use) -> bool:
        """Whether this use comes later in the program than another."""
        if self.user is other.user:
            return self.offset > other.offset
        return self.user.isAfter(other.user)


class Value:
    """A value of the graph: what a node gives, or an input of a block."""

    __slots__ = ("__weakref__", "_name", "_node", "_offset", "_type", "_unique", "_uses")

    def __init__(self, node: Node, offset: int) -> None:
        self._node = node
        self._offset = offset
        self._unique = node.graph.next_unique()
        self._type: T.Type = T.TensorType.get()
        self._uses: list[Use] = []
        self._name = ""

    def type(self) -> T.Type:
        """What is known of the value."""
        return self._type

    def setType(self, type: T.Type) -> Value:
        """Say what the value is; itself."""
        self._type = T.expect(type, "setType")
        return self

    def setTypeAs(self, other: Value) -> Value:
        """Say that the value is what another is; itself."""
        return self.setType(other._type)

    def inferTypeFrom(self, what) -> None:
        """Say that the value is what a tensor or an object is."""
        from ._constants import type_of

        self._type = type_of(what)

    def debugName(self) -> str:
        """The name that the graph prints: its own or its number."""
        return self._name or str(self._unique)

    def setDebugName(self, name: str) -> Value:
        """Name the value; another that has the name gets a number behind it. Itself."""
        self._node.graph.names.give(self, name)
        return self

    def unique(self) -> int:
        """The number of the value in its graph."""
        return self._unique

    def node(self) -> Node:
        """The node that gives it."""
        return self._node

    def offset(self) -> int:
        """Which of the node's outputs it is."""
        return self._offset

    def uses(self) -> list[Use]:
        """Where it is an input."""
        return list(self._uses)

    def hasUses(self) -> bool:
        """Whether it is an input anywhere."""
        return bool(self._uses)

    def replaceAllUsesWith(self, other: Value) -> None:
        """Put another value wherever this one is an input."""
        for use in self.uses():
            use.user.replaceInput(use.offset, other)

    def replaceAllUsesAfterNodeWith(self, node: Node, other: Value) -> None:
        """Put another value wherever this one is an input of what comes after `node`."""
        for use in self.uses():
            if use.user.isAfter(node):
                use.user.replaceInput(use.offset, other)

    def copyMetadata(self, other: Value) -> Value:
        """Take the type and the name of another value; itself."""
        self._type = other._type
        if other._name:
            self.setDebugName(other._name)
        return self

    def toIValue(self) -> Any:
        """The value of a constant; None for what is not one."""
        from ._constants import constant_of

        return constant_of(self._node) if self._node.kind_ == "prim::Constant" else None

    def isCompleteTensor(self) -> bool:
        """Whether dtype, device, shape and strides are known."""
        return isinstance(self._type, T.TensorType) and self._type.isComplete()

    def requires_grad(self) -> bool:
        """Whether it may require grad, as far as its type says."""
        return self.requiresGrad() is True

    def requiresGrad(self) -> bool | None:
        """Whether it requires grad, None where that is unknown."""
        return self._type.requires_grad_ if isinstance(self._type, T.TensorType) else None

    def __str__(self) -> str:
        return f"{self.debugName()} defined in ({self._node})"

    __repr__ = __str__
