"""Padding of the last dimensions."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ..ops.padding import constant_pad, select_by
from ._interpolation_tables import kept

__all__ = ["pad"]

_MODES = ("reflect", "replicate", "circular")


def pad(
    input: Tensor, pad: list[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad (or with negative numbers cut) the last dimensions: last one first, both sides each.

    Modes: "constant" with `value`, "reflect", "replicate", "circular".
    """
    if isinstance(pad, int) or not hasattr(pad, "__len__"):
        raise TypeError(
            f"pad(): argument 'pad' (position 2) must be tuple of ints, not {type(pad).__name__}"
        )
    amounts = [int(p) for p in pad]
    _check(input, amounts, mode, value)
    if mode == "constant":
        return constant_pad(input, amounts, 0 if value is None else value)
    places, counts = pad_places(mode, tuple(input.shape), tuple(amounts), input.device)
    return in_format_of(input, select_by(input, places, counts))


def in_format_of(input: Tensor, output: Tensor) -> Tensor:
    """`output`, with the channels innermost in memory if `input` has them there."""
    if input.is_contiguous() or output.dim() != input.dim() or input.dim() not in (4, 5):
        return output
    wanted = torch.channels_last if input.dim() == 4 else torch.channels_last_3d
    return (
        output.contiguous(memory_format=wanted)
        if input.is_contiguous(memory_format=wanted)
        else output
    )


def _check(input, amounts, mode, value):
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(amounts) > 2 * input.dim():
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but "
            f"got padding length {len(amounts)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return
    if mode not in _MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    n = len(amounts) // 2
    if n > 3 or input.dim() not in (n + 1, n + 2):
        raise NotImplementedError(
            f"Padding size {len(amounts)} is not supported for {input.dim()}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )


@kept
def pad_places(mode, shape, amounts, device):
    """The places that each padded dim takes, one dim after another, and how many of each."""
    index_of = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}[mode]
    places = []
    for k in range(0, len(amounts), 2):  # from the innermost dim on: the first that fails is named
        dim = len(shape) - 1 - k // 2
        places.insert(0, index_of(shape, dim, amounts[k], amounts[k + 1], device))
    return torch.cat(places), [len(p) for p in places]


def _positions(size, low, high, device):
    return torch.arange(-low, size + high, device=device)


def _reflect(sizes, dim, low, high, device):
    size = sizes[dim]
    if low >= size or high >= size:
        raise RuntimeError(
            f"Argument #{2 * (len(sizes) - dim) + 2}: Padding size should be less than the "
            f"corresponding input dimension, but got: padding ({low}, {high}) at dimension {dim} "
            f"of input {list(sizes)}"
        )
    position = _positions(size, low, high, device).abs()
    return torch.where(position < size, position, 2 * (size - 1) - position)


def _replicate(sizes, dim, low, high, device):
    size = sizes[dim]
    if size + low + high < 1 or size == 0:
        raise RuntimeError(
            f"input (W: {size}) is too small. Calculated output W: {size + low + high}"
        )
    return _positions(size, low, high, device).clamp(0, size - 1)


def _circular(sizes, dim, low, high, device):
    size = sizes[dim]
    if low > size or high > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if size + low + high < 0:
        raise RuntimeError("Negative padding value is resulting in an empty dimension")
    # What is cut off goes first; the rest is repeated.
    start, kept = max(-low, 0), size + min(low, 0) + min(high, 0)
    places = torch.arange(-max(low, 0), kept + max(high, 0), device=device)
    return places % max(kept, 1) + start
