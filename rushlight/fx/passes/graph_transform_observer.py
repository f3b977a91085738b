"""What a pass does to the nodes of a graph, noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph_module import GraphModule
from ..node import Node
from ..traceback import NodeSource, NodeSourceAction

__all__ = ["GraphTransformObserver"]


class GraphTransformObserver:
    """While entered, notes which nodes a pass makes, erases and replaces.

    A node that takes another's place gets that one as its source, in `meta["from_node"]`.
    """

    __pass_count = 0

    def __init__(
        self,
        gm: GraphModule,
        passname: str,
        subsystem: str | None = None,
        log_url: str | None = None,
    ) -> None:
        self.gm, self.passname, self.subsystem, self.log_url = gm, passname, subsystem, log_url
        GraphTransformObserver.__pass_count += 1
        self.erased_nodes: set[str] = set()
        self.created_nodes: set[str] = set()
        self.name_to_node: dict[str, Node] = {}
        self._hooks = {
            "create_node": self.get_node_creation_hook(),
            "erase_node": self.get_node_erase_hook(),
            "replace_node": self.get_node_replace_hook(),
            "deepcopy": self.get_deepcopy_hook(),
        }

    @classmethod
    def get_current_pass_count(cls) -> int:
        """How many passes were observed."""
        return cls.__pass_count

    def apply_gm_pass(self, pass_fn: Callable[[GraphModule], Any]) -> Any:
        """Run a pass over the module, observed."""
        with self:
            return pass_fn(self.gm)

    def apply_graph_pass(self, pass_fn: Callable[[Any], Any]) -> Any:
        """Run a pass over the graph, observed."""
        with self:
            return pass_fn(self.gm.graph)

    def __enter__(self) -> GraphTransformObserver:
        self.erased_nodes.clear()
        self.created_nodes.clear()
        for node in self.gm.graph.nodes:
            self.name_to_node[node.name] = node
        for kind, hook in self._hooks.items():
            getattr(self.gm, f"_register_{kind}_hook")(hook)
        return self

    def __exit__(self, *exc: Any) -> None:
        for kind, hook in self._hooks.items():
            getattr(self.gm, f"_unregister_{kind}_hook")(hook)

    def get_node_creation_hook(self) -> Callable[[Node], None]:
        """What is called with every new node."""

        def on_create(node):
            self.created_nodes.add(node.name)
            self.name_to_node[node.name] = node
            node.meta["from_node"] = [NodeSource(None, self.passname, NodeSourceAction.CREATE)]

        return on_create

    def get_node_erase_hook(self) -> Callable[[Node], None]:
        """What is called with every node that goes."""

        def on_erase(node):
            self.erased_nodes.add(node.name)
            self.name_to_node.pop(node.name, None)

        return on_erase

    def get_node_replace_hook(self) -> Callable[[Node, str, Node], None]:
        """What is called where one node takes another's place."""

        def on_replace(old, new, user):
            made = self.name_to_node.get(new)
            if made is None or new not in self.created_nodes:
                return
            action = [NodeSourceAction.REPLACE, NodeSourceAction.CREATE]
            made.meta["from_node"] = [NodeSource(old, self.passname, action)]

        return on_replace

    def get_deepcopy_hook(self) -> Callable[[GraphModule], None]:
        """What is called with a copy of the module."""

        def on_copy(gm):
            for kind, hook in self._hooks.items():
                getattr(gm, f"_register_{kind}_hook")(hook)

        return on_copy
