"""What several operators on boxes share."""

from __future__ import annotations

from collections.abc import Sequence

import rushlight as torch

from ... import (
    Tensor,
    cat,
    full_like,
    maximum,
    minimum,
    nn,
    zeros_like,
)


def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """Concatenate; a single tensor is not copied."""
    return tensors[0] if len(tensors) == 1 else cat(tensors, dim)


def convert_boxes_to_roi_format(boxes: list[Tensor]) -> Tensor:
    """The boxes (L, 4) of each image as regions (K, 5) that begin with the image's index."""
    places = _cat(list(boxes), dim=0)
    images = _cat([full_like(b[:, :1], i) for i, b in enumerate(boxes)], dim=0)
    return cat([images, places], dim=1)


def check_roi_boxes_shape(boxes: Tensor | list[Tensor]) -> None:
    """AssertionError unless `boxes` is a list of (L, 4) or a tensor (K, 5)."""
    if isinstance(boxes, (list, tuple)):
        for each in boxes:
            if each.size(1) != 4:
                raise AssertionError(
                    "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
                )
    elif isinstance(boxes, Tensor):
        if boxes.size(1) != 5:
            raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")
    else:
        raise AssertionError("boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]]")


def as_rois(boxes: Tensor | list[Tensor]) -> Tensor:
    """Regions (K, 5) from either form of boxes."""
    check_roi_boxes_shape(boxes)
    return boxes if isinstance(boxes, Tensor) else convert_boxes_to_roi_format(boxes)


def pair(value) -> tuple[int, int]:
    """A number twice, or the two numbers given."""
    if isinstance(value, Sequence):
        if len(value) == 1:
            value = (*value, *value)
        if len(value) != 2:
            raise ValueError(f"expected one or two numbers, got {value}")
        return value[0], value[1]
    return value, value


def in_float(function, *tensors: Tensor | None, **keywords) -> Tensor:
    """Call `function` with half precision tensors as float32; the result is half again."""
    if tensors[0].dtype != torch.float16:
        return function(*tensors, **keywords)
    wide = [
        t.to(torch.float32) if t is not None and t.dtype == torch.float16 else t for t in tensors
    ]
    return function(*wide, **keywords).to(torch.float16)


def split_normalization_params(
    model: nn.Module, norm_classes: list[type] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters of a model's normalisation layers, and all others, that want gradients."""
    if not norm_classes:
        norm_classes = [
            nn.modules.batchnorm._BatchNorm,
            nn.LayerNorm,
            nn.GroupNorm,
            nn.modules.instancenorm._InstanceNorm,
            nn.LocalResponseNorm,
        ]
    for kind in norm_classes:
        if not issubclass(kind, nn.Module):
            raise ValueError(f"Class {kind} is not a subclass of nn.Module.")
    norms: list[Tensor] = []
    others: list[Tensor] = []
    for module in model.modules():
        if next(module.children(), None) is not None:
            others.extend(p for p in module.parameters(recurse=False) if p.requires_grad)
            continue
        chosen = norms if isinstance(module, tuple(norm_classes)) else others
        chosen.extend(p for p in module.parameters() if p.requires_grad)
    return norms, others


def _upcast(t: Tensor) -> Tensor:
    """A wider dtype, where products of coordinates could overflow the tensor's own."""
    if t.is_floating_point():
        return t if t.dtype in (torch.float32, torch.float64) else t.float()
    return t if t.dtype in (torch.int32, torch.int64) else t.int()


def _upcast_non_float(t: Tensor) -> Tensor:
    """float32, unless it is torch.float32 or torch.float64."""
    return t if t.dtype in (torch.float32, torch.float64) else t.float()


def _loss_inter_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection and union of boxes pair by pair; no intersection where a box is inverted."""
    x1, y1, x2, y2 = boxes1.unbind(dim=-1)
    a1, b1, a2, b2 = boxes2.unbind(dim=-1)
    left, top = maximum(x1, a1), maximum(y1, b1)
    right, bottom = minimum(x2, a2), minimum(y2, b2)
    overlap = (bottom > top) & (right > left)
    inter = zeros_like(x1)
    inter[overlap] = (right[overlap] - left[overlap]) * (bottom[overlap] - top[overlap])
    union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - inter
    return inter, union


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """A loss as it is, its mean (0 for none) or its sum."""
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', "
        "'mean', 'sum'"
    )
