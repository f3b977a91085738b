"""Resizing of images, one dimension at a time."""

from __future__ import annotations

import math
import struct
import warnings
from functools import lru_cache

import rushlight as torch
from rushlight import _C, Tensor

from ..ops._lanes import same_memory
from ..ops.padding import select_by
from ..ops.resample import resample, resample_bytes
from . import functional as F
from ._functional_padding import in_format_of

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_DIMS_OF = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4, "lanczos": 4}
_LINEAR = ("linear", "bilinear", "trilinear")


def interpolate(
    input: Tensor,
    size: int | None = None,
    scale_factor: list[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize (N, C, ...) to `size` or by `scale_factor`.

    Modes: nearest, nearest-exact, linear (3-d), bilinear, bicubic, lanczos (4-d), trilinear (5-d),
    area.
    """
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    _check_mode(input, mode, align_corners, antialias)
    sizes, scales = _sizes(input, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        pools = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
        return pools[input.dim() - 3](input, sizes)
    if any(s <= 0 for s in (*sizes, *input.shape[2:])):
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{tuple(input.shape[2:])} and output {tuple(sizes)}"
        )
    if mode in ("nearest", "nearest-exact"):
        return _nearest(input, sizes, scales, mode == "nearest-exact")
    corners = bool(align_corners)
    if input.dtype == torch.uint8:
        if mode in ("bilinear", "bicubic", "lanczos"):
            return _weighted_bytes(input, sizes, scales, mode, corners, antialias)
        out = _weighted(input.to(torch.float32), sizes, scales, mode, corners, antialias)
        return out.round().clamp(0, 255).to(torch.uint8)
    return _weighted(input, sizes, scales, mode, corners, antialias)


def _check_mode(input, mode, align_corners, antialias):
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | "
                "bilinear | bicubic | trilinear"
            )
    known = mode in _DIMS_OF or mode in ("nearest", "area", "nearest-exact")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.dim() == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if not known or input.dim() not in (3, 4, 5):
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported "
            f"(got {input.dim()}D) for the modes: nearest | linear | bilinear | bicubic | "
            f"trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if mode in _DIMS_OF and input.dim() != _DIMS_OF[mode]:
        raise NotImplementedError(
            f"Got {input.dim()}D input, but {mode} mode needs {_DIMS_OF[mode]}D input"
        )


def _sizes(input, size, scale_factor, recompute):
    """(output size, scale factors or None for each) of the spatial dimensions."""
    dims = input.dim() - 2
    spatial = list(input.shape[2:])
    layout = "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != dims:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got "
                    f"input with spatial dimensions of {spatial} and output size of {size}. "
                    f"{layout}output size in (o1, o2, ...,oK) format."
                )
            sizes = [int(s) for s in size]
        else:
            sizes = [int(size)] * dims
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return sizes, [None] * dims
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != dims:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got "
                f"input with spatial dimensions of {spatial} and scale_factor of shape "
                f"{scale_factor}. {layout}scale_factor in (s1, s2, ...,sK) format."
            )
        factors = [float(f) for f in scale_factor]
    else:
        factors = [float(scale_factor)] * dims
    sizes = [math.floor(float(n) * f) for n, f in zip(spatial, factors, strict=True)]
    return sizes, [None] * dims if recompute else factors


def _ratio(n_in, n_out, scale, corners=False):
    """Input steps per output step."""
    if corners:
        return (n_in - 1) / (n_out - 1) if n_out > 1 else 0.0
    return 1.0 / scale if scale is not None and scale > 0 else n_in / n_out


def _work_dtype(input):
    return torch.float64 if input.dtype == torch.float64 else torch.float32


def _channels_last(input, resize):
    """resize(input, dim of the first size), in the memory order that the image has."""
    if input.dim() < 4 or input.is_contiguous():
        return resize(input, 2)
    order = torch.channels_last if input.dim() == 4 else torch.channels_last_3d
    if not input.is_contiguous(memory_format=order):
        return resize(input, 2)
    return resize(input.movedim(1, -1), 1).movedim(-1, 1)


def _nearest(input, sizes, scales, exact):
    def places_of(n_in, n_out, scale):
        # The position is rounded in the working precision, as PyTorch's is.
        places = torch.arange(n_out, dtype=_work_dtype(input), device=input.device)
        if exact:
            places = places + 0.5
        index = (places * _ratio(n_in, n_out, scale)).floor().to(torch.int64)
        return index.clamp(0, n_in - 1)

    def resize(x, first):
        for i, (n_out, scale) in enumerate(zip(sizes, scales, strict=True)):
            n_in = x.shape[first + i]
            if n_in != n_out or scale is not None:
                index = places_of(n_in, n_out, scale).unsqueeze(1)
                x = _combined(x, first + i, index, torch.ones_like(index, dtype=x.dtype))
        return x

    floats = input.dtype in (torch.float32, torch.float64)
    if floats and _C.any_requires_grad((input,)):  # the quicker gradient
        result = _channels_last(input, resize)
        # A result that moved nothing is still memory of its own.
        return input.clone() if same_memory(result, input) else result
    places = [places_of(*each) for each in zip(input.shape[2:], sizes, scales, strict=True)]
    return in_format_of(input, select_by(input, torch.cat(places), list(sizes)))


def _weighted(input, sizes, scales, mode, corners, antialias):
    if not input.is_floating_point():
        raise NotImplementedError(f'"upsample_{mode}" not implemented for {input.dtype}')
    taps = _linear_taps if mode in _LINEAR else _cubic_taps
    if antialias or mode == "lanczos":
        taps = _FILTERS[mode]

    def resize(x, first):
        order = reversed(range(len(sizes)))
        if first == 1:  # whole pixels: the inner dims, which cost most, when few rows are left
            order = sorted(order, key=lambda i: i if sizes[i] < x.shape[1 + i] else len(sizes) - i)
        for i in order:
            n_in, n_out = x.shape[first + i], sizes[i]
            if mode != "bicubic" and n_in == n_out and scales[i] in (None, 1.0):
                continue
            ratio = _ratio(n_in, n_out, scales[i], corners)
            x = _combined(x, first + i, *taps(x, n_in, n_out, ratio, corners))
        return x

    result = _channels_last(input.to(_work_dtype(input)), resize).to(input.dtype)
    return input.clone() if same_memory(result, input) else result


def _weighted_bytes(input, sizes, scales, mode, corners, antialias):
    """Images of bytes, that stay so between the two dims: weights of 16 bits, as Pillow does it."""

    def resize(x, first):
        for i in (1, 0):
            n_in, n_out = x.shape[first + i], sizes[i]
            if n_in != n_out:
                ratio = _ratio(n_in, n_out, scales[i], corners)
                table = _byte_table(mode, antialias, n_in, n_out, ratio, corners, x.device)
                x = resample_bytes(x, first + i, *table)
        return x

    result = _channels_last(input, resize)
    return input.clone() if same_memory(result, input) else result


@lru_cache(maxsize=64)  # data sets resize image after image; making one takes as long as using it
def _byte_table(mode, antialias, n_in, n_out, ratio, corners, device):
    """Starts of rows, places, whole weights and how many bits of these are behind the point."""
    taps = _linear_taps if mode == "bilinear" else _cubic_taps
    if antialias:
        taps = _FILTERS[mode]
    exact = torch.empty(0, dtype=torch.float64, device=device)
    index, weight, *inside = taps(exact, n_in, n_out, ratio, corners)
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


def _combined(input, dim, index, weight, inside=None):
    """Weighted sums along one dim: a row of places and weights, those `inside`, an output."""
    return resample(input, dim, *_table(index, weight, inside))


def _table(index, weight, inside=None):
    """Rows of places and weights, those `inside`, as starts of rows, places and weights."""
    if inside is None or index.is_meta:
        starts = torch.arange(0, index.numel() + 1, index.shape[1], device=index.device)
        return starts, index.reshape(-1), weight.reshape(-1)
    starts = torch.zeros(len(index) + 1, dtype=torch.int64, device=index.device)
    starts[1:] = inside.sum(1).cumsum(0)
    return starts, index[inside], weight[inside]


def _source(input, n_out, ratio, corners):
    """The place in the input of every output element."""
    if corners or input.dtype != torch.float32:
        places = torch.arange(n_out, dtype=input.dtype, device=input.device)
        return places * ratio if corners else (places + 0.5) * ratio - 0.5
    # PyTorch's processors round the product and the difference once, together.
    (step,) = struct.unpack("f", struct.pack("f", ratio))
    centers = torch.arange(0.5, n_out, dtype=torch.float64, device=input.device)
    return (centers * step - 0.5).to(torch.float32)


def _linear_taps(input, n_in, n_out, ratio, corners):
    source = _source(input, n_out, ratio, corners).clamp_min(0)
    left = source.floor().clamp(max=n_in - 1)
    index = left.to(torch.int64)
    fraction = (source - left).clamp(0, 1)
    index = torch.stack((index, (index + 1).clamp(max=n_in - 1)), 1)
    return index, torch.stack((1 - fraction, fraction), 1)


def _cubic_weights(t, a=-0.75):
    """Keys' weights of the four neighbours at a fraction t past the second."""

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _cubic_taps(input, n_in, n_out, ratio, corners):
    source = _source(input, n_out, ratio, corners)
    left = source.floor()
    index = left.to(torch.int64).unsqueeze(1) + torch.arange(-1, 3, device=input.device)
    return index.clamp(0, n_in - 1), torch.stack(_cubic_weights(source - left), 1)


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

    def taps(input, n_in, n_out, ratio, corners):
        reach = width * 0.5 * max(ratio, 1.0)
        step = 1.0 / max(ratio, 1.0)
        center = ratio * (torch.arange(n_out, dtype=input.dtype, device=input.device) + 0.5)
        first = (center - reach + 0.5).to(torch.int64).clamp_min(0)
        last = (center + reach + 0.5).to(torch.int64).clamp(max=n_in)
        most = 1 if first.is_meta else int((last - first).max())
        index = first.unsqueeze(1) + torch.arange(most, device=input.device)
        inside = index < last.unsqueeze(1)
        weights = kernel((index + 0.5 - center.unsqueeze(1)) * step) * inside.to(input.dtype)
        total = weights.sum(1, keepdim=True)
        weights = weights / torch.where(total == 0, torch.ones_like(total), total)
        return index, weights, inside

    return taps


_FILTERS = {
    "bilinear": _filter(_triangle, 2),
    "bicubic": _filter(_cubic, 4),
    "lanczos": _filter(_lanczos, 6),
}


def upsample(
    input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners=None
) -> Tensor:
    """The old name of `interpolate`."""
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """`interpolate` in nearest mode."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """`interpolate` in bilinear mode with aligned corners."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
