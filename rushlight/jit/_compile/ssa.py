"""From variables to values: each load gives what the last store before it put there."""

from __future__ import annotations


def remove_variables(graph) -> None:
    """Take the loads and stores of variables out of a graph."""
    _walk(graph.block(), {})


def _walk(block, variables: dict) -> None:
    for node in list(block.nodes()):
        kind = node.kind()
        if kind == "prim::Store":
            variables[node.s("name")] = node.input()
            node.destroy()
        elif kind == "prim::Load":
            node.output().replaceAllUsesWith(variables[node.s("name")])
            node.destroy()
        else:
            for inner in node.blocks():
                _walk(inner, dict(variables))
