"""Patterns whose last result is a dictionary of the nodes that the caller wants to find."""

from __future__ import annotations

from ...graph import Graph
from ...graph_module import GraphModule
from ...node import Node
from .matcher_utils import InternalMatch, SubgraphMatcher

__all__ = ["SubgraphMatcherWithNameNodeMap"]


def _split_to_graph_and_name_node_map(gm: GraphModule) -> tuple[GraphModule, dict[str, Node]]:
    """A module without the dictionary at the end of its results, and the dictionary."""
    from ....utils._pytree import tree_unflatten

    names: dict[str, Node] = {}
    for node in gm.graph.find_nodes(op="output"):
        results = node.args[0]
        spec = getattr(gm, "_out_spec", None)
        if spec is not None:
            results = tree_unflatten(list(results), spec)
        *kept, names = results
        if not isinstance(names, dict):
            raise AssertionError(f"Expecting the output node to be a dict, got {names}")
        node.args = (tuple(kept) if len(kept) != 1 else kept[0],)
    gm.recompile()
    return gm, names


class SubgraphMatcherWithNameNodeMap(SubgraphMatcher):
    """Finds a pattern whose last result is {name: value}; a match has those nodes by name."""

    def __init__(
        self,
        pattern_gm: GraphModule,
        match_output: bool = False,
        match_placeholder: bool = False,
        remove_overlapping_matches: bool = True,
        ignore_literals: bool = False,
    ) -> None:
        pattern, self.name_node_map = _split_to_graph_and_name_node_map(pattern_gm)
        super().__init__(
            pattern.graph,
            match_output,
            match_placeholder,
            remove_overlapping_matches,
            ignore_literals,
        )

    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """The places where the pattern fits, with `name_node_map` filled."""
        found = super().match(graph, node_name_match)
        for match in found:
            for name, node in self.name_node_map.items():
                match.name_node_map[name] = match.nodes_map[node]
        return found
