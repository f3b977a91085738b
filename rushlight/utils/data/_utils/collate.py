"""Items to batches: `default_collate` stacks, `default_convert` only makes tensors."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy
from typing import Any

import rushlight as torch

from .... import Tensor

_EXPECTED = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


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


def default_collate(batch: list) -> Any:
    """A batch from a list of items: tensors are stacked, numbers become a tensor.

    Mappings and sequences are collated part by part; strings stay a list.
    """
    item = batch[0]
    if isinstance(item, Tensor):
        return torch.stack(batch, 0)
    np = _numpy()
    if np is not None and isinstance(item, np.ndarray):
        if item.dtype.kind in "SUO":
            raise TypeError(_EXPECTED.format(item.dtype))
        return torch.stack([torch.as_tensor(array) for array in batch], 0)
    if np is not None and isinstance(item, (np.bool_, np.number)):
        return torch.as_tensor(np.asarray(batch))
    if isinstance(item, float):
        return torch.tensor(batch, dtype=torch.float64)
    if isinstance(item, int):
        return torch.tensor(batch)
    if isinstance(item, (str, bytes)):
        return batch
    if isinstance(item, Mapping):
        parts = {key: default_collate([each[key] for each in batch]) for key in item}
        return _like(item, parts)
    if isinstance(item, (tuple, Sequence)):
        return _collate_sequences(item, batch)
    raise TypeError(_EXPECTED.format(type(item)))


def _collate_sequences(item, batch):
    if any(len(each) != len(item) for each in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    parts = [default_collate(column) for column in zip(*batch, strict=True)]
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
