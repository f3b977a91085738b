"""Groups of nodes that a backend can run in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...graph_module import GraphModule
from ...node import Node, _get_qualified_name
from ..operator_support import OperatorSupportBase
from ..utils.fuser_utils import fuse_by_partitions


class Partition:
    """A group of nodes."""

    def __init__(
        self,
        id: int | None = None,
        nodes: Iterable[Node] | None = None,
        node_orders: Iterable[int] | None = None,
    ) -> None:
        self.id = id
        orders = node_orders if node_orders is not None else [None] * len(list(nodes or ()))
        self.nodes: dict[Node, int | None] = dict(zip(nodes or (), orders, strict=False))

    def __repr__(self) -> str:
        return str(self.nodes)

    def add_node(self, node: Node, node_order: int | None = None) -> None:
        """Take a node in."""
        self.nodes[node] = node_order

    def remove_node(self, node: Node) -> None:
        """Leave a node out."""
        del self.nodes[node]

    def size(self) -> int:
        """How many nodes there are."""
        return len(self.nodes)


class CapabilityBasedPartitioner:
    """Finds groups of supported nodes, as large as they can be without a cycle."""

    def __init__(
        self,
        graph_module: GraphModule,
        operator_support: OperatorSupportBase,
        allows_single_node_partition: bool = False,
        non_compute_ops: Sequence[str] | None = None,
        allowed_single_node_partition_ops: Sequence[str] | None = None,
        skip_horizontal_fusion: bool = False,
    ) -> None:
        self.graph_module = graph_module
        self.operator_support = operator_support
        self.allows_single_node_partition = allows_single_node_partition
        self.non_compute_ops = non_compute_ops or []
        self.allowed_single_node_partition_ops = allowed_single_node_partition_ops or []
        self.skip_horizontal_fusion = skip_horizontal_fusion

    def _is_node_supported(self, node: Node) -> bool:
        modules = dict(self.graph_module.named_modules())
        return self.operator_support.is_node_supported(modules, node)

    def propose_partitions(self) -> list[Partition]:
        """The groups: nodes are taken from the last to the first, and joined where they can be."""
        after = _reachable(self.graph_module)
        group_of: dict[Node, int] = {}
        groups: dict[int, dict[Node, int]] = {}
        for order, node in enumerate(reversed(self.graph_module.graph.nodes)):
            if node.op in ("placeholder", "output") or not self._is_node_supported(node):
                continue
            number = len(group_of)
            groups[number], group_of[node] = {node: order}, number
            near = [group_of[u] for u in node.users if u in group_of]
            others = near if self.skip_horizontal_fusion else [*near, *groups]
            for other in dict.fromkeys(others):
                own = group_of[node]
                if other in groups and other != own and _joinable(groups, own, other, after):
                    for moved in groups[own]:
                        group_of[moved] = other
                    groups[other].update(groups.pop(own))
        made = [Partition(i, list(g), list(g.values())) for i, g in groups.items()]
        return [p for p in made if self._worth(p)]

    def _worth(self, partition):
        """Whether a group is more than one node, or single ones are wanted."""
        computing = 0
        for node in partition.nodes:
            if node.op != "call_function":
                computing += 1
                continue
            name = _get_qualified_name(node.target)
            computing += name not in self.non_compute_ops
            if name in self.allowed_single_node_partition_ops:
                return True
        return computing > (0 if self.allows_single_node_partition else 1)

    def fuse_partitions(self, partitions: list[Partition], prefix: str = "fused_") -> GraphModule:
        """The module with a child for each group."""
        return fuse_by_partitions(self.graph_module, [p.nodes for p in partitions], prefix=prefix)

    def remove_bookend_non_compute_ops(self, partitions: list[Partition]) -> None:
        """Leave out nodes at either end of a group that compute nothing."""

        def idle(node):
            name = node.op == "call_function" and _get_qualified_name(node.target)
            return name in self.non_compute_ops

        for partition in partitions:
            while True:
                nodes = partition.nodes
                ends = [
                    n
                    for n in nodes
                    if idle(n)
                    and (
                        not any(used in nodes for used in n.all_input_nodes)
                        or not any(user in nodes for user in n.users)
                    )
                ]
                if not ends:
                    break
                for node in ends:
                    partition.remove_node(node)

    def partition_and_fuse(self, prefix: str = "fused_") -> GraphModule:
        """Find the groups and make children of them."""
        return self.fuse_partitions(self.propose_partitions(), prefix=prefix)


def _reachable(module: GraphModule) -> dict[Node, set[Node]]:
    """The nodes behind each node that its value goes into."""
    found: dict[Node, set[Node]] = {}
    for node in reversed(module.graph.nodes):
        found[node] = set().union(*({user} | found[user] for user in node.users))
    return found


def _joinable(groups: Any, a: int, b: int, after: dict[Node, set[Node]]) -> bool:
    """Whether no path leaves the two groups together and comes back."""
    joined = groups[a].keys() | groups[b].keys()
    outside = {user for node in joined for user in node.users} - joined
    return not any(after[node] & joined for node in outside)
