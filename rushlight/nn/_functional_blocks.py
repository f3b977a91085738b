"""Rearranging images: sliding blocks, pixel and channel shuffles."""

from __future__ import annotations

import math

from rushlight import Tensor

from ..ops.blocks import block_counts, col2im, im2col
from ._functional_padding import in_format_of

__all__ = [
    "channel_shuffle", "fold", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle",
    "unfold",
]  # fmt: skip


def _two(value):
    if isinstance(value, (list, tuple)):
        return (int(value[0]), int(value[0])) if len(value) == 1 else tuple(map(int, value))
    return int(value), int(value)


def _settings(kernel_size, dilation, padding, stride):
    settings = [_two(v) for v in (kernel_size, dilation, padding, stride)]
    names = ("kernel_size", "dilation", "padding", "stride")
    for name, value in zip(names, settings, strict=True):
        low = 0 if name == "padding" else 1
        if len(value) != 2 or min(value) < low:
            word = "non-negative" if low == 0 else "greater than zero"
            raise RuntimeError(f"{name} should be {word}, but got {value}")
    return settings


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The sliding blocks of (N, C, H, W) as columns (N, C k, L); also without N."""
    kernel, dilation, padding, stride = _settings(kernel_size, dilation, padding, stride)
    if input.dim() not in (3, 4):
        if input.dim() < 3:
            input.size(2)  # the IndexError that PyTorch raises
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    single = input.dim() == 3
    x = input.unsqueeze(0) if single else input
    counts = block_counts(x.shape[2:], kernel, dilation, padding, stride)
    if min(counts) < 1:
        raise RuntimeError(
            f"Given input with spatial size {tuple(x.shape[2:])}, kernel_size={kernel}, "
            f"dilation={dilation}, padding={padding}, calculated shape of the array of sliding "
            f"blocks as {counts}, but its components must be at least one."
        )
    columns = im2col(x, kernel, dilation, padding, stride)
    return columns.squeeze(0) if single else columns


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Add up blocks (N, C k, L) into (N, C, H, W); also without N."""
    size = _two(output_size)
    kernel, dilation, padding, stride = _settings(kernel_size, dilation, padding, stride)
    if input.dim() not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    single = input.dim() == 2
    x = input.unsqueeze(0) if single else input
    _check_fold(input, x, size, kernel, dilation, padding, stride)
    image = col2im(x, size, kernel, dilation, padding, stride)
    return image.squeeze(0) if single else image


def _check_fold(input, x, size, kernel, dilation, padding, stride):
    channel = input.dim() - 2
    if x.shape[1] % math.prod(kernel):
        raise RuntimeError(
            f"Expected size of input's dimension {channel} to be divisible by the product of "
            f"kernel_size, but got input.size({channel})={x.shape[1]} and kernel_size={kernel}."
        )
    counts = block_counts(size, kernel, dilation, padding, stride)
    total = counts[0] * counts[1]
    given = (
        f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, "
        f"padding={padding}, stride={stride}, "
    )
    if min(counts) < 1:
        raise RuntimeError(
            f"{given}calculated shape of the array of sliding blocks as {counts}, which is too "
            "small (non-positive)"
        )
    if x.shape[2] != total:
        raise RuntimeError(
            f"{given}expected size of input's dimension {channel + 1} to match the calculated "
            f"number of sliding blocks {counts[0]} * {counts[1]} = {total}, but got "
            f"input.size({channel + 1})={x.shape[2]}."
        )


def _check_shuffle(name, argument, input, factor):
    if input.dim() < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {argument}, but got {factor}")


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) to (*, C, H r, W r)."""
    r = upscale_factor
    _check_shuffle("pixel_shuffle", "upscale_factor", input, r)
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(batch)
    x = input.reshape(*batch, c // (r * r), r, r, h, w)
    x = x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return in_format_of(input, x.reshape(*batch, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) to (*, C r^2, H, W)."""
    r = downscale_factor
    _check_shuffle("pixel_unshuffle", "downscale_factor", input, r)
    *batch, c, h, w = input.shape
    for name, dim, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({dim})={size} is not divisible by {r}"
            )
    n = len(batch)
    x = input.reshape(*batch, c, h // r, r, w // r, r)
    x = x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return in_format_of(input, x.reshape(*batch, c * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave the channels (dimension 1) of `groups` equal groups."""
    if input.dim() <= 2:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    n, c, *rest = input.shape
    if c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    x = input.reshape(n, groups, c // groups, *rest).transpose(1, 2)
    return in_format_of(input, x.reshape(n, c, *rest))


native_channel_shuffle = channel_shuffle
