"""Resizing of images, one dimension at a time."""

from __future__ import annotations

import math
import warnings

import rushlight as torch
from rushlight import _C, Tensor

from ..ops._lanes import same_memory
from ..ops.padding import select_by
from ..ops.resample import resample, resample_bytes
from . import functional as F
from ._functional_padding import in_format_of
from ._interpolation_tables import byte_table, nearest_places, nearest_table, weights_table

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_DIMS_OF = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4, "lanczos": 4}


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
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")


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
    work, device = _work_dtype(input), input.device

    def resize(x, first):
        for i, (n_out, scale) in enumerate(zip(sizes, scales, strict=True)):
            n_in = x.shape[first + i]
            if n_in != n_out or scale is not None:
                ratio = _ratio(n_in, n_out, scale)
                x = resample(x, first + i, *nearest_table(n_in, n_out, ratio, exact, work, device))
        return x

    floats = input.dtype in (torch.float32, torch.float64)
    if floats and _C.any_requires_grad((input,)):  # the quicker gradient
        result = _channels_last(input, resize)
        # A result that moved nothing is still memory of its own.
        return input.clone() if same_memory(result, input) else result
    steps = [
        (n_in, n_out, _ratio(n_in, n_out, scale))
        for n_in, n_out, scale in zip(input.shape[2:], sizes, scales, strict=True)
    ]
    places = nearest_places(tuple(steps), exact, work, device)
    return in_format_of(input, select_by(input, places, list(sizes)))


def _weighted(input, sizes, scales, mode, corners, antialias):
    if not input.is_floating_point():
        raise NotImplementedError(f'"upsample_{mode}" not implemented for {input.dtype}')
    work, device = _work_dtype(input), input.device

    def resize(x, first):
        order = reversed(range(len(sizes)))
        if first == 1:  # whole pixels: the inner dims, which cost most, when few rows are left
            order = sorted(order, key=lambda i: i if sizes[i] < x.shape[1 + i] else len(sizes) - i)
        for i in order:
            n_in, n_out = x.shape[first + i], sizes[i]
            if mode != "bicubic" and n_in == n_out and scales[i] in (None, 1.0):
                continue
            ratio = _ratio(n_in, n_out, scales[i], corners)
            table = weights_table(mode, antialias, n_in, n_out, ratio, corners, work, device)
            x = resample(x, first + i, *table)
        return x

    result = _channels_last(input.to(work), resize).to(input.dtype)
    return input.clone() if same_memory(result, input) else result


def _weighted_bytes(input, sizes, scales, mode, corners, antialias):
    """Images of bytes, that stay so between the two dims: weights of 16 bits, as Pillow does it."""

    def resize(x, first):
        for i in (1, 0):
            n_in, n_out = x.shape[first + i], sizes[i]
            if n_in != n_out:
                ratio = _ratio(n_in, n_out, scales[i], corners)
                table = byte_table(mode, antialias, n_in, n_out, ratio, corners, x.device)
                x = resample_bytes(x, first + i, *table)
        return x

    result = _channels_last(input, resize)
    return input.clone() if same_memory(result, input) else result


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
