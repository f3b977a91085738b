"""Putting nodes of a graph into a module of their own, and calling that in their place."""

from __future__ import annotations

from collections import deque
from typing import Any

from ...graph import Graph
from ...graph_module import GraphModule
from ...node import Node
from .common import lift_subgraph_as_module


def topo_sort(nodes: list[Node]) -> list[Node]:
    """The nodes, each behind those that it uses."""
    chosen = set(nodes)
    waiting = {n: sum(used in chosen for used in n.all_input_nodes) for n in nodes}
    ready = deque(n for n in nodes if not waiting[n])
    ordered = []
    while ready:
        node = ready.popleft()
        ordered.append(node)
        for user in node.users:
            if user in waiting:
                waiting[user] -= 1
                if not waiting[user]:
                    ready.append(user)
    if len(ordered) != len(nodes):
        raise AssertionError("topological sorted nodes doesn't have same length as input nodes")
    return ordered


def validate_partition(partition: list[Node]) -> bool:
    """Whether the nodes can be one step: no path leaves them and comes back."""
    chosen = set(partition)
    pending = [u for n in partition for u in n.users if u not in chosen]
    seen: set[Node] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        for user in node.users:
            if user in chosen:
                return False
            pending.append(user)
    return True


def fuse_as_graphmodule(
    gm: GraphModule,
    nodes: list[Node],
    module_name: str,
    partition_lookup_table: dict[Node, int | None] | None = None,
    *,
    always_return_tuple: bool = False,
) -> tuple[GraphModule, tuple[Node, ...], tuple[Node, ...]]:
    """A module that does what the nodes do, the nodes that it takes and those that it gives."""
    for node in nodes:
        if node.graph.owning_module is not gm:
            raise AssertionError(
                f"{node} doesn't belong to passed in graph module {gm._get_name()}"
            )
        if node._erased:
            raise AssertionError(f"{node} has been removed from owning graph")
    if not validate_partition(nodes):
        raise AssertionError("Invalid partition, found dependency cycles")
    chosen, graph = set(nodes), Graph()
    inputs: dict[Node, Node] = {}
    copies: dict[Node, Node] = {}

    def remap(node):
        if node in copies:
            return copies[node]
        if node.op == "get_attr" and node not in chosen:
            copies[node] = graph.node_copy(node, remap)
            return copies[node]
        if node not in inputs:
            made = graph.placeholder(node.name, type_expr=node.type)
            made.meta = dict(node.meta)
            inputs[node] = made
        return inputs[node]

    for node in nodes:
        copies[node] = graph.node_copy(node, remap)
    outputs = {n: copies[n] for n in nodes if any(user not in chosen for user in n.users)}
    results = tuple(outputs.values())
    graph.output(results[0] if len(results) == 1 and not always_return_tuple else results)
    graph.lint()
    fused, _ = lift_subgraph_as_module(gm, graph, comp_name="", class_name=module_name)
    return fused, tuple(inputs), tuple(outputs)


def insert_subgm(
    gm: GraphModule,
    sub_gm: GraphModule,
    orig_inputs: tuple[Node, ...],
    orig_outputs: tuple[Node, ...],
    insertion_point: Node | None = None,
) -> GraphModule:
    """Call a fused module in the graph, and let users of the old nodes use what it gives."""
    name = sub_gm.__class__.__name__
    gm.add_submodule(name, sub_gm)
    last = insertion_point or max(orig_outputs, key=lambda n: n._sort_key)
    with gm.graph.inserting_after(last):
        call: Any = gm.graph.call_module(name, args=orig_inputs)
    results = next(iter(reversed(sub_gm.graph.nodes))).args[0]
    if not isinstance(results, tuple):
        orig_outputs[0].replace_all_uses_with(call, propagate_meta=True)
        return gm
    at = call
    for i, old in enumerate(orig_outputs):
        with gm.graph.inserting_after(at):
            at = gm.graph.call_function(_getitem(), (call, i))
        old.replace_all_uses_with(at, propagate_meta=True)
    call.meta["val"] = tuple(old.meta.get("val") for old in orig_outputs)
    return gm


def _getitem():
    import operator

    return operator.getitem


def erase_nodes(gm: GraphModule, nodes: list[Node]) -> None:
    """Take nodes away, users first."""
    for node in reversed(nodes):
        gm.graph.erase_node(node)


def fuse_by_partitions(
    gm: GraphModule,
    partitions: list[dict[Node, int | None]],
    prefix: str = "fused_",
    always_return_tuple: bool = False,
) -> GraphModule:
    """Put each group of nodes into a module, named by `prefix` and a number."""
    for i, partition in enumerate(partitions):
        ordered = sorted(partition)
        fused, inputs, outputs = fuse_as_graphmodule(
            gm, ordered, f"{prefix}{i}", always_return_tuple=always_return_tuple
        )
        insert_subgm(gm, fused, inputs, outputs, ordered[-1])
        erase_nodes(gm, ordered)
    from ..tools_common import stable_topological_sort

    stable_topological_sort(gm)
    gm.graph.lint()
    return gm
