"""Nodes of a graph as TensorBoard stores them."""

from __future__ import annotations

from collections.abc import Sequence

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto


def tensor_shape_proto(outputsize: Sequence[int]) -> TensorShapeProto:
    """A shape."""
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in outputsize])


def node_proto(
    name: str,
    op: str = "UnSpecified",
    input: list[str] | str | None = None,
    dtype=None,
    shape: tuple[int, ...] | None = None,
    outputsize: Sequence[int] | None = None,
    attributes: str = "",
) -> NodeDef:
    """A node: its name with its scope, its operator, the names of what goes in."""
    inputs = [input] if isinstance(input, str) else list(input or ())
    found = {"attr": AttrValue(s=attributes.encode(encoding="utf_8"))}
    if outputsize is not None:
        shapes = AttrValue.ListValue(shape=[tensor_shape_proto(outputsize)])
        found["_output_shapes"] = AttrValue(list=shapes)
    return NodeDef(name=name, op=op, input=inputs, attr=found)
