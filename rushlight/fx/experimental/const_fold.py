"""What depends on no input, computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

from .._symbolic_trace import symbolic_trace
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node

__all__ = ["FoldedGraphModule", "get_unique_attr_name_in_module", "split_const_subgraphs"]


class FoldedGraphModule(GraphModule):
    """A module whose constant part runs at the first call, into attributes that the rest reads."""

    def __init__(
        self,
        root: torch.nn.Module,
        graph: Graph,
        const_subgraph: Graph | None = None,
        fx_const_folded_attrs_name: str | None = None,
        device_for_folded_attrs: str = "cuda",
    ) -> None:
        super().__init__(root, graph)
        self.const_subgraph_module = (
            None if const_subgraph is None else GraphModule(root, const_subgraph)
        )
        self.has_folding_been_run = False
        self.fx_const_folded_attrs_name = fx_const_folded_attrs_name
        self.device_for_folded_attrs = device_for_folded_attrs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.has_folding_been_run:
            self.run_folding()
        return super().__call__(*args, **kwargs)

    def run_folding(self) -> None:
        """Compute the constant part."""
        if self.const_subgraph_module is None or self.fx_const_folded_attrs_name is None:
            return
        if self.has_folding_been_run:
            raise AssertionError("Folding has already been run")
        self.has_folding_been_run = True
        folded = self.const_subgraph_module()

        def kept(value):
            trained = isinstance(value, torch.Tensor) and value.requires_grad
            return torch.nn.Parameter(value.detach()) if trained else value

        values = tuple(map(kept, folded)) if isinstance(folded, tuple) else kept(folded)
        setattr(self, self.fx_const_folded_attrs_name, values)


def get_unique_attr_name_in_module(mod_traced: GraphModule, name: str) -> str:
    """A name like `name` that a module does not have."""
    import re

    name = re.sub("[^0-9a-zA-Z_]+", "_", name)
    if name[0].isdigit():
        name = f"_{name}"
    while hasattr(mod_traced, name):
        found = re.match(r"(.*)_(\d+)$", name)
        name = f"{found[1]}_{int(found[2]) + 1}" if found else f"{name}_1"
    return name


def split_const_subgraphs(
    module: torch.nn.Module | GraphModule,
    skip_folding_node_fn: Callable[[Node], bool] | None = None,
    device_for_folded_attrs: str = "cpu",
) -> FoldedGraphModule:
    """The module with all that depends on no input in a part that runs once.

    `skip_folding_node_fn` says which nodes stay where they are.
    """
    traced = module if isinstance(module, GraphModule) else symbolic_trace(module)
    constant = _constant_nodes(traced, skip_folding_node_fn)
    if not any(n.op != "get_attr" for n in constant):
        return FoldedGraphModule(traced, traced.graph)
    given = [n for n in constant if n.op != "get_attr" and any(u not in constant for u in n.users)]
    name = get_unique_attr_name_in_module(traced, "_FX_CONST_FOLDED_ATTRS")
    once, copies = Graph(), {}
    for node in constant:
        copies[node] = once.node_copy(node, copies.__getitem__)
    results = tuple(copies[n] for n in given)
    once.output(results[0] if len(results) == 1 else results)
    setattr(traced, name, torch.nn.Parameter(torch.randn(1)))  # until the first call
    rest = _without(traced, constant, given, name)
    return FoldedGraphModule(traced, rest, once, name, device_for_folded_attrs)


def _constant_nodes(traced, skip):
    """The nodes that depend on no input and have no effect, in order."""
    found: dict[Node, None] = {}
    for node in traced.graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        if node.op != "get_attr" and not set(node.all_input_nodes) <= found.keys():
            continue
        if skip is not None and skip(node) or node.is_impure():
            continue
        if node.op != "get_attr" and not node.all_input_nodes:
            continue
        found[node] = None
    return found


def _without(traced, constant, given, name):
    """The graph with what is read from the folded attributes in the place of constant nodes."""
    import operator

    graph, copies = Graph(), {}
    folded = None
    for node in traced.graph.nodes:
        if node in given:
            if folded is None:
                folded = graph.get_attr(name)
            single = len(given) == 1
            at = given.index(node)
            copies[node] = folded if single else graph.call_function(operator.getitem, (folded, at))
        elif node not in constant or node.op == "get_attr" and node.users.keys() - constant.keys():
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return graph
