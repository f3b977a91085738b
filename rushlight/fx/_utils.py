"""Texts about graphs."""

from __future__ import annotations

from typing import Any

from .graph_module import GraphModule


def _format_graph_code(name: str, filename: str, graph_str: str) -> str:
    """A graph's code under its name and file."""
    return f"TRACED GRAPH\n {name} {filename} {graph_str}\n"


def lazy_format_graph_code(
    name: str, gm: GraphModule, maybe_id: int | None = None, **kwargs: Any
) -> str:
    """The readable code of a module under a name."""
    if maybe_id is not None:
        name = f"{name} {maybe_id}"
    text = gm.print_readable(print_output=False, **kwargs)
    return _format_graph_code(f"===== {name} =====\n", gm.forward.__code__.co_filename, text)


def first_call_function_nn_module_stack(graph: Any) -> dict | None:
    """The modules around the first function call that notes them."""
    for node in graph.nodes:
        if node.op == "call_function" and "nn_module_stack" in node.meta:
            return node.meta["nn_module_stack"]
    return None


def get_node_context(node: Any, num_nodes: int = 2) -> str:
    """A node and those before it, as code."""
    lines: list[str] = []
    current = node
    for _ in range(num_nodes + 1):
        if current.op == "root":
            break
        lines.append(str(current.format_node()))
        current = current.prev
    return "\n".join(reversed(lines))
