"""Moving tensors between one device and several."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .scatter_gather import as_device

__all__ = [
    "broadcast",
    "broadcast_coalesced",
    "gather",
    "reduce_add",
    "reduce_add_coalesced",
    "scatter",
]


def _targets(name, devices, out):
    if (devices is None) == (out is None):
        raise RuntimeError(
            f"{name}: exactly one of 'devices' and 'out' must be specified, but got "
            f"devices={devices} and out={out}"
        )


def broadcast(tensor: Tensor, devices=None, *, out=None) -> tuple[Tensor, ...]:
    """A tensor on each of several devices."""
    _targets("broadcast", devices, out)
    if out is None:
        return tuple(tensor.to(as_device(device)) for device in devices)
    return tuple(place.copy_(tensor) for place in out)


def broadcast_coalesced(tensors, devices, buffer_size: int = 10485760) -> tuple:
    """Several tensors on each of several devices."""
    return tuple(tuple(t.to(as_device(device)) for t in tensors) for device in devices)


def reduce_add(inputs, destination=None) -> Tensor:
    """The sum of tensors of several devices, on one of them."""
    inputs = list(inputs)
    target = inputs[0].device if destination is None else as_device(destination)
    for tensor in inputs:
        if tensor.shape != inputs[0].shape:
            raise ValueError(
                f"reduce_add: inputs differ in size: got {list(tensor.shape)}, expected "
                f"{list(inputs[0].shape)}"
            )
    total = inputs[0].to(target)
    for tensor in inputs[1:]:
        total = total + tensor.to(target)
    return total


def reduce_add_coalesced(inputs, destination=None, buffer_size: int = 10485760) -> tuple:
    """`reduce_add` of each position of lists of tensors."""
    return tuple(reduce_add(parts, destination) for parts in zip(*inputs, strict=True))


def scatter(
    tensor: Tensor, devices=None, chunk_sizes=None, dim: int = 0, streams=None, *, out=None
) -> tuple[Tensor, ...]:
    """A tensor in chunks, one for each device."""
    _targets("scatter", devices, out)
    if out is not None:
        sizes = [place.size(dim) for place in out]
        chunks = tensor.split(sizes, dim)
        return tuple(place.copy_(chunk) for place, chunk in zip(out, chunks, strict=True))
    if chunk_sizes is None:
        chunks = tensor.chunk(len(devices), dim)
    else:
        chunks = tensor.split(list(chunk_sizes), dim)
    return tuple(
        chunk.to(as_device(device)) for chunk, device in zip(chunks, devices, strict=False)
    )


def gather(tensors, dim: int = 0, destination=None, *, out=None) -> Tensor:
    """Tensors of several devices joined on one."""
    if out is not None:
        if destination is not None:
            raise RuntimeError(
                f"gather: 'destination' must not be specified when 'out' is, but got "
                f"destination={destination}"
            )
        return out.copy_(torch.cat([t.to(out.device) for t in tensors], dim))
    target = tensors[0].device if destination is None else as_device(destination)
    return torch.cat([t.to(target) for t in tensors], dim)
