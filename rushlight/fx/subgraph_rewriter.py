"""Replacing parts of a graph that have the form of a pattern."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import rushlight as torch

from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule, _copy_attr, _get_attr, _has_attr
from .node import Node

__all__ = ["Match", "replace_pattern", "replace_pattern_with_filters", "ReplacedPatterns"]


class Match(NamedTuple):
    """A place that was replaced: the pattern's last node, and which node stood for which."""

    anchor: Node
    nodes_map: dict[Node, Node]


@dataclass
class ReplacedPatterns:
    """A place that was replaced, with the nodes that are there now."""

    anchor: Node
    nodes_map: dict[Node, Node]
    replacements: list[Node]


def replace_pattern(
    gm: GraphModule,
    pattern: Callable[..., Any] | GraphModule,
    replacement: Callable[..., Any] | GraphModule,
) -> list[Match]:
    """Replace, in place, every part of a module that does what `pattern` does.

    Both are functions or modules with the same arguments. Parts that overlap are replaced once.
    """
    done = _replace_pattern(gm, pattern, replacement)
    return [Match(anchor=m.anchor, nodes_map=m.nodes_map) for m in done]


def replace_pattern_with_filters(
    gm: GraphModule,
    pattern: Callable[..., Any] | Graph | GraphModule,
    replacement: Callable[..., Any] | Graph | GraphModule | None = None,
    match_filters: list[Callable[[Any, Graph, Graph], bool]] | None = None,
    ignore_literals: bool = False,
    replacement_callback: Callable[[Any, Graph, Graph], Graph] | None = None,
    node_name_match: str = "",
) -> list[ReplacedPatterns]:
    """`replace_pattern` where all `match_filters` agree.

    `replacement_callback` makes the replacement of one match, instead of `replacement`.
    """
    return _replace_pattern(
        gm,
        pattern,
        replacement,
        match_filters,
        ignore_literals,
        replacement_callback,
        node_name_match,
    )


def _as_graph(program):
    if isinstance(program, GraphModule):
        return program.graph
    if isinstance(program, Graph):
        return program
    return symbolic_trace(program).graph


def _replace_pattern(
    gm,
    pattern,
    replacement=None,
    match_filters=None,
    ignore_literals=False,
    replacement_callback=None,
    node_name_match="",
):
    from .passes.utils.matcher_utils import SubgraphMatcher

    if replacement is None and replacement_callback is None:
        raise AssertionError("Must provide either replacement GraphModule or replacement callback")
    original, wanted = gm.graph, _as_graph(pattern)
    matcher = SubgraphMatcher(
        wanted, match_output=False, match_placeholder=False, ignore_literals=ignore_literals
    )
    matches = matcher.match(original, node_name_match)
    matches = [
        m for m in matches if all(agrees(m, original, wanted) for agrees in match_filters or ())
    ]
    fixed = None if replacement_callback is not None else _as_graph(replacement)
    replaced: dict[Node, Node] = {}
    done = []
    for match in matches:
        new = fixed if fixed is not None else replacement_callback(match, original, wanted)
        made = _replace_one(original, match, new, replaced)
        done.append(ReplacedPatterns(match.anchors[0], match.nodes_map, made))
    gm.recompile()
    if isinstance(replacement, torch.nn.Module):
        _replace_attributes(gm, replacement)
    return done


def _replace_one(graph, match, replacement, replaced):
    """Put a copy of `replacement` in the place of a match; the copies."""
    places = [n for n in replacement.nodes if n.op == "placeholder"]
    if len(match.placeholder_nodes) != len(places):
        raise AssertionError(
            f"expected {len(places)} placeholder nodes, got {len(match.placeholder_nodes)}"
        )
    values: dict[Node, Any] = {}
    for place, node in zip(places, match.placeholder_nodes, strict=True):
        while isinstance(node, Node) and node in replaced:
            node = replaced[node]
        values[place] = node
    with graph.inserting_before(_first_user(graph, match)):
        results = graph.graph_copy(replacement, values)
    results = results if isinstance(results, (tuple, list)) else (results,)
    if len(match.returning_nodes) != len(results):
        raise AssertionError(
            f"expected {len(match.returning_nodes)} returning nodes, got {len(results)}"
        )
    for old, new in zip(match.returning_nodes, results, strict=True):
        old.replace_all_uses_with(new)
        replaced[old] = new
    _erase_matched(graph, match)
    return [v for k, v in values.items() if k not in places]


def _erase_matched(graph, match):
    own = {gn for pn, gn in match.nodes_map.items() if pn.op not in ("placeholder", "output")}
    for node in [n for n in reversed(graph.nodes) if n in own]:
        graph.erase_node(node)


def _first_user(graph, match):
    """The first node that uses what the match gives, where the copies go."""
    users = {user for node in match.returning_nodes for user in node.users}
    return next(n for n in graph.nodes if n in users)


def _replace_attributes(gm: GraphModule, replacement: torch.nn.Module) -> None:
    """Give the module what the replacement's nodes name, and take away what is not used."""
    gm.delete_all_unused_submodules()
    if isinstance(replacement, GraphModule):
        replacement.graph.lint()
    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr") or _has_attr(gm, node.target):
            continue
        if not _has_attr(replacement, node.target):
            raise RuntimeError(
                f'Attempted to create a "{node.op}" node during subgraph rewriting with target '
                f"{node.target}, but the referenced attribute does not exist in the replacement "
                "GraphModule"
            )
        found = _get_attr(replacement, node.target)
        if isinstance(found, torch.nn.Module):
            gm.add_submodule(node.target, copy.deepcopy(found))
        else:
            _copy_attr(replacement, gm, node.target)
    gm.graph.lint()
