"""Key points (..., 2) under the maps of images."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ...functional import _sides
from . import _boxes

Tensor = torch.Tensor
Size = tuple[int, int]


def clamp(points: Tensor, canvas_size: Size) -> Tensor:
    """Points that do not lie outside of the canvas."""
    x = points[..., 0].clamp(0, canvas_size[1] - 1)
    y = points[..., 1].clamp(0, canvas_size[0] - 1)
    return torch.stack((x, y), dim=-1)


def horizontal_flip(keypoints: Tensor, canvas_size: Size) -> Tensor:
    """Left and right change places."""
    return torch.stack((canvas_size[1] - 1 - keypoints[..., 0], keypoints[..., 1]), dim=-1)


def vertical_flip(keypoints: Tensor, canvas_size: Size) -> Tensor:
    """Above and below change places."""
    return torch.stack((keypoints[..., 0], canvas_size[0] - 1 - keypoints[..., 1]), dim=-1)


def crop(keypoints: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, Size]:
    """Points in a part of the image."""
    moved = keypoints - torch.tensor([left, top], dtype=keypoints.dtype)
    return moved, (height, width)


def pad(
    keypoints: Tensor, canvas_size: Size, padding: Any, padding_mode: str = "constant"
) -> tuple[Tensor, Size]:
    """Points in an image with a border."""
    if padding_mode != "constant":
        raise ValueError(
            f"Padding mode '{padding_mode}' is not supported with KeyPoints (supported modes are "
            "constant)"
        )
    left, top, right, bottom = _sides(padding)
    size = (canvas_size[0] + top + bottom, canvas_size[1] + left + right)
    return crop(keypoints, -top, -left, *size)


def resize(
    keypoints: Tensor, size: Any, canvas_size: Size, max_size: int | None = None
) -> tuple[Tensor, Size]:
    """Points in a resized image."""
    new = tuple(_boxes.wanted_size(canvas_size, size, max_size))
    if new == tuple(canvas_size):
        return keypoints, new
    ratios = torch.tensor([new[1] / canvas_size[1], new[0] / canvas_size[0]])
    return keypoints.mul(ratios).to(keypoints.dtype), new


def center_crop(keypoints: Tensor, canvas_size: Size, output_size: Any) -> tuple[Tensor, Size]:
    """Points in the centre of the image."""
    height, width = _boxes.pair(output_size)
    top = int(round((canvas_size[0] - height) / 2.0))
    left = int(round((canvas_size[1] - width) / 2.0))
    return crop(keypoints, top, left, height, width)


def resized_crop(
    keypoints: Tensor, top: int, left: int, height: int, width: int, size: Any
) -> tuple[Tensor, Size]:
    """Points in a part of the image that is resized."""
    part, canvas = crop(keypoints, top, left, height, width)
    return resize(part, size, canvas)


def _mapped(points: Tensor, mapping: Any) -> Tensor:
    return mapping(points.reshape(-1, 2)).reshape(points.shape).to(points.dtype)


def affine(
    keypoints: Tensor,
    canvas_size: Size,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    center: Any = None,
) -> Tensor:
    """Points under an affine map."""
    mapping, _ = _boxes.affine_points(canvas_size, angle, translate, scale, shear, center, False)
    return _mapped(keypoints, mapping)


def rotate(
    keypoints: Tensor, canvas_size: Size, angle: float, expand: bool = False, center: Any = None
) -> tuple[Tensor, Size]:
    """Turned points."""
    zero = [0.0, 0.0]
    mapping, canvas = _boxes.affine_points(canvas_size, -angle, zero, 1.0, zero, center, expand)
    return _mapped(keypoints, mapping), canvas


def perspective(
    keypoints: Tensor,
    canvas_size: Size,
    startpoints: Any,
    endpoints: Any,
    coefficients: list[float] | None = None,
) -> Tensor:
    """Points under a projective map."""
    numbers = _boxes.perspective_numbers(startpoints, endpoints, coefficients)
    return _mapped(keypoints, _boxes.perspective_points(numbers))


def elastic(keypoints: Tensor, canvas_size: Size, displacement: Tensor) -> Tensor:
    """Points under an elastic map."""
    floating = keypoints if keypoints.is_floating_point() else keypoints.float()
    moved = _mapped(floating, _boxes.elastic_points(canvas_size, displacement, False))
    return moved.to(keypoints.dtype)
