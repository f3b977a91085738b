"""Items to batches: `default_collate` stacks, `default_convert` only makes tensors."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy
from typing import Any

import rushlight as torch

from .... import _C, Tensor

# In a worker: where a batch is made that has this many bytes or more.
blocks: Any = None
share_from = 0

_EXPECTED = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
# Kinds of NumPy arrays that make no tensor: bytes, text and objects.
np_str_obj_array_pattern = re.compile(r"[SaUO]")


def _numpy():
    """NumPy if anything has loaded it; without it no item is an array."""
    return sys.modules.get("numpy")


def default_convert(data: Any) -> Any:
    """Arrays to tensors, throughout mappings and sequences; the rest unchanged."""
    if isinstance(data, (Tensor, str, bytes)):
        return data
    np = _numpy()
    if np is not None and isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else torch.as_tensor(data)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple):
        values = [default_convert(value) for value in data]
        return type(data)(*values) if hasattr(data, "_fields") else values
    if isinstance(data, Sequence):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def collate_tensor_fn(batch: list, *, collate_fn_map: dict | None = None) -> Tensor:
    """Stack tensors."""
    if batch[0].layout is not torch.strided:
        raise RuntimeError(
            "Batches of sparse tensors are not currently supported by the default collate_fn; "
            "please provide a custom collate_fn to handle them appropriately."
        )
    return stack(batch)


def stack(tensors: Sequence) -> Tensor:
    """`torch.stack`, in a worker into shared memory."""
    if blocks is not None and set(map(type, tensors)) == {Tensor}:
        first = tensors[0]
        large = first.numel() * first.element_size() * len(tensors) >= share_from
        if large and not any(t.requires_grad or t.is_meta for t in tensors):
            out = blocks.empty((len(tensors), *first.shape), first.dtype)
            if _C.fill_stack(list(tensors), out):
                return out
    return torch.stack(tensors, 0)


def rows(tensor: Tensor, index: Tensor) -> Tensor:
    """The rows of a tensor at given indices, in a worker in shared memory."""
    if blocks is not None:
        shape = len(index), *tensor.shape[1:]
        if tensor.element_size() * math.prod(shape) >= share_from:
            out = blocks.empty(shape, tensor.dtype)
            if _C.fill_rows(tensor, index, out):
                return out
    return tensor.index_select(0, index)


def collate_numpy_array_fn(batch: list, *, collate_fn_map: dict | None = None) -> Tensor:
    """Stack arrays."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_EXPECTED.format(batch[0].dtype))
    return stack(_C.over_ndarrays(batch) or [torch.as_tensor(array) for array in batch])


def collate_numpy_scalar_fn(batch: list, *, collate_fn_map: dict | None = None) -> Tensor:
    """A tensor of NumPy numbers."""
    return torch.as_tensor(_numpy().asarray(batch))


def collate_float_fn(batch: list, *, collate_fn_map: dict | None = None) -> Tensor:
    """A tensor of float64."""
    return torch.tensor(batch, dtype=torch.float64)


def collate_int_fn(batch: list, *, collate_fn_map: dict | None = None) -> Tensor:
    """A tensor of integers, or of bools."""
    return torch.tensor(batch)


def collate_str_fn(batch: list, *, collate_fn_map: dict | None = None) -> list:
    """The strings as they are."""
    return batch


# What `default_collate` does with each type; programs may add types of their own.
default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: list) -> Any:
    """A batch from a list of items: tensors are stacked, numbers become a tensor.

    Mappings and sequences are collated part by part; strings stay a list. Types in
    `default_collate_fn_map` are collated by the functions there.
    """
    np = _numpy()
    if np is not None and np.ndarray not in default_collate_fn_map:
        default_collate_fn_map[np.ndarray] = collate_numpy_array_fn
        for kind in (np.bool_, np.number, np.object_):
            default_collate_fn_map[kind] = collate_numpy_scalar_fn
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: list, *, collate_fn_map: dict[Any, Callable] | None = None) -> Any:
    """A batch by a function for each type: `function(items, collate_fn_map=...)`."""
    item = batch[0]
    function = _function_for(item, collate_fn_map or {})
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(item, Mapping):
        parts = {
            key: collate([each[key] for each in batch], collate_fn_map=collate_fn_map)
            for key in item
        }
        return _like(item, parts)
    if isinstance(item, Sequence):
        return _collate_sequences(item, batch, collate_fn_map)
    raise TypeError(_EXPECTED.format(type(item)))


def _function_for(item, functions):
    exact = functions.get(type(item))
    if exact is not None:
        return exact
    for kind, function in functions.items():
        if isinstance(item, kind):
            return function
    return None


def _collate_sequences(item, batch, collate_fn_map):
    try:
        columns = list(zip(*batch, strict=True))
    except ValueError:
        raise RuntimeError("each element in list of batch should be of equal size") from None
    parts = [collate(column, collate_fn_map=collate_fn_map) for column in columns]
    if isinstance(item, tuple):
        return type(item)(*parts) if hasattr(item, "_fields") else parts
    return _like_sequence(item, parts)


def _like(mapping, values):
    """`values` in a mapping of the same type, if there is a way to make one."""
    try:
        if isinstance(mapping, MutableMapping):
            # A copy keeps what the type adds: the factory of a defaultdict, attributes.
            result = copy(mapping)
            result.update(values)
            return result
        return type(mapping)(values)
    except TypeError:
        return values


def _like_sequence(sequence, values):
    try:
        if type(sequence) is list:
            return values
        if isinstance(sequence, MutableSequence):
            result = copy(sequence)
            for i, value in enumerate(values):
                result[i] = value
            return result
        return type(sequence)(values)
    except TypeError:
        return values
