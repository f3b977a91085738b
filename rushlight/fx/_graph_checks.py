"""Whether a graph is well formed, and the table that shows it."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from .node import Node, map_arg


def lint(graph: Any) -> None:
    """RuntimeError at the first thing that is wrong: order, names, foreign nodes, targets."""
    seen: dict[Node, None] = {}
    names: set[str] = set()
    for node in graph.nodes:
        if node.graph is not graph:
            raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
        for used in node._input_nodes:
            _check_argument(graph, node, used, seen)
        if node.name in names:
            raise RuntimeError(f"Node redefined name {node.name}!")
        seen[node] = None
        names.add(node.name)
    if graph.owning_module is not None:
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module"):
                _check_target(graph.owning_module, node)


def _check_argument(graph, node, used, seen):
    if used.graph is not graph:
        raise RuntimeError(
            f"Argument '{used}' of Node '{node}' does not belong to this Graph, but was used as an "
            "argument! If you are copying nodes from another graph, make sure to use "
            f"``arg_transform`` on node_copy() to remap values\n{graph}"
        )
    if used not in seen:
        raise RuntimeError(
            f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check "
            f"that Nodes in the graph are topologically ordered\n{graph}"
        )


def _check_target(module, node):
    *path, last = node.target.split(".")
    holder = module
    for name in (*path, last):
        found = getattr(holder, name, None)
        if name is last and not path and not hasattr(holder, name):
            found = None
        if found is None and not hasattr(holder, name):
            raise RuntimeError(
                f"Node {node} target {node.target} references nonexistent attribute {name} of "
                f"{'.'.join(path[: path.index(name)]) if name in path else '.'.join(path)}"
            )
        holder = found
    if node.op == "call_module" and not isinstance(holder, torch.nn.Module):
        raise RuntimeError(
            f"Node {node} target {node.target} {node.target} of {'.'.join(path)} does not "
            "reference an nn.Module"
        )


def print_tabular(graph: Any) -> None:
    """Print op, name, target and arguments of each node."""
    heads = ("opcode", "name", "target", "args", "kwargs")
    rows = [tuple(map(str, (n.op, n.name, n.target, n.args, n.kwargs))) for n in graph.nodes]
    widths = [max(len(head) + 2, *(len(r[i]) for r in rows), 0) for i, head in enumerate(heads)]
    for row in (heads, tuple("-" * w for w in widths), *rows):
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def users_of(graph: Any) -> dict[Node, list[Node]]:
    """The nodes whose last user each node is: what may be forgotten after it."""
    last: dict[Node, Node] = {}
    done: dict[Node, list[Node]] = {}

    def note(used, user):
        if used not in last:
            last[used] = user
            done.setdefault(user, []).append(used)

    for node in reversed(graph.nodes):
        map_arg(node.args, lambda n, user=node: note(n, user))
        map_arg(node.kwargs, lambda n, user=node: note(n, user))
    return done
