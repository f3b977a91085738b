"""Boxes at an angle under the maps of images.

All goes by the four corners (N, 4, 2): from the top left one on with the clock, as an upright box
has them.
"""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ....ops import _box_convert
from ....tv_tensors import BoundingBoxFormat

Format = BoundingBoxFormat
Tensor = torch.Tensor
Size = tuple[int, int]


def corners_of(boxes: Tensor, format: Format) -> Tensor:
    """The corners (N, 4, 2) of boxes."""
    if format is Format.CXCYWHR:
        boxes = _box_convert._box_cxcywhr_to_xywhr(boxes)
    if format is not Format.XYXYXYXY:
        boxes = _box_convert._box_xywhr_to_xyxyxyxy(boxes)
    return boxes.reshape(-1, 4, 2)


def boxes_of(corners: Tensor, format: Format) -> Tensor:
    """Boxes from their corners."""
    boxes = corners.flatten(-2)
    if format is Format.XYXYXYXY:
        return boxes
    turned = _box_convert._box_xyxyxyxy_to_xywhr(boxes)
    return turned if format is Format.XYWHR else _box_convert._box_xywhr_to_cxcywhr(turned)


def convert(boxes: Tensor, old: Format, new: Format) -> Tensor:
    """Boxes in another format."""
    if Format.XYXYXYXY in (old, new):
        return boxes_of(corners_of(boxes, old), new)
    if new is Format.XYWHR:
        return _box_convert._box_cxcywhr_to_xywhr(boxes)
    return _box_convert._box_xywhr_to_cxcywhr(boxes)


def shifted(boxes: Tensor, format: Format, x: float, y: float) -> Tensor:
    """Moved boxes."""
    count = 4 if format is Format.XYXYXYXY else 1
    rest = [] if count == 4 else [0.0] * 3
    return boxes + torch.tensor([x, y] * count + rest, dtype=boxes.dtype)


def flipped(boxes: Tensor, format: Format, length: int, axis: int) -> Tensor:
    """Mirror images: of the corners each takes the place of its neighbour."""
    signs = boxes.new_ones(2)
    signs[axis] = -1
    if format is Format.CXCYWHR:
        centre, size, angle = boxes[:, :2], boxes[:, 2:4], boxes[:, 4:]
        place = centre * signs + length * (signs < 0)
        return torch.cat((place, size, -angle if axis == 0 else 180 - angle), dim=-1)
    moved = corners_of(boxes, format) * signs + length * (signs < 0)
    moved = moved[:, [1, 0, 3, 2]]
    if format is Format.XYXYXYXY:
        return moved.flatten(-2)
    angle = boxes[:, 4:]
    return torch.cat((moved[:, 0], boxes[:, 2:4], -angle if axis == 0 else 180 - angle), dim=-1)


def mapped(boxes: Tensor, format: Format, mapping: Any) -> Tensor:
    """Boxes for the images of rectangles, which need not be rectangles any more."""
    points = corners_of(boxes, format)
    moved = mapping(points.reshape(-1, 2)).reshape(points.shape).to(boxes.dtype)
    return boxes_of(_rectangles(moved), format)


def _rectangles(points: Tensor) -> Tensor:
    """The rectangles that have the longer diagonal and the direction of the longer side."""
    first, second, third, fourth = points.unbind(1)
    across, down = second - first, third - second
    wide = across.norm(dim=-1, keepdim=True) > down.norm(dim=-1, keepdim=True)
    turned = torch.stack((down[:, 1], -down[:, 0]), dim=-1)
    right = torch.where(wide, across, turned)
    right = right / right.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    falling, rising = third - first, second - fourth
    keep = falling.norm(dim=-1, keepdim=True) > rising.norm(dim=-1, keepdim=True)
    width = torch.where(keep, falling, rising)
    side = (width * right).sum(-1, keepdim=True) * right
    first = torch.where(keep, first, second - side)
    third = torch.where(keep, third, fourth + side)
    second, fourth = (
        torch.where(keep, one, two) for one, two in ((first + side, second), (third - side, fourth))
    )
    return torch.stack((first, second, third, fourth), dim=1)


def recentred(boxes: Tensor, format: Format, mapping: Any) -> Tensor:
    """Boxes whose centres are moved by a map."""
    round_boxes = boxes if format is Format.CXCYWHR else convert(boxes, format, Format.CXCYWHR)
    moved = torch.cat((mapping(round_boxes[:, :2]), round_boxes[:, 2:]), dim=-1)
    return moved if format is Format.CXCYWHR else convert(moved, Format.CXCYWHR, format)


# -- clamping ----------------------------------------------------------------------------------


def clamp(boxes: Tensor, format: Format, canvas_size: Size, mode: str) -> Tensor:
    """Boxes of the same angles for the canvas.

    "soft": the smallest ones around the part that is on the canvas; "hard": ones inside of it.
    """
    points = corners_of(boxes, format)
    width, height = float(canvas_size[1]), float(canvas_size[0])
    inside = (points >= 0) & (points <= points.new_tensor([width, height]))
    changed = ~inside.flatten(1).all(-1)
    if not changed.any():
        return boxes.clone()
    around = _around(points, width, height)
    if mode == "hard":
        within = points
        for axis, limit, sign in ((0, 0.0, 1), (1, 0.0, 1), (0, width, -1), (1, height, -1)):
            within = _behind(within, axis, limit, sign, (width, height)[1 - axis])
        lost = (around == around[:, :1]).flatten(1).all(-1)
        around = torch.where(lost[:, None, None], around, within)
    found = boxes_of(around, format)
    return torch.where(changed[:, None], found, boxes)


def _sides(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit vectors (N, 2) to the right and down, and the lengths (N,) of the sides."""
    right, down = points[:, 1] - points[:, 0], points[:, 3] - points[:, 0]
    width, height = right.norm(dim=-1), down.norm(dim=-1)
    return (
        right / width[:, None].clamp(min=1e-12),
        down / height[:, None].clamp(min=1e-12),
        width,
        height,
    )


def _around(points: Tensor, width: float, height: float) -> Tensor:
    """The corners of the boxes around the common parts of boxes and canvas.

    These parts have as corners those of the box and of the canvas that lie in the other, and
    what the sides of both have in common.
    """
    frame = points.new_tensor([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    size = points.new_tensor([width, height])
    right, down, w, h = _sides(points)
    ends = points.roll(-1, 1)
    across = (ends - points)[:, :, None]
    limits = points.new_tensor([0.0, width, 0.0, height])
    axes = torch.tensor([0, 0, 1, 1])
    step = across[..., 0, :][..., axes]
    part = (limits - points[..., axes]) / torch.where(step == 0, torch.inf, step)
    crossings = points[:, :, None] + part[..., None] * across
    slack = 1e-3
    on_canvas = ((crossings >= -slack) & (crossings <= size + slack)).all(-1)
    crosses = (part >= 0) & (part <= 1) & (step != 0) & on_canvas
    within = ((points >= 0) & (points <= size)).all(-1)
    places = torch.cat((points, frame.expand(len(points), 4, 2), crossings.flatten(1, 2)), dim=1)
    local = places - points[:, :1]
    x, y = (local * right[:, None]).sum(-1), (local * down[:, None]).sum(-1)
    held = (x >= -slack) & (x <= w[:, None] + slack) & (y >= -slack) & (y <= h[:, None] + slack)
    known = torch.cat((within, held[:, 4:8], crosses.flatten(1)), dim=1)
    left, top = (v.masked_fill(~known, torch.inf).amin(-1)[:, None] for v in (x, y))
    end, low = (v.masked_fill(~known, -torch.inf).amax(-1)[:, None] for v in (x, y))
    start = points[:, 0]
    found = [
        start + a * right + b * down for a, b in ((left, top), (end, top), (end, low), (left, low))
    ]
    nowhere = ~known.any(-1)[:, None, None]
    return torch.where(nowhere, points.new_tensor([0.0, height]), torch.stack(found, dim=1))


def _behind(points: Tensor, axis: int, limit: float, sign: int, other: float) -> Tensor:
    """Boxes shrunk behind one side of the canvas.

    The corner that reaches out most goes to the middle of the side's part in the box; the
    opposite corner stays.
    """
    depth = sign * (points[..., axis] - limit)
    out = depth < 0
    worst = depth.argmin(-1)
    ends = points.roll(-1, 1)
    step = ends[..., axis] - points[..., axis]
    part = (limit - points[..., axis]) / torch.where(step == 0, torch.inf, step)
    places = points[..., 1 - axis] + part * (ends[..., 1 - axis] - points[..., 1 - axis])
    crossing = out != out.roll(-1, 1)
    middle = (places.clamp(0, other) * crossing).sum(-1) / 2
    upright = (step.abs() < 1e-4).any(-1)  # its corner need not leave its side
    kept = points[..., 1 - axis].gather(1, worst[:, None]).squeeze(1)
    places = torch.where(upright, kept, middle)
    pair = (torch.full_like(places, limit), places)
    corner = torch.stack(pair if axis == 0 else pair[::-1], dim=-1)
    order = (worst[:, None] + torch.arange(4)) % 4
    turned = points.gather(1, order[..., None].expand(-1, -1, 2))
    right, down, _, _ = _sides(turned)
    diagonal = turned[:, 2] - corner
    second = corner + (diagonal * right).sum(-1, keepdim=True) * right
    fourth = corner + (diagonal * down).sum(-1, keepdim=True) * down
    shrunk = torch.stack((corner, second, turned[:, 2], fourth), dim=1)
    back = (torch.arange(4) - worst[:, None]) % 4
    shrunk = shrunk.gather(1, back[..., None].expand(-1, -1, 2))
    return torch.where(out.any(-1)[:, None, None], shrunk, points)
