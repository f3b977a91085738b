"""A module as several, by tags of its nodes."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

from ...nn import Module
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node, map_arg
from .utils.common import HolderModule, lift_subgraph_as_module

__all__ = ["getattr_recursive", "setattr_recursive", "Component", "split_by_tags"]


def getattr_recursive(obj: object, name: str) -> Any:
    """What is at a path; None where there is nothing."""
    for part in name.split("."):
        if not hasattr(obj, part):
            return None
        obj = getattr(obj, part)
    return obj


def setattr_recursive(obj: object, attr: str, value: object) -> None:
    """Put a value at a path."""
    *path, name = attr.split(".")
    for part in path:
        obj = getattr(obj, part)
    setattr(obj, name, value)


@dataclass
class Component:
    """One of the parts as it is made."""

    graph: Graph
    order: int
    name: str
    input_placeholders: list[Node] = field(default_factory=list)
    orig_inputs: list[Node] = field(default_factory=list)
    orig_outputs: list[Node] = field(default_factory=list)
    getattr_maps: dict[Node, Node] = field(default_factory=dict)
    constructor_args: list[str] = field(default_factory=list)
    gm: GraphModule | None = None


def split_by_tags(
    gm: GraphModule,
    tags: list[str],
    return_fqn_mapping: bool = False,
    return_tuple: bool = False,
    GraphModuleCls: type[GraphModule] = GraphModule,
) -> Any:
    """A module with a child for each of the tags, called in their order.

    Every node that calls something has a `tag`. With `return_fqn_mapping`, also the old paths of
    what the children hold; with `return_tuple` children always give tuples.
    """
    parts = {tag: Component(Graph(), i, tag) for i, tag in enumerate(tags)}
    home: dict[Node, Component] = {}
    copies: dict[Node, Node] = {}
    for node in gm.graph.nodes:
        if node.op in ("placeholder", "get_attr", "output"):
            continue
        part = home[node] = parts[node.tag]
        copies[node] = part.graph.node_copy(node, lambda n, p=part: _local(n, p, home, copies))
        copies[node].tag = node.tag
    _note_outputs(gm, home)
    paths: dict[str, str] = {}
    for part in parts.values():
        paths.update(_finish(gm, part, copies, return_tuple))
    made = _joined(gm, list(parts.values()), GraphModuleCls, return_tuple)
    return (made, paths) if return_fqn_mapping else made


def _local(node, part, home, copies):
    """What stands for a node within a part."""
    if home.get(node) is part:
        return copies[node]
    if node.op == "get_attr":
        if node not in part.getattr_maps:
            part.getattr_maps[node] = part.graph.get_attr(node.target, node.type)
        return part.getattr_maps[node]
    if node in home and home[node].order > part.order:
        raise AssertionError(f"{node} of {home[node].name} is used in {part.name}, before it")
    if node not in part.orig_inputs:
        made = part.graph.placeholder(node.name, type_expr=node.type)
        made.meta = dict(node.meta)
        part.orig_inputs.append(node)
        part.input_placeholders.append(made)
    return part.input_placeholders[part.orig_inputs.index(node)]


def _note_outputs(gm, home):
    for node in gm.graph.nodes:
        part = home.get(node)
        if part is not None and any(home.get(user) is not part for user in node.users):
            part.orig_outputs.append(node)


def _finish(gm, part, copies, return_tuple):
    results = tuple(copies[node] for node in part.orig_outputs)
    part.graph.output(results[0] if len(results) == 1 and not return_tuple else results)
    part.gm, paths = lift_subgraph_as_module(gm, part.graph, comp_name=part.name)
    return paths


def _joined(gm, parts, cls, return_tuple):
    main, values = Graph(), {}
    holder: dict[str, Module | None] = {}
    for node in gm.graph.find_nodes(op="placeholder"):
        values[node] = main.node_copy(node)
    for part in parts:
        holder[part.name] = part.gm
        call = main.call_module(part.name, tuple(values[n] for n in part.orig_inputs))
        single = len(part.orig_outputs) == 1 and not return_tuple
        for i, node in enumerate(part.orig_outputs):
            values[node] = call if single else main.call_function(operator.getitem, (call, i))
    root = HolderModule(holder)

    def outer(node):
        if node not in values:  # an attribute that is returned as it is
            values[node] = main.node_copy(node)
            setattr_recursive(root, node.target, getattr_recursive(gm, node.target))
        return values[node]

    main.output(map_arg(gm.graph.output_node().args[0], outer))
    main._codegen = gm.graph._codegen
    return cls(root, main)
