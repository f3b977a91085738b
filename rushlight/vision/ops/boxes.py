"""Boxes: areas, overlaps, conversions, and which of many overlapping ones to keep."""

from __future__ import annotations

import math

from ... import Tensor, max, min, no_grad, stack, unique, where, zeros
from . import _box_convert as convert
from ._kernels import vision_nms
from ._utils import _upcast

_STRAIGHT = ("xyxy", "xywh", "cxcywh")
_TURNED = ("cxcywhr", "xywhr", "xyxyxyxy")


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: indices of the boxes that stay, by falling score.

    `boxes` (N, 4) as x1, y1, x2, y2; a box goes when its overlap (IoU) with a better one that stays
    is above `iou_threshold`. Of equal scores the first is the better.
    """
    if boxes.ndim != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.ndim}D")
    if boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.shape[1]}")
    if scores.ndim != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.ndim}D")
    if boxes.shape[0] != scores.shape[0]:
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got "
            f"{boxes.shape[0]} and {scores.shape[0]}"
        )
    if boxes.dtype != scores.dtype:
        raise RuntimeError("dets should have the same type as scores")
    order = scores.detach().argsort(stable=True, descending=True)
    return vision_nms(boxes.detach(), order, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression within each category of `idxs` by itself."""
    if boxes.numel() > 4000:
        return _batched_nms_vanilla(boxes, scores, idxs, iou_threshold)
    return _batched_nms_coordinate_trick(boxes, scores, idxs, iou_threshold)


def _batched_nms_coordinate_trick(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float
) -> Tensor:
    """Move every category to a place of its own, so that none overlap."""
    if boxes.numel() == 0:
        return boxes.new_empty((0,)).long()
    offsets = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + offsets[:, None], scores, iou_threshold)


def _batched_nms_vanilla(
    boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float
) -> Tensor:
    """One call for every category."""
    stays = scores.new_zeros(scores.shape).bool()
    for category in unique(idxs):
        members = where(idxs == category)[0]
        stays[members[nms(boxes[members], scores[members], iou_threshold)]] = True
    kept = where(stays)[0]
    return kept[scores[kept].sort(descending=True)[1]]


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes (N, 4) whose sides are at least `min_size`."""
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return where((w >= min_size) & (h >= min_size))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) cut to an image of `size` (height, width)."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


# Each form's way to xyxy and back, or to xywhr and back for turned boxes.
_TO = {
    "xywh": convert._box_xywh_to_xyxy,
    "cxcywh": convert._box_cxcywh_to_xyxy,
    "cxcywhr": convert._box_cxcywhr_to_xywhr,
    "xyxyxyxy": convert._box_xyxyxyxy_to_xywhr,
}
_FROM = {
    "xywh": convert._box_xyxy_to_xywh,
    "cxcywh": convert._box_xyxy_to_cxcywh,
    "cxcywhr": convert._box_xywhr_to_cxcywhr,
    "xyxyxyxy": convert._box_xywhr_to_xyxyxyxy,
}


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes of one form in another: "xyxy", "xywh", "cxcywh", or turned ones (see _box_convert).

    ValueError for unknown forms, NotImplementedError between straight and turned ones.
    """
    message = (
        f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
    )
    if not {in_fmt, out_fmt} <= {*_STRAIGHT, *_TURNED}:
        raise ValueError(message)
    if in_fmt == out_fmt:
        return boxes.clone()
    if (in_fmt in _STRAIGHT) != (out_fmt in _STRAIGHT):
        raise NotImplementedError(message)
    if in_fmt in _TO:
        boxes = _TO[in_fmt](boxes)
    return _FROM[out_fmt](boxes) if out_fmt in _FROM else boxes


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """The areas of boxes (..., 4)."""
    if fmt not in _STRAIGHT:
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")
    boxes = _upcast(boxes)
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def _box_inter_union(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> tuple[Tensor, Tensor]:
    """Intersections and unions of all pairs, (..., N, M)."""
    area1, area2 = box_area(boxes1, fmt), box_area(boxes2, fmt)
    if fmt != "xyxy":
        boxes1, boxes2 = box_convert(boxes1, fmt, "xyxy"), box_convert(boxes2, fmt, "xyxy")
    top_left = max(boxes1[..., None, :2], boxes2[..., None, :, :2])
    bottom_right = min(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    sides = _upcast(bottom_right - top_left).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    return inter, area1[..., None] + area2[..., None, :] - inter


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """The intersection over the union of all pairs of boxes (N, 4) and (M, 4): (N, M).

    Turned boxes (forms "cxcywhr", "xywhr", "xyxyxyxy") are clipped against each other.
    """
    if fmt in _TURNED:
        from ._rotated import rotated_box_iou

        return rotated_box_iou(boxes1, boxes2, fmt)
    if fmt not in _STRAIGHT:
        raise ValueError(
            f"Unsupported format '{fmt}'. Supported axis-aligned formats: {_STRAIGHT}. "
            f"Supported rotated formats: {_TURNED}."
        )
    inter, union = _box_inter_union(boxes1, boxes2, fmt)
    return inter / union


def _hull(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Width and height of the smallest box around each pair, (..., N, M, 2)."""
    top_left = min(boxes1[..., None, :2], boxes2[..., None, :, :2])
    bottom_right = max(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    return _upcast(bottom_right - top_left).clamp(min=0)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The GIoU of all pairs of boxes (Rezatofighi et al. 2019): (N, M)."""
    inter, union = _box_inter_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    hull = sides[..., 0] * sides[..., 1]
    return inter / union - (hull - union) / hull


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """The distance IoU of all pairs of boxes (Zheng et al. 2020): (N, M)."""
    found, _ = _box_diou_iou(_float(boxes1), _float(boxes2), eps)
    return found


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """The complete IoU of all pairs of boxes (Zheng et al. 2020): (N, M)."""
    boxes1, boxes2 = _float(boxes1), _float(boxes2)
    diou, iou = _box_diou_iou(boxes1, boxes2, eps)
    sides1, sides2 = boxes1[:, 2:] - boxes1[:, :2], boxes2[:, 2:] - boxes2[:, :2]
    angle1 = (sides1[:, 0] / sides1[:, 1]).atan()
    angle2 = (sides2[:, 0] / sides2[:, 1]).atan()
    v = (4 / math.pi**2) * (angle1[:, None] - angle2) ** 2
    with no_grad():
        alpha = v / (1 - iou + v + eps)
    return diou - alpha * v


def _float(boxes: Tensor) -> Tensor:
    return _upcast(boxes) if boxes.is_floating_point() else boxes.float()


def _box_diou_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> tuple[Tensor, Tensor]:
    """(the distance IoU, the IoU) of all pairs."""
    iou = box_iou(boxes1, boxes2)
    diagonal = (_hull(boxes1, boxes2) ** 2).sum(-1) + eps
    centre1, centre2 = (boxes1[:, :2] + boxes1[:, 2:]) / 2, (boxes2[:, :2] + boxes2[:, 2:]) / 2
    gap = _upcast(centre1[:, None, :] - centre2[None, :, :])
    return iou - (gap**2).sum(-1) / diagonal, iou


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The smallest boxes (N, 4) around what is not zero in masks (N, H, W)."""
    if masks.numel() == 0:
        return zeros((0, 4), device=masks.device)
    found = masks != 0
    box = []
    for dim in (1, 2):  # over rows: which columns are used; over columns: which rows
        used = found.any(dim).int()
        first = used.argmax(1)
        last = used.shape[1] - 1 - used.flip(1).argmax(1)
        box += [first, last * used.any(1)]
    return stack((box[0], box[2], box[1], box[3]), 1).float()
