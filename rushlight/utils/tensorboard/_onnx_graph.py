"""The graph of an ONNX file as TensorBoard stores it."""

from __future__ import annotations

from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.versions_pb2 import VersionDef

from ._proto_graph import node_proto


def load_onnx_graph(fname) -> GraphDef:
    """The graph of the model in a file; ImportError without the onnx package."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "add_onnx_graph needs the onnx package: pip install rushlight[onnx]"
        ) from error
    graph = onnx.load(fname).graph
    nodes = []
    for value in [*graph.input, *graph.output]:
        kind = value.type.tensor_type
        sizes = [d.dim_value for d in kind.shape.dim]
        nodes.append(node_proto(value.name, "Variable", outputsize=sizes))
    for value in graph.initializer:
        nodes.append(node_proto(value.name, "Const", outputsize=list(value.dims)))
    for node in graph.node:
        words = ", ".join(f"{a.name}: {onnx.helper.get_attribute_value(a)}" for a in node.attribute)
        for out in node.output:
            nodes.append(node_proto(out, node.op_type, input=list(node.input), attributes=words))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))
