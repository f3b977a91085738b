"""Boxes from one form to another.

xyxy: two corners. xywh: the top left corner, width, height. cxcywh: the centre, width, height.
xywhr and cxcywhr: the same with an angle in degrees, counterclockwise. xyxyxyxy: the four corners
from the top left on, clockwise.
"""

from __future__ import annotations

import math

from ... import Tensor, stack


def _box_cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    cx, cy, w, h = boxes.unbind(-1)
    half_w, half_h = 0.5 * w, 0.5 * h
    return stack((cx - half_w, cy - half_h, cx + half_w, cy + half_h), dim=-1)


def _box_xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def _box_xywh_to_xyxy(boxes: Tensor) -> Tensor:
    x, y, w, h = boxes.unbind(-1)
    return stack((x, y, x + w, y + h), dim=-1)


def _box_xyxy_to_xywh(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return stack((x1, y1, x2 - x1, y2 - y1), dim=-1)


def _axes(w: Tensor, h: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sides of a turned box as vectors: (right x, right y, down x, down y)."""
    angle = r * math.pi / 180.0
    cos, sin = angle.cos(), angle.sin()
    return w * cos, -w * sin, h * sin, h * cos


def _wide(boxes: Tensor) -> Tensor:
    return boxes if boxes.is_floating_point() else boxes.float()


def _like(found: Tensor, boxes: Tensor) -> Tensor:
    return found if boxes.is_floating_point() else found.round().to(boxes.dtype)


def _box_cxcywhr_to_xywhr(boxes: Tensor) -> Tensor:
    cx, cy, w, h, r = _wide(boxes).unbind(-1)
    ax, ay, bx, by = _axes(w, h, r)
    found = stack((cx - (ax + bx) / 2, cy - (ay + by) / 2, w, h, r), dim=-1)
    return _like(found, boxes)


def _box_xywhr_to_cxcywhr(boxes: Tensor) -> Tensor:
    x, y, w, h, r = _wide(boxes).unbind(-1)
    ax, ay, bx, by = _axes(w, h, r)
    return _like(stack((x + (ax + bx) / 2, y + (ay + by) / 2, w, h, r), dim=-1), boxes)


def _box_xywhr_to_xyxyxyxy(boxes: Tensor) -> Tensor:
    x, y, w, h, r = _wide(boxes).unbind(-1)
    ax, ay, bx, by = _axes(w, h, r)
    corners = (x, y, x + ax, y + ay, x + ax + bx, y + ay + by, x + bx, y + by)
    return _like(stack(corners, dim=-1), boxes)


def _box_xyxyxyxy_to_xywhr(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2, x3, y3, _, _ = _wide(boxes).unbind(-1)
    r = (y1 - y2).atan2(x2 - x1) * 180 / math.pi
    w = ((x2 - x1) ** 2 + (y1 - y2) ** 2).sqrt()
    h = ((x3 - x2) ** 2 + (y3 - y2) ** 2).sqrt()
    return _like(stack((x1, y1, w, h, r), dim=-1), boxes)
