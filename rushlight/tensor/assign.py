"""Indices that are no tensors, and assignment through an index."""

from __future__ import annotations

from .. import _C
from .common import Tensor
from .making import as_tensor


def _as_index(index):
    """A list, ndarray or the like in an index: a tensor."""
    if isinstance(index, (list, tuple)) and not index:
        return _C.from_data([], _C.int64)
    if isinstance(index, str):
        raise TypeError("new(): invalid data type 'str'")
    try:
        return as_tensor(index)
    except (TypeError, ValueError, RuntimeError) as error:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(index).__name__})"
        ) from error


def _value_for(target, value):
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (int, float, complex)):
        return _C.from_data(value, target.dtype)
    return as_tensor(value).to(target.dtype)


def _assign(target, value):
    if isinstance(value, (bool, int, float)):
        target.fill_(value)
        return
    value = _value_for(target, value)
    # Leading dims of size 1 may be dropped: x[0] = values of shape (1, n).
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    target.copy_(value)


def _assign_indexed(target, indices, value):
    value = _value_for(target, value)
    if value.dtype is not target.dtype:
        value = value.to(target.dtype)
    target.index_put_(indices, value)


_C.set_helper("as_index", _as_index)
_C.set_helper("assign", _assign)
_C.set_helper("assign_indexed", _assign_indexed)
