"""Matrix products with a common right side as one."""

from __future__ import annotations

import operator
from collections.abc import Iterable

import rushlight as torch

from .._symbolic_trace import symbolic_trace
from ..graph_module import GraphModule
from ..node import Node
from ..passes.tools_common import legalize_graph
from ..proxy import Proxy


def split_result_tensors(
    result: torch.Tensor, inputs: list[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """The rows of a result that belong to each of the inputs."""
    if isinstance(result, Proxy):
        return torch.split(result, [0] * len(inputs))
    return torch.split(result, [x.shape[0] for x in inputs])


def may_depend_on(a: Node, b: Node, search_depth: int = 6) -> bool:
    """Whether `a` uses `b`, however far back; True where that is further than `search_depth`."""
    if a is b:
        return True
    if not a.all_input_nodes:
        return False
    if search_depth == 0:
        return True
    return any(may_depend_on(used, b, search_depth - 1) for used in a.all_input_nodes)


def are_nodes_independent(nodes: list[Node]) -> bool:
    """Whether no node of the list needs another."""
    pairs = ((a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :])
    return not any(may_depend_on(a, b) or may_depend_on(b, a) for a, b in pairs)


def merge_matmul(in_mod: torch.nn.Module) -> GraphModule:
    """The module with products that have the same right side done on all left sides at once."""
    module = symbolic_trace(in_mod)
    products: dict[object, list[Node]] = {}
    for node in module.graph.find_nodes(op="call_function", target=torch.matmul):
        right = node.args[1]
        key = right.target if right.op == "get_attr" else right
        products.setdefault(key, []).append(node)
    for nodes in products.values():
        if len(nodes) > 1 and are_nodes_independent(nodes):
            _merge(module, nodes)
    legalize_graph(module)
    module.recompile()
    module.graph.lint()
    return module


def _merge(module: GraphModule, nodes: Iterable[Node]) -> None:
    nodes = list(nodes)
    left, right = [node.args[0] for node in nodes], nodes[0].args[1]
    graph = module.graph
    with graph.inserting_before(nodes[0]):
        rows = graph.call_function(torch.cat, (left,))
        product = graph.call_function(torch.matmul, (rows, right))
        parts = graph.call_function(split_result_tensors, (product, left))
        found = [graph.call_function(operator.getitem, (parts, i)) for i in range(len(nodes))]
    for node, part in zip(nodes, found, strict=True):
        node.replace_all_uses_with(part)
        graph.erase_node(node)
