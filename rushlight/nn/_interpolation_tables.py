"""Which elements make an element of a resized dimension, and by what weights.

A table has, for each element of the result, its run of places in the input and their weights: the
starts of the runs, all places, all weights (`ops.resample`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import rushlight as torch
from rushlight import _C

from ..ops.sampling import cubic_weights


def kept(make: Callable) -> Callable:
    """Keep the last tables: images are resized to the same sizes again and again.

    What is kept is an ordinary tensor, whichever mode it was made in. Under interpreters (modes,
    transforms of `torch.func`) tables are made anew, since they would be theirs.
    """

    @lru_cache(maxsize=64)
    def ordinary(*args: Any) -> Any:
        with torch.inference_mode(False):
            return make(*args)

    @wraps(make)
    def table(*args: Any) -> Any:
        return make(*args) if _C.interpreters() else ordinary(*args)

    return table


def _nearest(n_in, n_out, ratio, exact, dtype, device):
    # The position is rounded in the working precision, as PyTorch's is.
    places = torch.arange(n_out, dtype=dtype, device=device)
    if exact:
        places = places + 0.5
    return (places * ratio).floor().to(torch.int64).clamp(0, n_in - 1)


@kept
def nearest_places(steps, exact, dtype, device):
    """The places along each dim of `steps` (size in, size out, ratio), one dim after another."""
    return torch.cat([_nearest(*step, exact, dtype, device) for step in steps])


@kept
def nearest_table(n_in, n_out, ratio, exact, dtype, device):
    """A table of one place each, with weight 1."""
    index = _nearest(n_in, n_out, ratio, exact, dtype, device).unsqueeze(1)
    return _table(index, torch.ones_like(index, dtype=dtype))


@kept
def weights_table(mode, antialias, n_in, n_out, ratio, corners, dtype, device):
    """The table of a mode; antialiased, of a filter that widens when the image shrinks."""
    return _table(*_taps(mode, antialias)(n_in, n_out, ratio, corners, dtype, device))


@kept
def byte_table(mode, antialias, n_in, n_out, ratio, corners, device):
    """Starts of rows, places, whole weights and how many bits of these are behind the point."""
    taps = _taps(mode, antialias)
    index, weight, *inside = taps(n_in, n_out, ratio, corners, torch.float64, device)
    for k in range(0 if inside else index.shape[1] - 1):  # an edge counts once
        same = index[:, k] == index[:, k + 1]
        weight[:, k + 1] += torch.where(same, weight[:, k], 0.0)
        weight[:, k] = torch.where(same, 0.0, weight[:, k])
    bits = 0 if weight.is_meta else _bits_below(float(weight.max()))
    weight = weight * 2.0**bits + torch.where(weight < 0, -0.5, 0.5)
    return *_table(index, weight.to(torch.int32), *inside), bits


def _bits_below(most):
    """How many bits after the point leave the greatest weight within 15 bits."""
    bits = 0
    while bits < 22 and int(0.5 + most * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return bits


def _table(index, weight, inside=None):
    """Rows of places and weights, those `inside`, as starts of rows, places and weights."""
    if inside is None or index.is_meta:
        starts = torch.arange(0, index.numel() + 1, index.shape[1], device=index.device)
        return starts, index.reshape(-1), weight.reshape(-1)
    starts = torch.zeros(len(index) + 1, dtype=torch.int64, device=index.device)
    starts[1:] = inside.sum(1).cumsum(0)
    return starts, index[inside], weight[inside]


def _source(n_out, ratio, corners, dtype, device):
    """The place in the input of every output element."""
    if corners or dtype != torch.float32:
        places = torch.arange(n_out, dtype=dtype, device=device)
        return places * ratio if corners else (places + 0.5) * ratio - 0.5
    # PyTorch's processors round the product and the difference once, together.
    (step,) = struct.unpack("f", struct.pack("f", ratio))
    centers = torch.arange(0.5, n_out, dtype=torch.float64, device=device)
    return (centers * step - 0.5).to(torch.float32)


def _linear_taps(n_in, n_out, ratio, corners, dtype, device):
    source = _source(n_out, ratio, corners, dtype, device).clamp_min(0)
    left = source.floor().clamp(max=n_in - 1)
    index = left.to(torch.int64)
    fraction = (source - left).clamp(0, 1)
    index = torch.stack((index, (index + 1).clamp(max=n_in - 1)), 1)
    return index, torch.stack((1 - fraction, fraction), 1)


def _cubic_taps(n_in, n_out, ratio, corners, dtype, device):
    source = _source(n_out, ratio, corners, dtype, device)
    left = source.floor()
    index = left.to(torch.int64).unsqueeze(1) + torch.arange(-1, 3, device=device)
    return index.clamp(0, n_in - 1), torch.stack(cubic_weights(source - left), 1)


def _triangle(x):
    return (1 - x.abs()).clamp_min(0)


def _cubic(x, a=-0.5):
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _lanczos(x):
    inside = (x.abs() < 3).to(x.dtype)
    return torch.sinc(x) * torch.sinc(x / 3) * inside


def _filter(kernel, width):
    """Taps of a filter that widens when the image shrinks."""

    def taps(n_in, n_out, ratio, corners, dtype, device):
        reach = width * 0.5 * max(ratio, 1.0)
        step = 1.0 / max(ratio, 1.0)
        center = ratio * (torch.arange(n_out, dtype=dtype, device=device) + 0.5)
        first = (center - reach + 0.5).to(torch.int64).clamp_min(0)
        last = (center + reach + 0.5).to(torch.int64).clamp(max=n_in)
        most = 1 if first.is_meta else int((last - first).max())
        index = first.unsqueeze(1) + torch.arange(most, device=device)
        inside = index < last.unsqueeze(1)
        weights = kernel((index + 0.5 - center.unsqueeze(1)) * step) * inside.to(dtype)
        total = weights.sum(1, keepdim=True)
        weights = weights / torch.where(total == 0, torch.ones_like(total), total)
        return index, weights, inside

    return taps


_FILTERS = {
    "bilinear": _filter(_triangle, 2),
    "bicubic": _filter(_cubic, 4),
    "lanczos": _filter(_lanczos, 6),
}


def _taps(mode, antialias):
    if antialias:
        return _FILTERS[mode]
    return _cubic_taps if mode == "bicubic" else _linear_taps
