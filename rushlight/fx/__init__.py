"""torch.fx: programs as graphs that Python can look at and change.

`symbolic_trace` makes a `GraphModule` of a module or function by running it on proxies. Its
`graph` is a list of `Node`s; after changes `recompile()` makes the code of its forward anew. An
`Interpreter` runs a graph node by node, a `Transformer` makes another graph while it runs.
"""

from __future__ import annotations

from ._symbolic_trace import PH as PH
from ._symbolic_trace import ProxyableClassMeta as ProxyableClassMeta
from ._symbolic_trace import Tracer, symbolic_trace, wrap
from .graph import CodeGen as CodeGen
from .graph import Graph
from .graph_module import GraphModule
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .proxy import Proxy
from .subgraph_rewriter import replace_pattern

__all__ = [
    "symbolic_trace",
    "Tracer",
    "wrap",
    "Graph",
    "GraphModule",
    "Interpreter",
    "Transformer",
    "Node",
    "Proxy",
    "replace_pattern",
    "has_side_effect",
    "map_arg",
]

_MODULES = (
    "annotate config experimental graph graph_module immutable_collections interpreter node "
    "operator_schemas passes proxy subgraph_rewriter tensor_type traceback"
).split()


def __getattr__(name: str):
    if name in _MODULES:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.fx' has no attribute '{name}'")
