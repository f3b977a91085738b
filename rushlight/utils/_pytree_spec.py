"""The structure of a tree without its leaves."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ._pytree_nodes import BUILTIN_TYPES, STANDARD_DICT_TYPES, SUPPORTED_NODES, node_type


def _warn(message, stacklevel=3):
    warnings.warn(message, FutureWarning, stacklevel=stacklevel)


class TreeSpec:
    """A container's type, what else is needed to rebuild it, and the specs of its children.

    `context` is a dictionary's keys, a named tuple's class, a deque's length and so on.
    """

    __slots__ = ("_children", "_context", "num_children", "num_leaves", "num_nodes", "type")

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type = type
        self._context = context
        self._children = children_specs
        self.num_nodes = 1
        self.num_leaves = 0
        for child in children_specs:
            self.num_nodes += child.num_nodes
            self.num_leaves += child.num_leaves
        self.num_children = len(children_specs)
        if type is None:
            self.num_leaves = 1

    @property
    def context(self) -> Any:
        """What else is needed to rebuild the container."""
        return self._context

    @property
    def children_specs(self) -> list[TreeSpec]:
        """The old name of `children()`."""
        _warn(
            "`treespec.children_specs` is deprecated. Use `treespec.child(index)` to access a "
            "single child, or `treespec.children()` to get all children."
        )
        return self._children

    def children(self) -> list[TreeSpec]:
        """The specs of all children."""
        return self._children.copy()

    def child(self, index: int) -> TreeSpec:
        """The spec of one child."""
        return self._children[index]

    def is_leaf(self) -> bool:
        """Whether this stands for something that is no container."""
        return self.num_nodes == 1 and self.num_leaves == 1

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent):
        if self.type is None:
            return "*"
        children = (",\n" + " " * (indent + 2)).join(c._text(indent + 2) for c in self._children)
        return f"TreeSpec({self.type.__name__}, {self._context}, [{children}])"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (
            self.type == other.type
            and self.num_nodes == other.num_nodes
            and self._context == other._context
            and self._children == other._children
        )

    def __hash__(self) -> int:
        return hash((self.type, _hashable(self._context), tuple(self._children)))

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with the given leaves."""
        if not isinstance(leaves, (list, tuple)):
            leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec "
                f"refers to a pytree that holds {self.num_leaves} items ({self})."
            )
        return self._build(iter(leaves))

    def _build(self, leaves):
        if self.type is None:
            return next(leaves)
        values = [next(leaves) if c.type is None else c._build(leaves) for c in self._children]
        return SUPPORTED_NODES[self.type].unflatten_fn(values, self._context)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The parts of `tree` that lie where this structure has leaves."""
        parts: list[Any] = []
        self._take(tree, parts)
        return parts

    def _take(self, tree, parts):
        if self.type is None:
            parts.append(tree)
            return
        for child, part in zip(self._children, self._children_of(tree), strict=True):
            child._take(part, parts)

    def _children_of(self, tree):
        """The children of a container that has to agree with this one."""
        kind = node_type(tree)
        both_dicts = self.type in STANDARD_DICT_TYPES and kind in STANDARD_DICT_TYPES
        if kind != self.type and not both_dicts:
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {kind!r}.")
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if both_dicts:
            keys = self._context[1] if self.type.__name__ == "defaultdict" else self._context
            if tree.keys() != set(keys):
                missing, extra = set(keys) - tree.keys(), tree.keys() - set(keys)
                raise ValueError(
                    "Node keys mismatch"
                    + (f"; missing key(s): {missing}" if missing else "")
                    + (f"; extra key(s): {extra}" if extra else "")
                    + "."
                )
            return [tree[key] for key in keys]
        if self.type not in BUILTIN_TYPES and self._context != context:
            raise ValueError(f"Node context mismatch for custom node type {self.type!r}.")
        return children

    def __getstate__(self):
        return self.type, self._context, self._children

    def __setstate__(self, state):
        self.__init__(*state)


def _hashable(context):
    if isinstance(context, (list, tuple)):
        return tuple(_hashable(item) for item in context)
    try:
        hash(context)
    except TypeError:
        return type(context)
    return context


class _LeafType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        _warn(
            "`isinstance(treespec, LeafSpec)` is deprecated, "
            "use `isinstance(treespec, TreeSpec) and treespec.is_leaf()` instead."
        )
        return isinstance(instance, TreeSpec) and instance.is_leaf()


class LeafSpec(TreeSpec, metaclass=_LeafType):
    """The structure of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])

    def __reduce__(self):
        return LeafSpec, ()


LEAF = LeafSpec()


def treespec_leaf() -> LeafSpec:
    """The structure of a leaf."""
    return LEAF


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """The structure of a tuple of such children."""
    children = list(iterable)
    if not all(isinstance(child, TreeSpec) for child in children):
        raise ValueError(f"Expected a tuple of TreeSpec values, got: {children!r}.")
    return TreeSpec(tuple, None, children)


def treespec_dict(
    mapping: Mapping[Any, TreeSpec] | Iterable[tuple[Any, TreeSpec]] = (),
    /,
    **kwargs: TreeSpec,
) -> TreeSpec:
    """The structure of a dictionary of such children."""
    entries = dict(mapping, **kwargs)
    if not all(isinstance(child, TreeSpec) for child in entries.values()):
        raise ValueError(f"Expected a dictionary of TreeSpec values, got: {entries!r}.")
    return TreeSpec(dict, list(entries), list(entries.values()))
