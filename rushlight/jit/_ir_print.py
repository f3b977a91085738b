"""The text of graphs, as PyTorch prints them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from .. import _C

if TYPE_CHECKING:
    from ._ir import Block, Graph
    from ._ir_node import Node
    from ._ir_value import Value

print_source_ranges = True
_SHOWN = 10  # a tensor of more elements is only named
_ESCAPES = {
    "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def graph_text(graph: Graph, places: bool = True) -> str:
    """The whole graph, and the graphs that its nodes hold."""
    groups: list[tuple[str, Graph]] = []
    inputs = ",\n      ".join(_typed(v) for v in graph.inputs())
    lines = [f"graph({inputs}):"]
    for node in graph.nodes():
        _node_lines(node, 1, lines, groups, places)
    lines.append(f"  return ({_names(graph.outputs())})")
    for name, inner in groups:
        lines.append(f"with {name} = {graph_text(inner, places).rstrip()}")
    return "\n".join(lines) + "\n"


def node_text(node: Node) -> str:
    """One node and its blocks."""
    lines: list[str] = []
    _node_lines(node, 0, lines, None, print_source_ranges)
    return "\n".join(lines) + "\n"


def _node_lines(node: Node, level: int, lines: list[str], groups, places: bool) -> None:
    outputs = ", ".join(_typed(v) for v in node.outputs())
    name = node.kind_
    attributes = node.attributes
    if name == "prim::PythonOp":
        name = f"^{node.pyname()}[]({', '.join(map(literal, node.scalars))})"
    elif groups is not None and "Subgraph" in attributes:
        name = f"{name}_{len(groups)}"
        groups.append((name, attributes["Subgraph"][1]))
        attributes = {k: v for k, v in attributes.items() if k != "Subgraph"}
    said = ", ".join(f"{k}={attribute_text(*v)}" for k, v in attributes.items())
    text = f"{outputs} = {name}{f'[{said}]' if said else ''}({_names(node.inputs())})"
    if node.scope:
        text += f", scope: {node.scope}"
    if places and node.source is not None and str(node.source):
        text += f" # {node.source}"
    lines.append("  " * level + text)
    for i, block in enumerate(node.blocks()):
        _block_lines(block, i, level + 1, lines, groups, places)


def _block_lines(block: Block, number: int, level: int, lines, groups, places) -> None:
    inputs = ", ".join(_typed(v) for v in block.inputs())
    lines.append(f"{'  ' * level}block{number}({inputs}):")
    for node in block.nodes():
        _node_lines(node, level + 1, lines, groups, places)
    lines.append(f"{'  ' * (level + 1)}-> ({_names(block.outputs())})")


def _typed(value: Value) -> str:
    return f"%{value.debugName()} : {value.type().str()}"


def _names(values) -> str:
    return ", ".join(f"%{v.debugName()}" for v in values)


# -- constants -------------------------------------------------------------------------------


def attribute_text(kind: str, value: Any) -> str:
    """An attribute as it stands in brackets behind the kind of a node."""
    if kind == "t":
        return tensor_text(value)
    if kind == "ts":
        return "[<Tensors>]"
    if kind == "g":
        return "<Graph>"
    if kind == "gs":
        return "[<Graphs>]"
    if kind == "ty":
        return value.str()
    if kind == "tys":
        return f"[{', '.join(t.str() for t in value)}]"
    return literal(value)


def literal(value: Any) -> str:
    """A constant of any kind."""
    if isinstance(value, Enum):
        from ._compile.unit import qualified_name

        return f"{qualified_name(type(value))}.{value.name}"
    if value is None or isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, complex):
        return f"{number_text(value.real)}+{number_text(value.imag)}j"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, _C.Tensor):
        return tensor_text(value)
    if isinstance(value, list):
        if value and isinstance(value[0], _C.Tensor):
            return "[<Tensors>]"
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, _C.Generator):
        return f'torch.Generator(device="{value.device}", seed={value.initial_seed()})'
    text = getattr(value, "ir_text", None)  # enumerations, objects of scripted classes
    return text() if text is not None else str(value)


def number_text(value: float) -> str:
    """A float with all digits; a point behind whole numbers that are not huge."""
    text = f"{value:.17g}"
    return text + "." if value == value and abs(value) < 1e10 and value == int(value) else text


def quoted(text: str) -> str:
    """A string literal: ASCII, other bytes in octal."""
    out = []
    for byte in text.encode("utf-8", "surrogateescape"):
        char = chr(byte)
        plain = 32 <= byte < 127
        out.append(_ESCAPES.get(char) or (char if plain else f"\\{byte:03o}"))
    return f'"{"".join(out)}"'


def tensor_text(tensor: Any) -> str:
    """A tensor of few elements in one line, with its dtype and shape; `<Tensor>` for others."""
    if tensor.layout is not _strided() or tensor.device.type == "meta" or tensor.is_quantized:
        return "<Tensor>"
    if tensor.numel() == 1:
        item = tensor.item()
        if isinstance(item, bool):
            return f"{{{int(item)}}}"
        if isinstance(item, complex):
            return f"{{({item.real:g},{item.imag:g})}}"
        return f"{{{item:g}}}" if isinstance(item, float) else f"{{{item}}}"
    if tensor.numel() > _SHOWN:
        return "<Tensor>"
    from ._ir_tensor import elements_text

    shape = ",".join(map(str, tensor.shape))
    name = f"{tensor.device.type.upper()}{tensor.dtype._scalar_name}Type"
    return f"{elements_text(tensor)}[ {name}{{{shape}}} ]"


def _strided():
    from ..tensor import LAYOUTS

    return LAYOUTS["strided"]
