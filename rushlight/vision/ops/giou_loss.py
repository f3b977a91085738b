"""The loss of the generalised intersection over union (Rezatofighi et al. 2019)."""

from __future__ import annotations

from ... import Tensor, maximum, minimum
from ._utils import _loss_inter_union, _upcast_non_float, reduced


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - GIoU of boxes (..., 4) pair by pair, as x1, y1, x2, y2."""
    boxes1, boxes2 = _upcast_non_float(boxes1), _upcast_non_float(boxes2)
    inter, union = _loss_inter_union(boxes1, boxes2)
    bottom_right = maximum(boxes1[..., 2:], boxes2[..., 2:])
    sides = bottom_right - minimum(boxes1[..., :2], boxes2[..., :2])
    hull = sides[..., 0] * sides[..., 1]
    loss = 1 - (inter / (union + eps) - (hull - union) / (hull + eps))
    return reduced(loss, reduction)
