"""Graphs as pictures, by pydot."""

from __future__ import annotations

import hashlib
from typing import Any

from .. import _names
from .._readable import _parse_stack_trace
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
            if node.op == "call_module" and self.with_parameters:
                for tensor, label in _tensors_of(module.get_submodule(node.target), node.name):
                    style = {**_style(node), "fillcolor": "Salmon"}
                    dot.add_node(pydot.Node(tensor, label=label, **style))
                    dot.add_edge(pydot.Edge(tensor, node.name))
        for node in shown:
            for user in node.users:
                dot.add_edge(pydot.Edge(node.name, user.name))
        return dot

    def _label(self, module, node):
        text = f"{{name=%{node.name}|op_code={node.op}\\n"
        if node.op == "call_module":
            child = module.get_submodule(node.target)
            kind = f"{_names.in_pytorch(type(child).__module__)}.{type(child).__name__}"
            text += f"\\n{kind}\\n|"
            names = getattr(child, "__constants__", ())
            text += "\\n".join(f"{n}: {getattr(child, n, None)}" for n in names) + "\\n"
        else:
            text += f"|target={_target(node)}\\n"
            text += self._arguments("args", node.args) + self._arguments("kwargs", node.kwargs)
            text += f"|num_users={len(node.users)}\\n"
        meta = node.meta.get("tensor_meta")
        text += "".join(_described(meta)) if meta is not None else ""
        if self.parse_stack_trace and node.stack_trace:
            found = _parse_stack_trace(node.stack_trace)
            text += f"|file={_escaped(found.get_summary_str())}\\n" if found else ""
        return text + "}"

    def _arguments(self, label, value):
        """The arguments, those that are nodes left out where edges show them."""
        pairs = value.items() if isinstance(value, dict) else ((None, v) for v in value)
        shown = [
            _format_arg(v) if k is None else f"{k}: {_format_arg(v)}"
            for k, v in pairs
            if not (self.skip_node_names_in_args and isinstance(v, Node))
        ]
        if not shown:
            return ""
        left, right = ("(", ")") if isinstance(value, tuple) else ("\\{", "\\}")
        if len(shown) == 1:
            return f"|{label}={left}{_escaped(shown[0])},{right}"
        inside = "".join(f"{_escaped(part)},\\n" for part in shown)
        return f"|{label}={left}\\l{inside}{right}\\l"


def _tensors_of(module, name):
    """The parameters and buffers of a module, and how they are labelled."""
    for own, value in module.named_parameters():
        what = f"{value.dtype}{list(value.shape)}"
        yield f"{name}.{own}", f"{{{name}.{own}|op_code=get_parameter{what}\\n}}"
    for own, value in module.named_buffers():
        yield f"{name}.{own}", f"{{buffer\\l{value.dtype}{list(value.shape)}\\n}}"


def _target(node):
    return node.target if isinstance(node.target, str) else _get_qualified_name(node.target)


def _style(node):
    style = {"shape": "record", "fillcolor": "LemonChiffon1", "style": '"filled,rounded"',
             "fontcolor": "#000000"}  # fmt: skip
    if node.op in _OWN_COLORS:
        style["fillcolor"] = _OWN_COLORS[node.op]
    elif node.op in ("call_function", "call_method"):
        digest = hashlib.md5(_snake_case(_target(node)).encode()).hexdigest()
        style["fillcolor"] = _COLORS[int(digest, 16) % len(_COLORS)]
    return style


def _described(meta):
    """What was noted of a tensor, or of each of several."""
    if isinstance(meta, TensorMetadata):
        named = (
            ("dtype", meta.dtype),
            ("shape", tuple(meta.shape)),
            ("requires_grad", meta.requires_grad),
            ("stride", meta.stride),
        )
        return [f"|{name}={value}\\n" for name, value in named]
    if isinstance(meta, (list, tuple)):
        return [line for part in meta for line in _described(part)]
    return []


def _escaped(line):
    return "".join(f"\\{c}" if c in "{}<>|" else c for c in str(line))
