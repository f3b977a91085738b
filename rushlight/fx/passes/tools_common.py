"""Names of what nodes call, and nodes in order."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rushlight as torch

from .._names import in_pytorch
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node, _get_qualified_name

__all__ = [
    "get_acc_ops_name",
    "get_node_target",
    "is_node_output_tensor",
    "FxNetAccFusionsFinder",
    "legalize_graph",
    "stable_topological_sort",
]

Tensors = tuple[torch.Tensor] | list[torch.Tensor]
TensorOrTensors = torch.Tensor | Tensors
NodeList = list[Node]
NodeSet = set[Node]
Names = list[str]
CALLABLE_NODE_OPS = {"call_module", "call_function", "call_method"}


def get_acc_ops_name(k: str | type) -> str:
    """The name of an operator of an accelerator, as tables have it."""
    if isinstance(k, str):
        return k
    if k.__module__ and "acc_ops" in k.__module__:
        return f"acc_ops.{k.__name__}"
    module = k.__module__.replace("torch._ops", "torch.ops")
    return f"{module if module else ''}.{k.__name__}"


def get_node_target(submodules: Mapping[str, torch.nn.Module], node: Node) -> str:
    """What a node calls: the type of a module, the name of a function or of a method."""
    if node.op not in CALLABLE_NODE_OPS:
        raise AssertionError(
            f"Expect op types of {', '.join(sorted(CALLABLE_NODE_OPS))}, but found {node.op}"
        )
    if node.op == "call_module":
        kind = type(submodules[node.target])
        base = getattr(submodules[node.target], "_base_class_origin", kind)
        return get_acc_ops_name(base).replace(base.__module__, in_pytorch(base.__module__), 1)
    if node.op == "call_function":
        target = node.target
        if "acc_ops" in (getattr(target, "__module__", None) or ""):
            return f"acc_ops.{target.__name__}"
        return _get_qualified_name(target)
    return node.target


def is_node_output_tensor(node: Node) -> bool:
    """Whether the value noted of a node was a tensor."""
    kind = node.meta.get("type")
    return kind is not None and issubclass(kind, torch.Tensor)


def legalize_graph(gm: GraphModule) -> GraphModule:
    """Put every node behind those that it uses; the first in the old order goes first."""
    return _rebuilt(gm, _topological(gm.graph, stable=False))


def stable_topological_sort(gm: GraphModule) -> GraphModule:
    """Put every node behind those that it uses, and leave the order else as it was."""
    return _rebuilt(gm, _topological(gm.graph, stable=True))


def _topological(graph, stable):
    place = {node: i for i, node in enumerate(graph.nodes)}
    waiting = {node: len(node.all_input_nodes) for node in place}
    ready = [(i, node) for node, i in place.items() if not waiting[node]]
    ordered: list[Node] = []
    at = len(place)
    while ready:
        _, node = heapq.heappop(ready) if stable else ready.pop(0)
        ordered.append(node)
        for user in node.users:
            waiting[user] -= 1
            if not waiting[user]:
                at += 1
                if stable:
                    heapq.heappush(ready, (place[user], user))
                else:
                    ready.append((at, user))
    if len(ordered) < len(place):
        stuck = [node for node in place if waiting[node]]
        raise RuntimeError(
            f"Input graph has cycles, unable to add {[(n, waiting[n]) for n in stuck]}"
        )
    return ordered


def _rebuilt(gm, ordered):
    graph, copies = Graph(), {}
    for node in [n for n in ordered if n.op != "output"] + [n for n in ordered if n.op == "output"]:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph._codegen = gm.graph._codegen
    gm.graph = graph
    return gm


class FxNetAccFusionsFinder:
    """Groups of nodes that belong together because values between them are no tensors."""

    @dataclass
    class FusionGroup:
        """Nodes that belong together, and those that feed them."""

        top_node_idx: int
        nodes: set[Node]
        inputs: set[Node]
        nodes_need_process: set[Node]

        def add_node(self, node: Node) -> None:
            """Take a node in."""
            if node in self.nodes:
                return
            self.nodes_need_process.add(node)
            self.nodes.add(node)
            self.inputs.discard(node)
            self.inputs.update(
                n for n in node.all_input_nodes
                if n.op in CALLABLE_NODE_OPS and n not in self.nodes
            )  # fmt: skip

    def __init__(self, module: GraphModule, acc_nodes: set[Node]) -> None:
        self.module = module
        self.nodes = list(module.graph.nodes)
        self.acc_nodes = acc_nodes

    def recursive_add_node(
        self, fusion_group: Any, inputs: Any, visited: set[Node] | None = None
    ) -> bool:
        """Take in what lies between the group and nodes before it; whether there was any."""
        for node in inputs:
            if visited is not None:
                if node in visited:
                    continue
                visited.add(node)
            if node not in self.acc_nodes and node not in fusion_group.nodes:
                continue
            if node in fusion_group.nodes:
                return True
            if self.nodes.index(node) < fusion_group.top_node_idx:
                continue
            if self.recursive_add_node(fusion_group, node.all_input_nodes, visited):
                fusion_group.add_node(node)
                return True
        return False

    def __call__(self) -> dict[Node, set[Node]]:
        """For each node of a group, the group."""
        result: dict[Node, set[Node]] = {}
        for node in list(self.acc_nodes):
            if node in result or node.op not in CALLABLE_NODE_OPS or is_node_output_tensor(node):
                continue
            if "tensor_meta" in node.meta or node not in self.acc_nodes:
                continue
            group = self._group_of(node)
            if not group.nodes <= self.acc_nodes:
                self.acc_nodes -= group.nodes
            else:
                result.update(dict.fromkeys(group.nodes, group.nodes))
        return result

    def _group_of(self, node):
        inputs = set(node.all_input_nodes)
        group = self.FusionGroup(self.nodes.index(node), {node}, inputs, {node})
        while group.nodes_need_process:
            current = group.nodes_need_process.pop()
            self.recursive_add_node(group, group.inputs, visited=set())
            if "tensor_meta" not in current.meta:
                for user in current.users:
                    if user.op in CALLABLE_NODE_OPS and user not in group.nodes:
                        group.add_node(user)
            for used in current.all_input_nodes:
                if used.op in CALLABLE_NODE_OPS and "tensor_meta" not in used.meta:
                    if used not in group.nodes:
                        group.add_node(used)
                        group.top_node_idx = min(group.top_node_idx, self.nodes.index(used))
        return group
