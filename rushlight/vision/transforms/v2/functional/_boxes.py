"""Bounding boxes (N, 4) under the maps of images."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ....tv_tensors import BoundingBoxFormat, is_rotated_bounding_format
from ... import _geometry, _warp
from ...functional import _shears, _sides
from . import _turned

Format = BoundingBoxFormat
Tensor = torch.Tensor
Size = tuple[int, int]


def convert(boxes: Tensor, old: Format, new: Format) -> Tensor:
    """Boxes in another format; a new tensor unless the formats are the same.

    Halves of whole numbers are rounded towards zero.
    """
    if old == new:
        return boxes
    if is_rotated_bounding_format(old) != is_rotated_bounding_format(new):
        raise ValueError("Cannot convert between rotated and unrotated bounding boxes.")
    if is_rotated_bounding_format(old):
        return _turned.convert(boxes, old, new)
    first, second = boxes[..., :2], boxes[..., 2:]
    if Format.CXCYWH in (old, new) and not boxes.is_floating_point():
        first, second = first.float(), second.float()
    if old is Format.XYWH:
        second = first + second
    elif old is Format.CXCYWH:
        first = first - second / 2
        second = first + second
    if new is not Format.XYXY:
        second = second - first
    if new is Format.CXCYWH:
        first = (first * 2 + second) / 2
    return torch.cat((first, second), dim=-1).to(boxes.dtype)


def clamp(boxes: Tensor, format: Format, canvas_size: Size, clamping_mode: str | None) -> Tensor:
    """Boxes that do not reach out of the canvas; `clamping_mode=None` leaves them."""
    if clamping_mode is None:
        return boxes.clone()
    if is_rotated_bounding_format(format):
        return _turned.clamp(boxes, format, canvas_size, clamping_mode)
    floating = boxes if boxes.is_floating_point() else boxes.float()
    corners = convert(floating, format, Format.XYXY)
    x = corners[..., 0::2].clamp(min=0, max=canvas_size[1])
    y = corners[..., 1::2].clamp(min=0, max=canvas_size[0])
    inside = torch.stack((x, y), dim=-1).flatten(-2)
    return convert(inside, Format.XYXY, format).to(boxes.dtype)


def horizontal_flip(boxes: Tensor, format: Format, canvas_size: Size) -> Tensor:
    """Left and right change places."""
    return _flipped(boxes, format, canvas_size[1], 0)


def vertical_flip(boxes: Tensor, format: Format, canvas_size: Size) -> Tensor:
    """Above and below change places."""
    return _flipped(boxes, format, canvas_size[0], 1)


def _flipped(boxes: Tensor, format: Format, length: int, axis: int) -> Tensor:
    if is_rotated_bounding_format(format):
        return _turned.flipped(boxes, format, length, axis)
    shape = boxes.shape
    result = boxes.clone().reshape(-1, 4)
    low, high = result[:, axis].clone(), result[:, axis + 2].clone()
    if format is Format.XYXY:
        result[:, axis], result[:, axis + 2] = length - high, length - low
    else:
        result[:, axis] = length - (low + high if format is Format.XYWH else low)
    return result.reshape(shape)


def crop(
    bounding_boxes: Tensor,
    format: Format,
    top: int,
    left: int,
    height: int,
    width: int,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, Size]:
    """Boxes in a part of the image."""
    if is_rotated_bounding_format(format):
        moved = _turned.shifted(bounding_boxes, format, -left, -top)
    else:
        shift = [left, top, left, top] if format is Format.XYXY else [left, top, 0, 0]
        moved = bounding_boxes - torch.tensor(shift, dtype=bounding_boxes.dtype)
    return clamp(moved, format, (height, width), clamping_mode), (height, width)


def pad(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: Size,
    padding: Any,
    padding_mode: str = "constant",
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, Size]:
    """Boxes in an image with a border."""
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    left, top, right, bottom = _sides(padding)
    size = (canvas_size[0] + top + bottom, canvas_size[1] + left + right)
    moved, _ = crop(bounding_boxes, format, -top, -left, *size, None)
    return clamp(moved, format, size, clamping_mode), size


def resize(
    bounding_boxes: Tensor,
    canvas_size: Size,
    size: Any,
    max_size: int | None = None,
    format: Format = Format.XYXY,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, Size]:
    """Boxes in a resized image."""
    new = wanted_size(canvas_size, size, max_size)
    if tuple(new) == tuple(canvas_size):
        return bounding_boxes, tuple(canvas_size)
    down, across = (n / o for n, o in zip(new, canvas_size))
    if is_rotated_bounding_format(format):
        ratios = torch.tensor([across, down])
        scaled = _turned.mapped(bounding_boxes, format, lambda points: points * ratios)
        return clamp(scaled, format, tuple(new), clamping_mode), tuple(new)
    scaled = bounding_boxes.mul(torch.tensor([across, down, across, down]))
    return scaled.to(bounding_boxes.dtype), tuple(new)


def wanted_size(canvas_size: Size, size: Any, max_size: int | None) -> list[int]:
    """[height, width] that resizing an image to `size` gives; None: the longer side."""
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size}")
        height, width = canvas_size
        if height <= width:
            return [int(max_size * height / width), max_size]
        return [max_size, int(max_size * width / height)]
    return _geometry.resized_size(
        canvas_size, list(size) if isinstance(size, (list, tuple)) else [size], max_size
    )


def center_crop(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: Size,
    output_size: Any,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, Size]:
    """Boxes in the centre of the image."""
    height, width = pair(output_size)
    top = int(round((canvas_size[0] - height) / 2.0))
    left = int(round((canvas_size[1] - width) / 2.0))
    return crop(bounding_boxes, format, top, left, height, width, clamping_mode)


def pair(size: Any) -> list[int]:
    """A size as [height, width]."""
    if isinstance(size, int):
        return [size, size]
    return [size[0]] * 2 if len(size) == 1 else list(size)


def resized_crop(
    bounding_boxes: Tensor,
    format: Format,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, Size]:
    """Boxes in a part of the image that is resized."""
    part, canvas = crop(bounding_boxes, format, top, left, height, width, clamping_mode)
    return resize(part, canvas, size, format=format, clamping_mode=clamping_mode)


def _mapped(boxes: Tensor, format: Format, canvas: Size, mapping: Any, mode: str | None) -> Tensor:
    """The upright boxes around the images of the corners under `mapping` of points (N, 2)."""
    if is_rotated_bounding_format(format):
        return clamp(_turned.mapped(boxes, format, mapping), format, canvas, mode)
    floating = boxes if boxes.is_floating_point() else boxes.float()
    corners = convert(floating.reshape(-1, 4), format, Format.XYXY)
    points = corners[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].reshape(-1, 2)
    moved = mapping(points).reshape(-1, 4, 2)
    around = torch.cat((moved.amin(dim=1), moved.amax(dim=1)), dim=1)
    result = convert(clamp(around, Format.XYXY, canvas, mode), Format.XYXY, format)
    return result.reshape(boxes.shape).to(boxes.dtype)


def affine_points(
    canvas: Size, angle: float, translate: Any, scale: float, shear: Any, center: Any, expand: bool
) -> tuple[Any, Size]:
    """The affine map of points (N, 2) of a canvas, and the canvas that results."""
    height, width = canvas
    center = [width * 0.5, height * 0.5] if center is None else center
    numbers = (center, angle, [1.0 * t for t in translate], scale, _shears(shear))
    matrix = torch.tensor(_warp.affine_matrix(*numbers, inverted=False)).reshape(2, 3)

    def mapping(points):
        points = points if points.is_floating_point() else points.float()
        return points @ matrix[:, :2].to(points.dtype).T + matrix[:, 2].to(points.dtype)

    if not expand:
        return mapping, canvas
    frame = torch.tensor([[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]])
    least = mapping(frame).amin(dim=0)
    new_width, new_height = _warp.rotated_size(_warp.affine_matrix(*numbers), width, height)
    return lambda points: mapping(points) - least.to(points.dtype), (new_height, new_width)


def affine(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: Size,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    center: Any = None,
    clamping_mode: str | None = "soft",
) -> Tensor:
    """The boxes around the images of boxes under an affine map."""
    mapping, _ = affine_points(canvas_size, angle, translate, scale, shear, center, False)
    return _mapped(bounding_boxes, format, canvas_size, mapping, clamping_mode)


def rotate(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: Size,
    angle: float,
    expand: bool = False,
    center: Any = None,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, Size]:
    """The boxes around turned boxes."""
    mapping, canvas = affine_points(canvas_size, -angle, [0, 0], 1.0, [0.0, 0.0], center, expand)
    return _mapped(bounding_boxes, format, canvas, mapping, clamping_mode), canvas


def perspective_points(coefficients: list[float]) -> Any:
    """The map of points that undoes a projective map of places."""
    a, b, c, d, e, f, g, h = coefficients
    inverse = torch.tensor(
        [
            [e - f * h, -b + c * h, b * f - c * e],
            [-d + f * g, a - c * g, -a * f + c * d],
            [-e * g + d * h, -a * h + b * g, a * e - b * d],
        ]
    ) / (a * e - b * d)

    def mapping(points):
        points = points if points.is_floating_point() else points.float()
        m = inverse.to(points.dtype)
        moved = points @ m[:, :2].T + m[:, 2]
        return moved[..., :2] / moved[..., 2:]

    return mapping


def perspective(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: Size,
    startpoints: Any,
    endpoints: Any,
    coefficients: list[float] | None = None,
    clamping_mode: str | None = "soft",
) -> Tensor:
    """The boxes around the images of boxes under a projective map."""
    mapping = perspective_points(perspective_numbers(startpoints, endpoints, coefficients))
    return _mapped(bounding_boxes, format, canvas_size, mapping, clamping_mode)


def perspective_numbers(startpoints: Any, endpoints: Any, coefficients: Any) -> list[float]:
    """The eight numbers of a projective map, given or from four pairs of points."""
    if coefficients is not None:
        if startpoints is not None and endpoints is not None:
            raise ValueError(
                "The startpoints/endpoints and the coefficients shouldn't be defined concurrently."
            )
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
        return coefficients
    if startpoints is None or endpoints is None:
        raise ValueError(
            "Either the startpoints/endpoints or the coefficients must have non `None` values."
        )
    return _warp.perspective_coefficients(startpoints, endpoints)


def elastic_points(canvas_size: Size, displacement: Tensor, up: bool = True) -> Any:
    """The map of points, rounded up or down, that nearly undoes an elastic one."""
    grid = _warp.elastic_grid(canvas_size, -_warp.checked(displacement))
    half = 0.5 * torch.tensor(canvas_size[::-1])

    def mapping(points):
        index = (points.ceil() if up else points).to(torch.int64)
        x = index[..., 0].clamp(0, grid.shape[2] - 1)
        y = index[..., 1].clamp(0, grid.shape[1] - 1)
        return ((grid[0, y, x] + 1) * half - 0.5).to(points.dtype)

    return mapping


def elastic(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: Size,
    displacement: Tensor,
    clamping_mode: str | None = "soft",
) -> Tensor:
    """The boxes around the images of boxes under an elastic map."""
    mapping = elastic_points(canvas_size, displacement)
    if is_rotated_bounding_format(format):
        moved = _turned.recentred(bounding_boxes, format, mapping)
        return clamp(moved, format, canvas_size, clamping_mode)
    return _mapped(bounding_boxes, format, canvas_size, mapping, clamping_mode)
