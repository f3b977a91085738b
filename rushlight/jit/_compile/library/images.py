"""Images and grids: resizing, sampling, padding, patches."""

from __future__ import annotations

import warnings

import rushlight as torch
from rushlight import Tensor

from ..annotated import BroadcastingList2
from ..operators import aten

__all__ = [
    "affine_grid", "fold", "grid_sample", "interpolate", "pad", "unfold", "upsample",
    "upsample_bilinear", "upsample_nearest",
]  # fmt: skip


def pad(
    input: Tensor, pad: list[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    return aten.pad(input, pad, mode, value)


def _corners(align_corners: bool | None) -> bool:
    if align_corners is not None:
        return align_corners
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
        "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
        "documentation of grid_sample for details.",
        stacklevel=3,
    )
    return False


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    if mode == "bilinear":
        mode_number = 0
    elif mode == "nearest":
        mode_number = 1
    elif mode == "bicubic":
        mode_number = 2
    else:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode == "zeros":
        padding = 0
    elif padding_mode == "border":
        padding = 1
    elif padding_mode == "reflection":
        padding = 2
    else:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    return aten.grid_sampler(input, grid, mode_number, padding, _corners(align_corners))


def affine_grid(theta: Tensor, size: list[int], align_corners: bool | None = None) -> Tensor:
    return aten.affine_grid_generator(theta, size, _corners(align_corners))


def unfold(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    dilation: BroadcastingList2[int] = 1,
    padding: BroadcastingList2[int] = 0,
    stride: BroadcastingList2[int] = 1,
) -> Tensor:
    return aten.im2col(input, kernel_size, dilation, padding, stride)


def fold(
    input: Tensor,
    output_size: BroadcastingList2[int],
    kernel_size: BroadcastingList2[int],
    dilation: BroadcastingList2[int] = 1,
    padding: BroadcastingList2[int] = 0,
    stride: BroadcastingList2[int] = 1,
) -> Tensor:
    return aten.col2im(input, output_size, kernel_size, dilation, padding, stride)


def _sizes(input: Tensor, size: list[int]) -> list[int]:
    count = input.dim() - 2
    if len(size) == 1 and count > 1:
        return size * count
    if len(size) != count:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {input.size()[2:]} and output size of {size}. Please provide "
            "input tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) "
            "format."
        )
    return size


def _scales(input: Tensor, scale_factor: list[float]) -> list[float]:
    count = input.dim() - 2
    if len(scale_factor) == 1 and count > 1:
        return scale_factor * count
    if len(scale_factor) != count:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got "
            f"input with spatial dimensions of {input.size()[2:]} and scale_factor of shape "
            f"{scale_factor}."
        )
    return scale_factor


def _scaled(input: Tensor, scales: list[float]) -> list[int]:
    found = torch.jit.annotate(list[int], [])
    for i in range(len(scales)):
        if torch.jit.is_scripting():
            found.append(int(float(input.size(i + 2)) * scales[i]))
        else:
            found.append(input.size(i + 2).scaled(scales[i]))
    return found


def _check_mode(mode: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        return False
    if mode == "nearest" or mode == "area" or mode == "nearest-exact":
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    return align_corners


def one_int(value: int | None) -> list[int] | None:
    if value is None:
        return None
    return [value]


def one_float(value: float | None) -> list[float] | None:
    if value is None:
        return None
    return [value]


def interpolate(
    input: Tensor,
    size: list[int] | None = None,
    scale_factor: list[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    corners = _check_mode(mode, align_corners)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    dims = input.dim()
    if antialias and not ((mode == "bilinear" or mode == "bicubic") and dims == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    out: list[int] | None = None
    scales: list[float] | None = None
    if size is not None:
        out = _sizes(input, size)
    elif scale_factor is not None:
        wanted = _scales(input, scale_factor)
        if recompute_scale_factor is not None and recompute_scale_factor or mode == "area":
            out = _scaled(input, wanted)
        else:
            scales = wanted
    else:
        raise ValueError("either size or scale_factor should be defined")
    if mode == "area":
        assert out is not None
        return _by_area(input, out)
    return _resized(input, out, scales, mode, corners, antialias)


def _resized(
    input: Tensor,
    out: list[int] | None,
    scales: list[float] | None,
    mode: str,
    corners: bool,
    antialias: bool,
) -> Tensor:
    dims = input.dim()
    if dims == 3:
        if mode == "nearest":
            return aten.upsample_nearest1d.vec(input, out, scales)
        if mode == "nearest-exact":
            return aten._upsample_nearest_exact1d.vec(input, out, scales)
        if mode == "linear":
            return aten.upsample_linear1d.vec(input, out, corners, scales)
    if dims == 4:
        if mode == "nearest":
            return aten.upsample_nearest2d.vec(input, out, scales)
        if mode == "nearest-exact":
            return aten._upsample_nearest_exact2d.vec(input, out, scales)
        if mode == "bilinear":
            if antialias:
                return aten._upsample_bilinear2d_aa.vec(input, out, corners, scales)
            return aten.upsample_bilinear2d.vec(input, out, corners, scales)
        if mode == "bicubic":
            if antialias:
                return aten._upsample_bicubic2d_aa.vec(input, out, corners, scales)
            return aten.upsample_bicubic2d.vec(input, out, corners, scales)
    if dims == 5:
        if mode == "nearest":
            return aten.upsample_nearest3d.vec(input, out, scales)
        if mode == "nearest-exact":
            return aten._upsample_nearest_exact3d.vec(input, out, scales)
        if mode == "trilinear":
            return aten.upsample_trilinear3d.vec(input, out, corners, scales)
    raise NotImplementedError(
        "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
        f"{dims}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | "
        f"nearest-exact (got {mode})"
    )


def _by_area(input: Tensor, out: list[int]) -> Tensor:
    if input.dim() == 3:
        return aten.adaptive_avg_pool1d(input, out)
    if input.dim() == 4:
        return aten.adaptive_avg_pool2d(input, out)
    return aten.adaptive_avg_pool3d(input, out)


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def upsample(
    input: Tensor,
    size: list[int] | None = None,
    scale_factor: list[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: list[int] | None = None, scale_factor: list[float] | None = None
) -> Tensor:
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor)


def upsample_bilinear(
    input: Tensor, size: list[int] | None = None, scale_factor: list[float] | None = None
) -> Tensor:
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)
