"""Operators of ours that PyTorch composes of others: what a mode below the tape sees of them."""

from __future__ import annotations

from collections.abc import Callable

import rushlight as torch

from .. import _C, Tensor
from ..nn import functional as F  # noqa: N812 (the name that everybody gives it)
from . import aten

# Methods are taken from the class: an attribute of a user's subclass may have the name of one.


def _linear(input, weight, bias=None):
    if input.dim() == 2:
        turned = Tensor.t(weight)
        return torch.mm(input, turned) if bias is None else torch.addmm(bias, input, turned)
    flat = Tensor.reshape(input, -1, input.shape[-1])
    out = _linear(flat, weight, bias)
    return Tensor.view(out, *input.shape[:-1], weight.shape[0])


def _linear_backward(grad, input, weight, need_input, need_weight, need_bias):
    flat = Tensor.reshape(grad, -1, grad.shape[-1])
    grads = []
    if need_input:
        grads.append(Tensor.view(torch.mm(flat, weight), input.shape))
    if need_weight:
        wide = Tensor.reshape(input, -1, input.shape[-1])
        grads.append(torch.mm(Tensor.t(flat), wide))
    if need_bias:
        grads.append(torch.sum(flat, 0))
    return tuple(grads)


def _matmul(input, other):
    if input.dim() == 2 and other.dim() == 2:
        return torch.mm(input, other)
    if input.dim() == 1 or other.dim() == 1:
        a = torch.unsqueeze(input, 0) if input.dim() == 1 else input
        b = torch.unsqueeze(other, 1) if other.dim() == 1 else other
        out = _matmul(a, b)
        out = torch.squeeze(out, -1) if other.dim() == 1 else out
        dim = -1 if other.dim() == 1 else -2
        return torch.squeeze(out, dim) if input.dim() == 1 else out
    if other.dim() == 2:
        flat = torch.mm(Tensor.reshape(input, -1, input.shape[-1]), other)
        return Tensor.view(flat, *input.shape[:-1], other.shape[-1])
    lead = torch.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    wide = [Tensor.expand(x, *lead, *x.shape[-2:]) for x in (input, other)]
    a, b = (Tensor.reshape(x, -1, *x.shape[-2:]) for x in wide)
    return Tensor.view(torch.bmm(a, b), *lead, input.shape[-2], other.shape[-1])


def _reshape(input, shape):
    shape = [shape] if isinstance(shape, int) else list(shape)
    if _size_of_view(input, shape) is None:
        return aten._unsafe_view.default(_packed(input), shape)
    return Tensor.view(input, shape)


def _size_of_view(input, shape):
    """The size of a view with this shape; None when there is no such view of these strides."""
    asked = _C.set_torch_dispatch(False)
    try:
        like = torch.empty_strided(input.shape, input.stride(), device="meta")
        size = like.reshape(shape).shape
        try:
            return like.view(size).shape
        except RuntimeError:
            return None
    finally:
        _C.set_torch_dispatch(asked)


def _packed(input):
    return torch.clone(input, memory_format=torch.contiguous_format)


def _flatten(input, start_dim=0, end_dim=-1):
    if input.dim() == 0:
        return _reshape(input, [1])
    start, end = start_dim % input.dim(), end_dim % input.dim()
    if start == end:
        return input
    return _reshape(input, [*input.shape[:start], -1, *input.shape[end + 1 :]])


def _contiguous(input):
    return input if input._is_row_major() else _packed(input)


def _chunk(input, chunks, dim=0):
    size = input.shape[dim]
    return torch.split(input, max(1, -(-size // chunks)), dim)


def _narrow(input, dim, start, length):
    return aten.slice.Tensor(input, dim, start, start + length)


def _cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing):
    dim = 1 if input.dim() > 1 else 0
    logs = F.log_softmax(input, dim)
    loss = F.nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return (loss,)
    ignored = target == ignore_index
    shape = [1] * dim + [-1] + [1] * (logs.dim() - dim - 1)
    weighed = logs if weight is None else logs * weight.view(shape)
    smooth = (-weighed.sum(dim)).masked_fill(ignored, 0.0)
    if reduction != "none":
        smooth = smooth.sum()
    if reduction == "mean":
        kept = ~ignored if weight is None else weight[target.masked_fill(ignored, 0)] * ~ignored
        smooth = smooth / kept.sum()
    return ((1 - label_smoothing) * loss + smooth * (label_smoothing / logs.shape[dim]),)


def _square(input):
    return torch.pow(input, 2)


PARTS: dict[str, Callable] = {
    "linear_addmm": _linear,
    "linear_mm": _linear,
    "linear_view": _linear,
    "linear_unsafe_view": _linear,
    "linear_row": _linear,
    "linear_backward": _linear_backward,
    "matmul_batched": _matmul,
    "matmul_folded": _matmul,
    "matmul_row": _matmul,
    "reshape": _reshape,
    "flatten": _flatten,
    "contiguous": _contiguous,
    "chunk": _chunk,
    "narrow": _narrow,
    "cross_entropy": _cross_entropy,
    "cross_entropy_2d": _cross_entropy,
    "square": _square,
}


def parts(op, args, kwargs):
    """The function that stands for a call, in operators that PyTorch has; None: it has this."""
    if not isinstance(args[0] if args else None, Tensor):
        return None
    return PARTS.get(op.__name__)
