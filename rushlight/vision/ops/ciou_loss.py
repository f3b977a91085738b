"""The loss of the complete intersection over union (Zheng et al. 2020)."""

from __future__ import annotations

import math

from ... import Tensor, no_grad
from ._utils import _upcast_non_float, reduced
from .diou_loss import _diou_iou_loss


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """The distance IoU loss plus a term for different proportions, of boxes pair by pair."""
    boxes1, boxes2 = _upcast_non_float(boxes1), _upcast_non_float(boxes2)
    loss, iou = _diou_iou_loss(boxes1, boxes2, eps)
    size1, size2 = boxes1[..., 2:] - boxes1[..., :2], boxes2[..., 2:] - boxes2[..., :2]
    angle1 = (size1[..., 0] / size1[..., 1]).atan()
    angle2 = (size2[..., 0] / size2[..., 1]).atan()
    v = (4 / math.pi**2) * (angle2 - angle1) ** 2
    with no_grad():
        alpha = v / (1 - iou + v + eps)
    return reduced(loss + alpha * v, reduction)
