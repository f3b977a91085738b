"""Nodes by the function or module that they were traced from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...graph import Graph
from ...node import Node

__all__ = ["get_source_partitions", "check_subgraphs_connected", "SourcePartition"]


@dataclass
class SourcePartition:
    """The nodes of one call, what goes in and out, and the parameters that it reads."""

    nodes: list[Node]
    source: Any
    input_nodes: list[Node] = field(default_factory=list)
    output_nodes: list[Node] = field(default_factory=list)
    params: list[Node] = field(default_factory=list)


def get_source_partitions(
    graph: Graph,
    wanted_sources: list[Any],
    filter_fn: Callable[[Node], bool] | None = None,
) -> dict[Any, list[SourcePartition]]:
    """The calls of the wanted functions and modules, as `source_fn_stack` or module notes tell."""
    found: dict[Any, dict[str, list[Node]]] = {}
    for node in graph.nodes:
        noted = node.meta.get("source_fn_stack") or node.meta.get("torch_fn")
        if noted and isinstance(noted, list):
            name, source = noted[-1]
        elif node.meta.get("nn_module_stack"):
            name, source = list(node.meta["nn_module_stack"].values())[-1]
        else:
            continue
        if source in wanted_sources:
            found.setdefault(source, {}).setdefault(name, []).append(node)
    made = {
        source: [_partition(nodes, source) for nodes in calls.values()]
        for source, calls in found.items()
    }
    if filter_fn is None:
        return made
    kept = {
        source: [p for p in parts if all(map(filter_fn, p.nodes))] for source, parts in made.items()
    }
    return {source: parts for source, parts in kept.items() if parts}


def _partition(nodes, source):
    inputs: dict[Node, None] = {}
    outputs: dict[Node, None] = {}
    params: dict[Node, None] = {}
    for node in nodes:
        for used in node.all_input_nodes:
            if used not in nodes and used.op == "get_attr":
                params[used] = None
            elif used not in nodes:
                inputs[used] = None
        if node.op == "get_attr":
            params[node] = None
        if any(user not in nodes for user in node.users):
            outputs[node] = None
    return SourcePartition(nodes, source, list(inputs), list(outputs), list(params))


def check_subgraphs_connected(subgraph1: SourcePartition, subgraph2: SourcePartition) -> bool:
    """Whether a value goes from the first into the second."""
    return any(used in subgraph1.nodes for node in subgraph2.nodes for used in node.all_input_nodes)
