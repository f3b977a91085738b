"""Splitting structures of tensors over devices, and joining them again."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

__all__ = ["gather", "scatter", "scatter_kwargs"]


def as_device(device):
    """A device; a number is that of a GPU."""
    return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)


def is_namedtuple(obj) -> bool:
    """Whether an object is of a class that `namedtuple` made."""
    return isinstance(obj, tuple) and hasattr(obj, "_asdict") and hasattr(obj, "_fields")


def scatter(inputs, target_gpus, dim: int = 0):
    """Split the tensors of a structure into one chunk for each device; copy the rest."""
    devices = [as_device(d) for d in target_gpus]

    def split(value):
        if isinstance(value, Tensor):
            chunks = value.chunk(len(devices), dim)
            return [c.to(d) for c, d in zip(chunks, devices, strict=False)]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return [type(value)(*parts) for parts in zip(*map(split, value), strict=False)]
        if isinstance(value, (list, tuple)) and value:
            return [type(value)(parts) for parts in zip(*map(split, value), strict=False)]
        if isinstance(value, dict) and value:
            parts = zip(*map(split, value.values()), strict=False)
            return [type(value)(zip(value, part, strict=True)) for part in parts]
        return [value] * len(devices)

    return split(inputs)


def scatter_kwargs(inputs: tuple, kwargs: dict | None, target_gpus, dim: int = 0):
    """(positional, keyword) arguments of each device; both have as many entries."""
    parts = list(scatter(inputs, target_gpus, dim)) if inputs else []
    keywords = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    count = max(len(parts), len(keywords))
    parts += [()] * (count - len(parts))
    keywords += [{}] * (count - len(keywords))
    return tuple(parts), tuple(keywords)


def gather(outputs, target_device, dim: int = 0):
    """Join structures of the same form: tensors along `dim`, on one device."""
    first = outputs[0]
    if isinstance(first, Tensor):
        parts = [out.to(target_device) for out in outputs]
        return (
            torch.cat([p.reshape(1) for p in parts]) if first.dim() == 0 else torch.cat(parts, dim)
        )
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(out) != len(first) for out in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([o[k] for o in outputs], target_device, dim)) for k in first)
    joined = [gather(list(part), target_device, dim) for part in zip(*outputs, strict=True)]
    return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)
