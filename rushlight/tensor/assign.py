"""Indices that are no tensors, and assignment through an index."""

from __future__ import annotations

from .. import _C
from .common import Tensor
from .making import as_tensor, from_data


def _as_index(index):
    """A list, ndarray or the like in an index: a tensor."""
    if isinstance(index, (list, tuple)) and not index:
        return from_data([], _C.int64, "cpu")
    if isinstance(index, str):
        raise TypeError("new(): invalid data type 'str'")
    try:
        return as_tensor(index, device="cpu")  # whatever the default device is
    except (TypeError, ValueError, RuntimeError) as error:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(index).__name__})"
        ) from error


def _value_for(target, value):
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (int, float, complex)):
        return from_data(value, target.dtype, target.device)
    try:
        return as_tensor(value, device=target.device).to(target.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"can't assign a {type(value).__name__} to a {target.type()}: {error}"
        ) from error


def _check_fit(target, value):
    """Say why a value cannot be written to a part of a tensor, if it is its shape."""
    sizes, shape = list(value.shape), list(target.shape)
    if len(sizes) > len(shape):
        raise RuntimeError(
            f"expand({value.type()}{{{sizes}}}, size={shape}): the number of sizes provided "
            f"({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(sizes)})"
        )
    for dim in range(len(shape) - 1, len(shape) - len(sizes) - 1, -1):
        size = sizes[dim - len(shape)]
        if size not in (1, shape[dim]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[dim]}) must match the existing size "
                f"({size}) at non-singleton dimension {dim}.  Target sizes: {shape}.  "
                f"Tensor sizes: {sizes}"
            )


def _assign(target, value):
    if isinstance(value, (bool, int, float)):
        target.fill_(value)
        return
    value = _value_for(target, value)
    # Leading dims of size 1 may be dropped: x[0] = values of shape (1, n).
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    try:
        target.copy_(value)
    except RuntimeError:
        _check_fit(target, value)
        raise


def _assign_indexed(target, indices, value):
    value = _value_for(target, value)
    if value.dtype is not target.dtype:
        value = value.to(target.dtype)
    target.index_put_(indices, value)


_C.set_helper("as_index", _as_index)
_C.set_helper("assign", _assign)
_C.set_helper("assign_indexed", _assign_indexed)
