"""Finding where a graph has the form of a pattern."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import rushlight as torch

from ...graph import Graph
from ...node import Node

__all__ = ["SubgraphMatcher", "InternalMatch"]


@dataclass
class InternalMatch:
    """One place where the pattern fits: which node stands for which of the pattern's."""

    anchors: list[Node]
    nodes_map: dict[Node, Node] = field(default_factory=dict)
    placeholder_nodes: list[Node] = field(default_factory=list)
    returning_nodes: list[Node] = field(default_factory=list)
    name_node_map: dict[str, Node] = field(default_factory=dict)

    def __copy__(self) -> InternalMatch:
        return InternalMatch(
            anchors=self.anchors,
            nodes_map=dict(self.nodes_map),
            placeholder_nodes=list(self.placeholder_nodes),
            returning_nodes=list(self.returning_nodes),
        )


class SubgraphMatcher:
    """Finds the places where a graph does what `pattern` does.

    Placeholders of the pattern stand for any value unless `match_placeholder`; its output need not
    be the graph's unless `match_output`. `ignore_literals` lets other constants pass.
    """

    def __init__(
        self,
        pattern: Graph,
        match_output: bool = False,
        match_placeholder: bool = False,
        remove_overlapping_matches: bool = True,
        ignore_literals: bool = False,
    ) -> None:
        if len(pattern.nodes) == 0:
            raise ValueError("SubgraphMatcher cannot be initialized with an empty pattern")
        self.pattern = pattern
        self.match_output = match_output
        self.match_placeholder = match_placeholder
        self.remove_overlapping_matches = remove_overlapping_matches
        self.ignore_literals = ignore_literals
        for node in pattern.nodes:
            if node.op != "output" and not node.users:
                raise AssertionError(
                    "SubgraphMatcher cannot be initialized with an pattern with dead code"
                )
        output = next(iter(reversed(pattern.nodes)))
        self.pattern_placeholder_nodes = [n for n in pattern.nodes if n.op == "placeholder"]
        self.pattern_returning_nodes = output.all_input_nodes
        if match_output:
            self.pattern_anchors = [output]
        else:
            self.pattern_anchors = [n for n in output.all_input_nodes if len(n.users) == 1]

    # -- are two nodes alike? -------------------------------------------------------------
    def _match_attributes(self, pn: Node, gn: Node) -> bool:
        def read(node):
            found: Any = node.graph.owning_module
            for name in node.target.split("."):
                found = getattr(found, name)
            return found

        ours, theirs = read(pn), read(gn)
        if type(ours) is not type(theirs) and not isinstance(ours, torch.Tensor):
            return False
        return isinstance(ours, torch.Tensor) == isinstance(theirs, torch.Tensor)

    def _nodes_are_equal(self, pn: Node, gn: Node, node_name_match: str = "") -> bool:
        if not self.match_placeholder and pn.op == "placeholder":
            return True
        if node_name_match and node_name_match in gn.name:
            return True
        if pn.op != gn.op:
            return False
        if pn.op in ("placeholder", "output"):
            return True
        if pn.op == "get_attr":
            return self._match_attributes(pn, gn)
        return pn.target == gn.target

    def _is_contained(self, nodes_map: dict[Node, Node]) -> bool:
        """Whether nobody outside uses what the pattern keeps to itself."""
        found = {
            gn for pn, gn in nodes_map.items() if pn.op != "placeholder" or self.match_placeholder
        }
        for pn, gn in nodes_map.items():
            if pn.op == "placeholder" or pn in self.pattern_returning_nodes:
                continue
            if isinstance(gn, Node) and any(user not in found for user in gn.users):
                return False
        return True

    # -- does the graph fit from a node on? -----------------------------------------------
    def _match_nodes(
        self, pn: Node, gn: Node, match: InternalMatch, node_name_match: str = ""
    ) -> bool:
        if pn in match.nodes_map:
            return match.nodes_map[pn] is gn
        if gn in match.nodes_map.values() or not self._nodes_are_equal(pn, gn, node_name_match):
            return False
        saved = copy.copy(match)
        match.nodes_map[pn] = gn
        if pn.op == "placeholder":
            return True
        if self._match_args(pn, gn, match):
            return True
        match.nodes_map, match.placeholder_nodes = saved.nodes_map, saved.placeholder_nodes
        return False

    def _match_args(self, pn, gn, match):
        pattern_args, graph_args = _flat(pn.args), _flat(gn.args)
        pattern_kwargs, graph_kwargs = pn.kwargs, gn.kwargs
        if len(pattern_args) != len(graph_args) or pattern_kwargs.keys() != graph_kwargs.keys():
            normal = [_normal(pn), _normal(gn)]
            if None in normal or normal[0].keys() != normal[1].keys():
                return False
            (pattern_args, graph_args), (pattern_kwargs, graph_kwargs) = ([], []), normal
        pattern_args = pattern_args + _flat([pattern_kwargs[k] for k in pattern_kwargs])
        graph_args = graph_args + _flat([graph_kwargs[k] for k in pattern_kwargs])
        if len(pattern_args) != len(graph_args):
            return False
        pairs = zip(pattern_args, graph_args, strict=True)
        return all(self._match_one(a, b, match) for a, b in pairs)

    def _match_one(self, ours, theirs, match):
        if isinstance(ours, Node) and isinstance(theirs, Node):
            return self._match_nodes(ours, theirs, match)
        return self._match_literals(ours, theirs, match)

    def _match_literals(self, pn: Any, gn: Any, match: InternalMatch) -> bool:
        if isinstance(pn, Node) and not isinstance(gn, Node):
            if pn.op != "placeholder":
                return False
            if pn in match.nodes_map:
                return match.nodes_map[pn] == gn
            match.nodes_map[pn] = gn
            return True
        if isinstance(gn, Node) and not isinstance(pn, Node):
            return False
        return type(gn) is type(pn) and (self.ignore_literals or gn == pn)

    # -- all places -----------------------------------------------------------------------
    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """The places where the pattern fits, in the graph's order."""
        candidates = [
            (pn, [gn for gn in graph.nodes if self._nodes_are_equal(pn, gn, node_name_match)])
            for pn in self.pattern_anchors
        ]
        found: list[InternalMatch] = []

        def extend(i: int, match: InternalMatch) -> None:
            if i == len(candidates):
                match.placeholder_nodes = [
                    match.nodes_map[pn] for pn in self.pattern_placeholder_nodes
                ]
                match.returning_nodes = [match.nodes_map[n] for n in self.pattern_returning_nodes]
                found.append(match)
                return
            pn, nodes = candidates[i]
            for gn in nodes:
                tried = copy.copy(match)
                if self._match_nodes(pn, gn, tried, node_name_match):
                    extend(i + 1, tried)

        extend(0, InternalMatch(anchors=self.pattern_anchors))
        found = [m for m in found if self._is_contained(m.nodes_map)]
        found = [m for m in found if self._no_cycle(m)]
        return self._remove_overlapping_matches(found) if self.remove_overlapping_matches else found

    def _no_cycle(self, match):
        from .fuser_utils import validate_partition

        nodes = [
            gn
            for pn, gn in match.nodes_map.items()
            if pn.op not in ("placeholder", "output") and isinstance(gn, Node)
        ]
        return validate_partition(nodes)

    def _remove_overlapping_matches(self, matches: list[InternalMatch]) -> list[InternalMatch]:
        kept, taken = [], set()
        for match in matches:
            own = {
                gn
                for pn, gn in match.nodes_map.items()
                if pn.op not in ("placeholder", "output") and isinstance(gn, Node)
            }
            if not own & taken:
                kept.append(match)
                taken |= own
        return kept


def _flat(args):
    """The arguments with lists and tuples taken apart, and what kind each was."""
    flat: list[Any] = []
    for a in args:
        if isinstance(a, (list, tuple)):
            flat.append(f"<{len(a)}>")
            flat.extend(_flat(a))
        else:
            flat.append(a)
    return flat


def _normal(node):
    """All arguments of a node by name, where its signature is known."""
    found = node.normalized_arguments(
        node.graph.owning_module or torch.nn.Module(), normalize_to_only_use_kwargs=True
    )
    return found and dict(found.kwargs)
