"""Moving the tensors of a batch to pinned memory, from which copies to a GPU are quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .... import Tensor
from .collate import _like, _like_sequence


def pin_memory(data: Any, device: Any = None) -> Any:
    """The same batch with its tensors in pinned memory, for `device`."""
    if isinstance(data, Tensor):
        return data.pin_memory(device)
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _like(data, {key: pin_memory(value, device) for key, value in data.items()})
    if isinstance(data, tuple):
        values = [pin_memory(value, device) for value in data]
        return type(data)(*values) if hasattr(data, "_fields") else type(data)(values)
    if isinstance(data, Sequence):
        return _like_sequence(data, [pin_memory(value, device) for value in data])
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    return data
