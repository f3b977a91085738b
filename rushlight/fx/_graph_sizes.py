"""Nodes for the sizes of a node's value, and sizes as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as torch

from .node import Node


class GraphSizes:
    """The part of Graph that makes nodes for sizes."""

    call_function: Any

    def _size_node(self, operator, tensor_node, args, value):
        made = self.call_function(operator, (tensor_node, *args))
        known = tensor_node.meta.get("val")
        if isinstance(known, torch.Tensor):
            made.meta["val"] = value(known)
        return made

    def create_size_node(self, tensor_node: Node, dim: int) -> Node:
        """Add a node for one size of a tensor."""
        operator = torch.ops.aten.sym_size.int
        return self._size_node(operator, tensor_node, (dim,), lambda t: t.size(dim))

    def create_stride_node(self, tensor_node: Node, dim: int) -> Node:
        """Add a node for one stride of a tensor."""
        operator = torch.ops.aten.sym_stride.int
        return self._size_node(operator, tensor_node, (dim,), lambda t: t.stride(dim))

    def create_storage_offset_node(self, tensor_node: Node) -> Node:
        """Add a node for the place of a tensor's first element in its storage."""
        operator = torch.ops.aten.sym_storage_offset.default
        return self._size_node(operator, tensor_node, (), lambda t: t.storage_offset())

    def materialize_symint(self, value: torch.SymInt | int) -> Node | int:
        """A size as an argument of nodes: sizes are numbers here."""
        return value if isinstance(value, int) else int(value)

    def materialize_symints(self, values: Sequence[torch.SymInt | int]) -> list[Node | int]:
        """Sizes as arguments of nodes."""
        return [self.materialize_symint(value) for value in values]
