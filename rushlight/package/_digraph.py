"""A graph of modules: who needs whom."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any


class DiGraph:
    """Named nodes with attributes, and arrows between them, in the order they were added."""

    def __init__(self):
        self._nodes: dict[str, dict[str, Any]] = {}
        self._after: dict[str, dict[str, None]] = {}
        self._before: dict[str, dict[str, None]] = {}

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """The attributes of each node."""
        return self._nodes

    @property
    def edges(self) -> Iterator[tuple[str, str]]:
        """The arrows."""
        return ((a, b) for a, after in self._after.items() for b in after)

    def add_node(self, name: str, **attributes: Any) -> None:
        """A node, or more attributes of one."""
        self._nodes.setdefault(name, {}).update(attributes)
        self._after.setdefault(name, {})
        self._before.setdefault(name, {})

    def add_edge(self, a: str, b: str) -> None:
        """An arrow, and the nodes at its ends."""
        self.add_node(a)
        self.add_node(b)
        self._after[a][b] = None
        self._before[b][a] = None

    def successors(self, name: str) -> Iterator[str]:
        """Where arrows from a node lead."""
        self._check(name)
        return iter(self._after[name])

    def predecessors(self, name: str) -> Iterator[str]:
        """Where arrows to a node come from."""
        self._check(name)
        return iter(self._before[name])

    def _check(self, name: str) -> None:
        if name not in self._nodes:
            raise ValueError(f"The node {name} is not in the digraph.")

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def forward_transitive_closure(self, src: str) -> set[str]:
        """All that can be reached from a node, and itself."""
        return self._reached(src, self._after)

    def backward_transitive_closure(self, src: str) -> set[str]:
        """All that a node can be reached from, and itself."""
        return self._reached(src, self._before)

    def _reached(self, start, arrows) -> set[str]:
        self._check(start)
        found, waiting = {start}, deque([start])
        while waiting:
            for name in arrows[waiting.popleft()]:
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return found

    def first_path(self, dst: str) -> list[str]:
        """One way to a node from one that nothing leads to."""
        path = [dst]
        while True:
            before = next((n for n in self.predecessors(path[0]) if n not in path), None)
            if before is None:
                return path
            path.insert(0, before)

    def all_paths(self, src: str, dst: str) -> str:
        """The part of the graph that lies between two nodes, as text for graphviz."""
        between = self.forward_transitive_closure(src) & self.backward_transitive_closure(dst)
        part = DiGraph()
        for a, b in self.edges:
            if a in between and b in between:
                part.add_edge(a, b)
        return part.to_dot()

    def to_dot(self) -> str:
        """The graph as text for graphviz."""
        lines = "\n".join(f'"{a}" -> "{b}";' for a, b in self.edges)
        return f"digraph G {{\nrankdir = LR;\nnode [shape=box];\n{lines}\n}}\n"
