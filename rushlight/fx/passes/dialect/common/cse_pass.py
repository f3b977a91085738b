"""Equal steps done once."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ....graph import Graph
from ....graph_module import GraphModule
from ....node import Node, map_aggregate
from ...infra.pass_base import PassBase, PassResult

aten = torch.ops.aten
_RANDOM = """
    dropout _fused_dropout _standard_gamma bernoulli multinomial native_dropout normal poisson
    binomial rrelu rand_like rand randint randn randperm
""".split()
_MADE = "empty empty_like empty_strided full_like ones_like zeros_like".split()


def get_CSE_banned_ops() -> set[Any]:
    """Operators whose calls must stay apart: they draw, or make memory to write into."""
    return {getattr(aten, name) for name in (*_RANDOM, *_MADE)} | {aten.set_, aten.alias}


class CSEPass(PassBase):
    """Lets equal calls of operators be one; `banned_ops` are left alone."""

    def __init__(self, banned_ops: set[Any] | None = None) -> None:
        self.banned_ops = banned_ops or set()
        super().__init__()

    def call(self, graph_module: GraphModule) -> PassResult:
        """A module without the repeated steps."""
        made, modified = Graph(), False
        copies: dict[Node, Node] = {}
        known: dict[Any, Node] = {}
        for node in graph_module.graph.nodes:
            packet = getattr(node.target, "_packet", node.target)
            if node.op != "call_function" or packet in self.banned_ops or node.is_impure():
                copies[node] = made.node_copy(node, copies.__getitem__)
                continue
            key = _key(node, copies)
            if key in known:
                copies[node], modified = known[key], True
            else:
                copies[node] = known[key] = made.node_copy(node, copies.__getitem__)
        return PassResult(GraphModule(graph_module, made), modified)


def _key(node, copies):
    """What two calls must have in common to be one."""

    def value(a):
        return ("node", id(copies[a])) if isinstance(a, Node) else (type(a), repr(a))

    return (
        node.target,
        repr(map_aggregate(node.args, value)),
        repr(sorted(map_aggregate(node.kwargs, value).items())),
    )
