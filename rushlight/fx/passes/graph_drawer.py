"""Graphs as pictures, by pydot."""

from __future__ import annotations

import hashlib
from typing import Any

from ..graph import _snake_case
from ..graph_module import GraphModule
from ..node import Node, _format_arg, _get_qualified_name
from .shape_prop import TensorMetadata

__all__ = ["FxGraphDrawer"]

_COLORS = [
    "CadetBlue1", "Coral", "DarkOliveGreen1", "DarkSeaGreen1", "GhostWhite", "Khaki1",
    "LavenderBlush1", "LightSkyBlue", "MistyRose1", "MistyRose2", "PaleTurquoise2", "PeachPuff1",
    "Salmon", "Thistle1", "Thistle3", "Wheat1",
]  # fmt: skip
_OWN_COLORS = {"placeholder": "AliceBlue", "get_attr": "LightGrey", "output": "PowderBlue"}


def _pydot():
    try:
        import pydot
    except ImportError as error:
        raise RuntimeError(
            "FXGraphDrawer requires the pydot package to be installed. Please install pydot "
            "through your favorite Python package manager."
        ) from error
    return pydot


class FxGraphDrawer:
    """Draws a module: `get_dot_graph()` is a pydot.Dot, to be written as a picture."""

    def __init__(
        self,
        graph_module: GraphModule,
        name: str,
        ignore_getattr: bool = False,
        ignore_parameters_and_buffers: bool = False,
        skip_node_names_in_args: bool = True,
        parse_stack_trace: bool = False,
        dot_graph_shape: str | None = None,
        normalize_args: bool = False,
    ) -> None:
        self._name = name
        self.dot_graph_shape = dot_graph_shape or "record"
        self.skip_node_names_in_args = skip_node_names_in_args
        self.parse_stack_trace, self.normalize_args = parse_stack_trace, normalize_args
        self.ignored = {"get_attr"} if ignore_getattr else set()
        self.with_parameters = not ignore_parameters_and_buffers
        self._dot_graphs = {name: self._draw(graph_module, name)}
        for path, module in graph_module.named_children():
            if isinstance(module, GraphModule):
                self._dot_graphs[f"{name}_{path}"] = self._draw(module, f"{name}_{path}")

    def get_dot_graph(self, submod_name: str | None = None) -> Any:
        """The picture of the module, or of one of those inside of it."""
        return self._dot_graphs[self._name if submod_name is None else submod_name]

    def get_main_dot_graph(self) -> Any:
        """The picture of the module."""
        return self._dot_graphs[self._name]

    def get_submod_dot_graph(self, submod_name: str) -> Any:
        """The picture of a module inside of it."""
        return self._dot_graphs[f"{self._name}_{submod_name}"]

    def get_all_dot_graphs(self) -> dict[str, Any]:
        """All pictures by their names."""
        return self._dot_graphs

    def _draw(self, module, name):
        pydot = _pydot()
        dot = pydot.Dot(name, rankdir="TB")
        shown = [n for n in module.graph.nodes if n.op not in self.ignored]
        for node in shown:
            dot.add_node(pydot.Node(node.name, label=self._label(module, node), **_style(node)))
        for node in shown:
            for user in node.users:
                dot.add_edge(pydot.Edge(node.name, user.name))
        return dot

    def _label(self, module, node):
        lines = [f"name=%{node.name}", f"op_code={node.op}\\n"]
        if node.op == "call_module":
            child = module.get_submodule(node.target)
            lines.append(str(type(child).__name__))
            for key in getattr(child, "__constants__", ()):
                lines.append(f"{key}: {getattr(child, key, None)}")
        else:
            lines.append(f"target={_target(node)}")
            for label, value in (("args", node.args), ("kwargs", node.kwargs)):
                if value and node.op not in ("placeholder", "output"):
                    lines.append(f"{label}={self._arguments(value)}")
        lines.append(f"num_users={len(node.users)}")
        meta = node.meta.get("tensor_meta")
        lines += _described(meta) if meta is not None else []
        if self.parse_stack_trace and node.stack_trace:
            lines.append(f"file={node.stack_trace.splitlines()[0].strip()}")
        return "{" + "|".join(_escaped(line) for line in lines) + "\\n}"

    def _arguments(self, value):
        if self.skip_node_names_in_args:
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            return {k: _format_arg(v) for k, v in parts if not isinstance(v, Node)}
        return _format_arg(value)


def _target(node):
    return node.target if isinstance(node.target, str) else _get_qualified_name(node.target)


def _style(node):
    style = {"shape": "record", "fillcolor": "#CAFFE3", "style": '"filled,rounded"',
             "fontcolor": "#000000"}  # fmt: skip
    if node.op in _OWN_COLORS:
        style["fillcolor"] = _OWN_COLORS[node.op]
    elif node.op in ("call_function", "call_method"):
        digest = hashlib.md5(_snake_case(_target(node)).encode()).hexdigest()
        style["fillcolor"] = _COLORS[int(digest, 16) % len(_COLORS)]
    return style


def _described(meta):
    if isinstance(meta, TensorMetadata):
        return [f"dtype={meta.dtype}", f"shape={tuple(meta.shape)}", f"stride={meta.stride}"]
    if isinstance(meta, (list, tuple)):
        return [line for part in meta for line in _described(part)]
    return []


def _escaped(line):
    return "".join(f"\\{c}" if c in "{}<>|" else c for c in str(line))
