"""Overlaps of turned boxes.

The intersection of two convex quadrilaterals has as corners those corners of each that lie in the
other, and the crossings of their sides. Sorted by angle around their mean they give the area.
"""

from __future__ import annotations

from ... import Tensor, cat, where
from . import _box_convert as convert


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _corners(boxes: Tensor, fmt: str) -> Tensor:
    """The four corners (N, 4, 2), as float32 at least."""
    columns = 8 if fmt == "xyxyxyxy" else 5
    if boxes.ndim != 2 or boxes.shape[1] != columns:
        raise RuntimeError(f"boxes1 should have shape (N, {columns}), got {list(boxes.shape)}")
    boxes = boxes.double() if str(boxes.dtype).endswith("float64") else boxes.float()
    if fmt == "cxcywhr":
        boxes = convert._box_cxcywhr_to_xywhr(boxes)
    if fmt != "xyxyxyxy":
        boxes = convert._box_xywhr_to_xyxyxyxy(boxes)
    return boxes.reshape(-1, 4, 2)


def _area(corners: Tensor) -> Tensor:
    return 0.5 * _cross(corners, corners.roll(-1, -2)).sum(-1).abs()


def _inside(points: Tensor, sides: Tensor, start: Tensor) -> Tensor:
    """Whether points (..., 4, 2) lie in the quadrilateral of sides (..., 4, 2), edge included."""
    turn = _cross(sides[..., None, :, :], points[..., :, None, :] - start[..., None, :, :])
    slack = 1e-6 * (sides**2).sum(-1)[..., None, :]
    return (turn >= -slack).all(-1) | (turn <= slack).all(-1)


def _intersections(a: Tensor, b: Tensor) -> Tensor:
    """The common areas of all pairs of quadrilaterals (N, 4, 2) and (M, 4, 2): (N, M)."""
    shape = a.shape[0], b.shape[0], 4, 2
    a, b = a[:, None].expand(shape), b[None].expand(shape)
    side_a, side_b = a.roll(-1, -2) - a, b.roll(-1, -2) - b
    turn = _cross(side_a[..., :, None, :], side_b[..., None, :, :])
    gap = b[..., None, :, :] - a[..., :, None, :]
    safe = where(turn == 0, turn.new_ones(()), turn)
    along_a = _cross(gap, side_b[..., None, :, :]) / safe
    along_b = _cross(gap, side_a[..., :, None, :]) / safe
    crosses = (turn != 0) & (along_a >= 0) & (along_a <= 1) & (along_b >= 0) & (along_b <= 1)
    crossings = a[..., :, None, :] + along_a[..., None] * side_a[..., :, None, :]
    points = cat([a, b, crossings.flatten(-3, -2)], -2)
    valid = cat([_inside(a, side_b, b), _inside(b, side_a, a), crosses.flatten(-2)], -1)
    count = valid.sum(-1, keepdim=True)
    points = where(valid[..., None], points, points.new_zeros(()))
    middle = points.sum(-2) / count.clamp(min=1)
    around = (points - middle[..., None, :]) * valid[..., None]
    angle = around[..., 1].atan2(around[..., 0]).masked_fill(~valid, float("inf"))
    order = angle.argsort(-1)
    ring = around.gather(-2, order[..., None].expand(*order.shape, 2))
    # What is no corner of the intersection comes last, and as its first corner adds no area.
    known = valid.gather(-1, order)
    ring = where(known[..., None], ring, ring[..., :1, :])
    return where(count[..., 0] > 2, _area(ring), ring.new_zeros(()))


def rotated_box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str) -> Tensor:
    """The intersection over the union of all pairs of turned boxes: (N, M)."""
    a, b = _corners(boxes1, fmt), _corners(boxes2, fmt)
    area_a, area_b = _area(a)[:, None], _area(b)[None]
    real = (area_a > 0) & (area_b > 0)  # a box without area overlaps nothing
    inter = _intersections(a, b).masked_fill(~real, 0.0)
    union = (area_a + area_b - inter).masked_fill(~real, 1.0)
    return inter / union
