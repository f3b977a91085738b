"""Padding of the last dimensions."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ..ops.padding import constant_pad, select_by

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
    index_of = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}[mode]
    dims = range(input.dim() - len(amounts) // 2, input.dim())
    places = []
    for dim in reversed(dims):
        low, high = amounts[2 * (input.dim() - 1 - dim) :][:2]
        places.insert(0, index_of(input, dim, low, high, list(input.shape)))
    padded = select_by(input, torch.cat(places), [len(p) for p in places])
    return in_format_of(input, padded)


def in_format_of(input: Tensor, output: Tensor) -> Tensor:
    """`output`, with the channels innermost in memory if `input` has them there."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    wanted = formats.get(input.dim())
    if wanted is None or output.dim() != input.dim() or input.is_contiguous():
        return output
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


def _positions(input, dim, low, high):
    return torch.arange(-low, input.shape[dim] + high, device=input.device)


def _reflect(input, dim, low, high, sizes):
    size = input.shape[dim]
    if low >= size or high >= size:
        raise RuntimeError(
            f"Argument #{2 * (len(sizes) - dim) + 2}: Padding size should be less than the "
            f"corresponding input dimension, but got: padding ({low}, {high}) at dimension {dim} "
            f"of input {sizes}"
        )
    position = _positions(input, dim, low, high).abs()
    return torch.where(position < size, position, 2 * (size - 1) - position)


def _replicate(input, dim, low, high, sizes):
    size = input.shape[dim]
    if size + low + high < 1 or size == 0:
        raise RuntimeError(
            f"input (W: {size}) is too small. Calculated output W: {size + low + high}"
        )
    return _positions(input, dim, low, high).clamp(0, size - 1)


def _circular(input, dim, low, high, sizes):
    size = input.shape[dim]
    if low > size or high > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if size + low + high < 0:
        raise RuntimeError("Negative padding value is resulting in an empty dimension")
    # What is cut off goes first; the rest is repeated.
    start, kept = max(-low, 0), size + min(low, 0) + min(high, 0)
    places = torch.arange(-max(low, 0), kept + max(high, 0), device=input.device)
    return places % max(kept, 1) + start
