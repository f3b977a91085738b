"""Joins, repeats, triangles, padding, copies and fills."""

from __future__ import annotations

import rushlight as torch

from ._lanes import (
    Lanes,
    aligned,
    at_least_one,
    behind,
    full,
    has_lanes,
    ints,
    plain,
    rank,
    rule,
    written,
)
from .fallback import loop


@rule("cat")
def cat(op, size, tensors, dim=0):
    """The empty vectors that `cat` leaves out stay out."""
    kept = [t for t in tensors if rank(t) != 1 or plain(t).shape[-1] or len(tensors) == 1]
    kept = kept or tensors[:1]
    n = rank(kept[0])
    if n == 0:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    return op([full(t, size) for t in kept], behind(dim, n))


@rule("stack")
def stack(op, size, tensors, dim=0):
    return op([full(t, size) for t in tensors], behind(dim, rank(tensors[0]) + 1))


@rule("block_diag")
def block_diag(op, size, tensors):
    blocks, rows, at = [full(t, size) for t in tensors], [], 0
    width = sum(b.shape[2] for b in blocks)
    for b in blocks:
        right = width - at - b.shape[2]
        rows.append(torch.nn.functional.pad(b, (at, right)))
        at += b.shape[2]
    return torch.cat(rows, 1)


@rule("isin_few")
def isin_few(op, size, input, values, invert):
    if type(values) is Lanes:
        return loop(op, size, input, values, invert)
    return op(plain(input), values, invert)


@rule("repeat")
def repeat(op, size, input, repeats):
    repeats = ints(repeats)
    if len(repeats) < rank(input):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    return op(aligned(input, len(repeats)), (1, *repeats))


@rule("tril", "triu")
def triangle(op, size, input, diagonal=0):
    if rank(input) < 2:
        raise RuntimeError(f"{op.__name__}: input tensor must have at least 2 dimensions")
    return op(input.tensor, diagonal)


@rule("diag_embed")
def diag_embed(op, size, input, offset=0, dim1=-2, dim2=-1):
    n = rank(input) + 1
    return op(at_least_one(input.tensor), offset, behind(dim1, n), behind(dim2, n))


@rule("constant_pad")
def constant_pad(op, size, input, pad, value=0):
    if len(pad) // 2 > rank(input):
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. "
            f"Pad length is {len(pad)} while the input has {rank(input)} dimensions."
        )
    return op(input.tensor, pad, value)


@rule("select_by")
def select_by(op, size, input, places, counts):
    if has_lanes(places):
        return loop(op, size, input, places, counts)
    return op(input.tensor, places, counts)


@rule("select_by_backward")
def select_by_backward(op, size, grad, input_shape, places, counts):
    if has_lanes(places):
        return loop(op, size, grad, input_shape, places, counts)
    return op(full(grad, size), (size, *input_shape), places, counts)


@rule("overlap_add")
def overlap_add(op, size, frames, hop):
    if rank(frames) < 2:
        raise RuntimeError(f"overlap_add: expected frames of 2 dims or more, got {rank(frames)}")
    return op(frames.tensor, hop)


@rule("im2col", "col2im")
def sliding_blocks(op, size, input, *settings):
    lanes = input.tensor.shape[:2]
    return op(input.tensor.flatten(0, 1), *settings).unflatten(0, lanes)


# -- copies and fills --------------------------------------------------------------------------


@rule("contiguous", "clone", "zero")
def same(op, size, input, *rest):
    return op(input.tensor, *rest)


@rule("to_copy", "to_device")
def to_copy(op, size, input, *rest):
    return op(input.tensor, *rest)


@rule("copy")
def copy(op, size, input, src, non_blocking=False):
    """A source of more dims than its target is an error, though a batch could take it."""
    if type(input) is not Lanes:
        input = Lanes(full(input, size))
    x = input.tensor
    return op(x, aligned(src, x.ndim - 1), non_blocking)


@rule("fill")
def fill(op, size, input, value):
    """One number, or one for each lane."""
    if type(value) is not Lanes:
        return op(input.tensor, value)
    if rank(value):
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {rank(value)} "
            "dimensions."
        )
    x = full(input, size)
    value = aligned(value, x.ndim - 1)
    return written(op, input, value.to(x.dtype).expand(x.shape).clone())


@rule("frexp")
def frexp(op, size, input):
    return op(input.tensor)


@rule("masked_dropout", "native_dropout_backward")
def masked_dropout(op, size, input, mask, factor):
    return op(*torch.broadcast_tensors(full(input, size), full(mask, size)), factor)
