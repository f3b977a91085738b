"""The loss of the distance intersection over union (Zheng et al. 2020)."""

from __future__ import annotations

from ... import Tensor, maximum, minimum
from ._utils import _loss_inter_union, _upcast_non_float, reduced


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - IoU plus the distance of the centres over the hull's diagonal, both squared."""
    loss, _ = _diou_iou_loss(_upcast_non_float(boxes1), _upcast_non_float(boxes2), eps)
    return reduced(loss, reduction)


def _diou_iou_loss(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> tuple[Tensor, Tensor]:
    """(the loss, the IoU) of boxes (..., 4) pair by pair."""
    inter, union = _loss_inter_union(boxes1, boxes2)
    iou = inter / (union + eps)
    bottom_right = maximum(boxes1[..., 2:], boxes2[..., 2:])
    sides = bottom_right - minimum(boxes1[..., :2], boxes2[..., :2])
    diagonal = (sides**2).sum(-1) + eps
    gap = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]) / 2
    return 1 - iou + (gap**2).sum(-1) / diagonal, iou
