"""Modules made of parts of a graph, and graphs that are alike."""

from __future__ import annotations

from typing import Any

from ....nn import Module
from ...graph import Graph
from ...graph_module import GraphModule, _assign_attr, _get_attr
from .matcher_utils import SubgraphMatcher

__all__ = ["HolderModule", "lift_subgraph_as_module", "compare_graphs"]


class HolderModule(Module):
    """Holds modules under their names."""

    def __init__(self, d: dict[str, Module | None]) -> None:
        super().__init__()
        for name, module in d.items():
            self.add_module(name, module)


def lift_subgraph_as_module(
    gm: GraphModule, subgraph: Graph, comp_name: str = "", class_name: str = "GraphModule"
) -> tuple[GraphModule, dict[str, str]]:
    """A module of a graph that names parts of `gm`, and the paths of those parts in `gm`.

    With `comp_name` they are keyed by what their paths become when it is put in under that name.
    """
    holder = HolderModule({})
    paths: dict[str, str] = {}
    for node in subgraph.nodes:
        if node.op not in ("call_module", "get_attr"):
            continue
        value: Any = _get_attr(gm, node.target)
        _assign_attr(value, holder, node.target)
        paths[f"{comp_name}.{node.target}" if comp_name else node.target] = node.target
    return GraphModule(holder, subgraph, class_name), paths


def compare_graphs(left: Graph, right: Graph) -> bool:
    """Whether two graphs are the same but for names."""
    matches = SubgraphMatcher(left, match_output=True, match_placeholder=True).match(right)
    return bool(matches)
