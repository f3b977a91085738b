"""Stopping in generated code."""

from __future__ import annotations

from ..graph_module import GraphModule

__all__ = ["set_trace"]


def set_trace(gm: GraphModule) -> GraphModule:
    """Let the module stop in the debugger at the beginning of its code."""

    def insert(body):
        return ["import pdb; pdb.set_trace()\n", *body]

    with gm.graph.on_generate_code(
        make_transformer=lambda old: lambda body: insert(old(body) if old else body)
    ):
        gm.recompile()
    return gm
