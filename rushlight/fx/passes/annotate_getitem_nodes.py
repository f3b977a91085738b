"""Types for nodes that take one value out of several."""

from __future__ import annotations

import operator
import typing

from ..graph import Graph


def annotate_getitem_nodes(graph: Graph) -> None:
    """Give `x[i]` the type that x's own type says, where it is a tuple, list or named tuple."""
    for node in graph.nodes:
        if node.target is not operator.getitem:
            continue
        source, index = node.args
        kind = getattr(source, "type", None)
        if kind is None:
            continue
        parts, origin = typing.get_args(kind), typing.get_origin(kind)
        if origin is tuple and parts:
            if len(parts) == 2 and parts[1] is ...:
                node.type = parts[0]
            elif isinstance(index, int) and index < len(parts):
                node.type = parts[index]
        elif origin is list and parts:
            node.type = parts[0]
        elif hasattr(kind, "_fields") and isinstance(index, int):
            node.type = list(getattr(kind, "__annotations__", {}).values())[index]
