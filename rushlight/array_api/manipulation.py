"""Shapes, orders, joins and parts of arrays."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .dtypes import common

__all__ = [
    "broadcast_arrays", "broadcast_to", "concat", "diff", "expand_dims", "flip", "moveaxis",
    "permute_dims", "repeat", "reshape", "roll", "squeeze", "stack", "take", "take_along_axis",
    "tile", "unstack",
]  # fmt: skip


def broadcast_arrays(*arrays):
    """The arrays expanded to their common shape."""
    return list(torch.broadcast_tensors(*arrays))


def broadcast_to(x, /, shape):
    """The array expanded to a shape."""
    return torch.broadcast_to(x, tuple(shape))


def concat(arrays, /, *, axis=0):
    """Arrays joined along an axis; flattened first for `axis=None`."""
    arrays = common(arrays)
    if axis is None:
        return torch.cat([a.reshape(-1) for a in arrays], 0)
    return torch.cat(arrays, axis)


def stack(arrays, /, *, axis=0):
    """Arrays joined along a new axis."""
    return torch.stack(common(arrays), axis)


def expand_dims(x, /, *, axis=0):
    """A new axis of size 1."""
    return torch.unsqueeze(x, axis)


def squeeze(x, /, axis):
    """The array without the given axes, which must be of size 1."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: axis {a} is of size {x.shape[a]}, expected 1")
    return torch.squeeze(x, axes)


def flip(x, /, *, axis=None):
    """Elements in reverse order along the axes (all of them for None)."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return torch.flip(x, tuple(axes))


def moveaxis(x, source, destination, /):
    """Axes moved to other places; the rest keep their order."""
    return torch.moveaxis(x, source, destination)


def permute_dims(x, /, axes):
    """Axes in another order."""
    return torch.permute(x, tuple(axes))


def repeat(x, repeats, /, *, axis=None):
    """Every element `repeats` times; of the flattened array for `axis=None`."""
    return torch.repeat_interleave(x, repeats, axis)


def reshape(x, /, shape, *, copy=None):
    """The elements in another shape; `copy=False` raises where that takes a copy."""
    if copy is False:
        return x.view(shape)
    out = x.reshape(shape)
    return out.clone() if copy else out


def roll(x, /, shift, *, axis=None):
    """Elements moved along axes; what leaves at one end enters at the other."""
    return torch.roll(x, shift, axis)


def tile(x, repetitions, /):
    """Copies of the array beside each other, so many along each axis."""
    return torch.tile(x, tuple(repetitions))


def unstack(x, /, *, axis=0):
    """The slices along an axis."""
    return torch.unbind(x, axis)


def take(x, indices, /, *, axis=None):
    """The slices at `indices` along an axis, which only a vector may leave out."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis must be given for an array with {x.ndim} axes")
        axis = 0
    size = x.shape[axis]
    wrapped = torch.where(indices < 0, indices + size, indices)
    return torch.index_select(x, axis, wrapped.to(torch.int64))


def take_along_axis(x, indices, /, *, axis=-1):
    """For every line along an axis, its elements at that line's `indices`."""
    size = x.shape[axis]
    wrapped = torch.where(indices < 0, indices + size, indices)
    return torch.take_along_dim(x, wrapped.to(torch.int64), axis)


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    """Differences of neighbours along an axis, `n` times over."""
    parts = [p for p in (prepend, x, append) if isinstance(p, Tensor)]
    joined = concat(parts, axis=axis) if len(parts) > 1 else x
    return torch.diff(joined, n, axis)
