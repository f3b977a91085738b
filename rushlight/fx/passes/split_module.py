"""A module as several, one after the other."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ...nn import Module
from ..graph import Graph
from ..graph_module import GraphModule, _assign_attr, _get_attr
from ..node import Node, map_arg

__all__ = ["Partition", "split_module", "split_module_simple"]


class Partition:
    """One of the parts: its nodes, what it takes and gives, and which parts it follows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.submod_name = f"submod_{name}"
        self.node_names: list[str] = []
        self.inputs: dict[str, None] = {}
        self.outputs: dict[str, None] = {}
        self.dependencies: dict[str, None] = {}
        self.dependents: dict[str, None] = {}
        self.graph = Graph()
        self.environment: dict[Node, Node] = {}
        self.targets: dict[str, Any] = {}

    def __repr__(self) -> str:
        return (
            f"name: {self.name},\n nodes: {self.node_names},\n inputs: {self.inputs},\n outputs: "
            f"{self.outputs},\n partitions depended on: {self.dependencies},\n partition "
            f"dependents: {self.dependents}"
        )


class _Splitter:
    """The parts of one module as they are made."""

    def __init__(self, module, callback, affix):
        self.module, self.affix = module, affix
        self.parts: dict[str, Partition] = {}
        self.part_of: dict[Node, str] = {}
        for node in module.graph.nodes:
            if node.op in ("placeholder", "get_attr", "output"):
                continue
            name = str(callback(node))
            self.part_of[node] = name
            self._part(name).node_names.append(node.name)
        for node in module.graph.nodes:
            map_arg((node.args, node.kwargs), lambda used, n=node: self._note(used, n))

    def _part(self, name):
        if name not in self.parts:
            part = self.parts[name] = Partition(name)
            if self.affix:
                part.submod_name = f"submod_{self.affix}_{name}"
        return self.parts[name]

    def _note(self, used, user):
        """That a value goes from one part to another."""
        source, target = self.part_of.get(used), self.part_of.get(user)
        if source == target:
            return used
        if source is not None:
            self.parts[source].outputs.setdefault(used.name)
        if target is not None:
            self.parts[target].inputs.setdefault(used.name)
            if source is not None:
                self.parts[target].dependencies.setdefault(source)
                self.parts[source].dependents.setdefault(target)
        return used

    def order(self, keep: bool) -> list[str]:
        """The parts, each behind those that it needs."""
        left = {name: set(part.dependencies) for name, part in self.parts.items()}
        ordered: list[str] = []
        while left:
            ready = [name for name, needs in left.items() if not needs - set(ordered)]
            if not ready:
                raise RuntimeError("cycle exists between partitions!")
            for name in ready[:1] if keep else ready:
                ordered.append(name)
                del left[name]
        return ordered

    def fill(self, keep_names: bool) -> None:
        """Copy the nodes into the graphs of their parts."""
        nodes = {node.name: node for node in self.module.graph.nodes}
        for part in self.parts.values():
            for name in part.inputs:
                old = nodes[name]
                made = part.graph.placeholder(old.name, type_expr=old.type)
                made.meta = dict(old.meta)
                part.environment[old] = made
        for node in self.module.graph.nodes:
            if node in self.part_of:
                self._copy(node, self.parts[self.part_of[node]], keep_names)
        for part in self.parts.values():
            results = tuple(part.environment[nodes[name]] for name in part.outputs)
            part.graph.output(results[0] if len(results) == 1 else results)

    def _copy(self, node, part, keep_names):
        local = part.environment.__getitem__
        args, kwargs = map_arg(node.args, local), map_arg(node.kwargs, local)
        target = node.target
        if node.op == "call_module":
            target = _flat(target)
            part.targets[target] = (_get_attr(self.module, node.target), node.target)
        name = node.name if keep_names else None
        made = part.graph.create_node(node.op, target, args, kwargs, name, node.type)
        made.meta = dict(node.meta)
        part.environment[node] = made


def _flat(target):
    return target.replace(".", "_")


def split_module(
    m: GraphModule,
    root_m: Module,
    split_callback: Callable[[Node], int],
    qualname_map: dict[str, str] | None = None,
    keep_original_order: bool | None = False,
    keep_original_node_name: bool | None = False,
    keep_original_input_name: bool = True,
    *,
    partition_affix: str | None = None,
    tuple_return: bool = False,
) -> GraphModule:
    """A module that calls submod_0, submod_1, ... in turn.

    `split_callback` says to which part a node belongs. `qualname_map` is filled with the old paths
    of what the parts hold.
    """
    splitter = _Splitter(m, split_callback, partition_affix)
    splitter.fill(bool(keep_original_node_name))
    base, values = Graph(), {}
    holder: dict[str, Any] = {}
    nodes = {node.name: node for node in m.graph.nodes}

    for kind in ("placeholder", "get_attr"):
        for node in m.graph.find_nodes(op=kind):
            values[node] = base.node_copy(node)
            if kind == "get_attr":
                holder[node.target] = _get_attr(m, node.target)
    for name in splitter.order(bool(keep_original_order)):
        part = splitter.parts[name]
        holder[part.submod_name] = _module_of(part, qualname_map)
        call = base.call_module(part.submod_name, tuple(values[nodes[n]] for n in part.inputs))
        results = list(part.outputs)
        for i, result in enumerate(results):
            got = call if len(results) == 1 else _item(base, call, i)
            values[nodes[result]] = got
    for node in m.graph.nodes:
        if node.op == "output":
            made = base.output(map_arg(node.args[0], values.__getitem__), node.type)
            made.meta = dict(node.meta)
    base._codegen = m.graph._codegen
    root = Module()
    for path, value in holder.items():
        _assign_attr(value, root, path)
    result = GraphModule(root, base)
    result.meta.update(getattr(m, "meta", {}))
    return result


def _item(graph, call, i):
    """One of the values that a part gives."""
    return graph.call_function(operator.getitem, (call, i))


def _module_of(part, qualname_map):
    root = Module()
    for path, (value, old) in part.targets.items():
        _assign_attr(value, root, path)
        if qualname_map is not None:
            qualname_map[f"{part.submod_name}.{path}"] = old
    return GraphModule(root, part.graph)


def split_module_simple(
    m: GraphModule,
    node_to_partition: dict[Node, int],
    *,
    partition_affix: str | None = None,
) -> GraphModule:
    """`split_module` by a table of nodes and parts."""
    return split_module(m, m, node_to_partition.__getitem__, partition_affix=partition_affix)
