"""Shapes over given memory, spelt as functions, and complex numbers as pairs, copied."""

from __future__ import annotations

from ..op import public
from ._outputs import deliver
from .complex import view_as_complex, view_as_real


@public("torch.broadcast_to Tensor.broadcast_to")
def broadcast_to(input, *shape, size=None):
    """The tensor repeated along dims of size 1, as a view: the same as `expand`."""
    if size is not None and shape:
        raise TypeError("broadcast_to(): got the size both by position and by name")
    if size is None and not shape:
        raise TypeError('broadcast_to() missing 1 required positional arguments: "size"')
    return input.expand(size) if size is not None else input.expand(*shape)


@public("torch.slice_inverse Tensor.slice_inverse")
def slice_inverse(input, src, dim=0, start=None, end=None, step=1):
    """A view of the memory of a slice, `input`, with the shape of `src`, what was sliced."""
    return input.as_strided(src.shape, src.stride(), src.storage_offset())


@public("torch.as_strided_")
def as_strided_(input, size, stride, storage_offset=None):
    """Show the storage with another shape, strides and offset from now on."""
    return input.as_strided_(size, stride, storage_offset)


@public("torch.resize_as_")
def resize_as_(input, the_template, *, memory_format=None):
    """Resize in place to the shape of another tensor."""
    if memory_format is None:
        return input.resize_as_(the_template)
    return input.resize_as_(the_template, memory_format=memory_format)


def _copied(seen, out):
    return deliver(seen.clone(), out)


@public("torch.view_as_complex_copy")
def view_as_complex_copy(input, *, out=None):
    """Pairs of real numbers along the last dim as complex numbers, in new memory."""
    return _copied(view_as_complex(input), out)


@public("torch.view_as_real_copy")
def view_as_real_copy(input, *, out=None):
    """Complex numbers as pairs of real numbers along a new last dim, in new memory."""
    return _copied(view_as_real(input), out)
