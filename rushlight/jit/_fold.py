"""Folding what follows a convolution or a linear layer into its weight and bias.

batch_norm(conv(x)) = conv'(x) with w' = w * s and b' = (b - mean) * s + beta for
s = gamma / sqrt(var + eps): every number is a constant of a frozen graph.
"""

from __future__ import annotations

from typing import Any

from .. import _C
from . import _types as T
from ._ir import Graph, Node, Value
from ._passes import dce

_CONVOLUTIONS = {"aten::conv1d": 1, "aten::conv2d": 2, "aten::conv3d": 3, "aten::_convolution": 0}

_SHAPES = {"aten::dim", "aten::size"}  # what they give stays the same


def fold(graph: Graph) -> None:
    """Fold batch norms, sums and products with constants, as far as they go."""
    changed = True
    while changed:
        changed = False
        for node in list(graph.all_nodes()):
            if node.owningBlock() is None:
                continue
            if node.kind() == "aten::batch_norm":
                changed = _fold_norm(node) or changed
            elif node.kind() in _ARITHMETIC and node.inputsSize():
                changed = _fold_arithmetic(node) or changed
    dce(graph)


def _layer_before(node: Node) -> Node | None:
    """The layer whose elements only this node reads, if its weight and bias are constants."""
    value = node.inputsAt(0)
    layer = value.node()
    if layer.kind() not in _CONVOLUTIONS and layer.kind() != "aten::linear":
        return None
    others = {u.user.kind() for u in value.uses() if u.user is not node}
    if others - _SHAPES or layer.owningBlock() is not node.owningBlock():
        return None
    if not _is_tensor(layer.inputsAt(1)) or not _is_constant(layer.inputsAt(2)):
        return None
    if layer.kind() == "aten::_convolution" and layer.inputsAt(6).toIValue() is not False:
        return None  # transposed: its channels stand elsewhere
    weight = layer.inputsAt(1).toIValue()
    return layer if weight.dtype.is_floating_point else None


def _is_constant(value: Value) -> bool:
    return value.node().kind() == "prim::Constant"


def _is_tensor(value: Value) -> bool:
    return _is_constant(value) and isinstance(value.toIValue(), _C.Tensor)


def _replace(layer: Node, node: Node, weight: Any, bias: Any, ending: str) -> bool:
    """Give the layer new constants, and its output to what used the node."""
    graph = layer.graph
    with graph.insert_point_guard(layer):
        old = layer.inputsAt(1).debugName(), layer.inputsAt(2).debugName()
        values = [graph.insertConstant(weight), graph.insertConstant(bias)]
    for i, (value, name) in enumerate(zip(values, old, strict=True), 1):
        if not name.isdigit():
            value.setDebugName(name + ending)
        layer.replaceInput(i, value)
        value.node().moveBefore(_after_constants(graph))
    layer.output().setType(node.output().type())
    node.output().replaceAllUsesWith(layer.output())
    node.destroy()
    return True


def _after_constants(graph: Graph) -> Node:
    at = graph.param_node().next()
    while at.kind() == "prim::Constant":
        at = at.next()
    return at


def _fold_norm(node: Node) -> bool:
    layer = _layer_before(node)
    constants = [node.inputsAt(i) for i in range(1, 8)]
    if layer is None or not all(map(_is_constant, constants)):
        return False
    gamma, beta, mean, variance, training, _, eps = (v.toIValue() for v in constants)
    if training or mean is None or variance is None:
        return False
    import rushlight as torch

    weight, bias = layer.inputsAt(1).toIValue(), layer.inputsAt(2).toIValue()
    if layer.kind() == "aten::linear" and weight.shape[0] != mean.shape[0]:
        return False
    with torch.no_grad():
        scale = torch.rsqrt(variance + eps)
        if gamma is not None:
            scale = scale * gamma
        shift = -mean if bias is None else bias - mean
        shift = shift * scale if beta is None else shift * scale + beta
        shaped = scale.reshape(-1, *[1] * (weight.dim() - 1))
        new = weight * shaped.to(weight.dtype), shift.to(weight.dtype)
    return _replace(layer, node, *new, "_fused_bn")


_ARITHMETIC = {"aten::add", "aten::sub", "aten::mul", "aten::div"}


def _fold_arithmetic(node: Node) -> bool:
    layer = _layer_before(node)
    other = node.inputsAt(1)
    if layer is None or not _is_constant(other):
        return False
    kind = node.kind().removeprefix("aten::")
    if node.inputsSize() == 3 and (kind in ("mul", "div") or node.inputsAt(2).toIValue() != 1):
        return False
    weight, bias = layer.inputsAt(1).toIValue(), layer.inputsAt(2).toIValue()
    value = _per_channel(other, weight)
    if value is None:
        return False
    import rushlight as torch

    with torch.no_grad():
        zero = torch.zeros(weight.shape[0], dtype=weight.dtype) if bias is None else bias
        if kind in ("add", "sub"):
            new = weight, zero + value if kind == "add" else zero - value
        else:
            if kind == "div":
                value = 1 / value
            shaped = value.reshape(-1, *[1] * (weight.dim() - 1))
            new = weight * shaped, zero * value
    return _replace(layer, node, *new, f"_fused_{kind}")


def _per_channel(value: Value, weight: Any) -> Any:
    """A constant as one number for each channel of the layer; None where it is not."""
    import rushlight as torch

    constant, channels = value.toIValue(), weight.shape[0]
    if isinstance(constant, _C.Tensor) and constant.dim() == 0 and not constant.dtype.is_complex:
        constant = constant.item()  # of any dtype: the result has that of the layer
    if isinstance(constant, int | float) and not isinstance(value.type(), T.BoolType):
        return torch.full((channels,), float(constant), dtype=weight.dtype)
    if not isinstance(constant, _C.Tensor) or constant.dtype != weight.dtype:
        return None
    shape = list(constant.shape)
    if constant.numel() == 1 and len(shape) <= weight.dim():
        return constant.reshape(1).expand(channels).contiguous()
    # Beside the batch and the places there is only the channel.
    axis = 1 if weight.dim() > 2 else weight.dim() - 1
    full = [1] * (weight.dim() - len(shape)) + shape
    expected = [1] * weight.dim()
    expected[axis] = channels
    return constant.reshape(channels) if full == expected else None
