"""Operators on boxes and regions: rushlight.vision.ops as programs compile it."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight import Tensor

from ..annotated import BroadcastingList2
from ..operators import Operators

torchvision = Operators("torchvision")
_BOXES = "rushlight.vision.ops.boxes"
HOMES = {
    _BOXES: [
        "nms",
        "box_area",
        "box_iou",
        "_box_inter_union",
        "generalized_box_iou",
        "box_convert",
    ],
    "rushlight.vision.ops.roi_align": ["roi_align"],
    "rushlight.vision.ops.roi_pool": ["roi_pool"],
    "rushlight.vision.ops.poolers": ["_filter_input"],
    "rushlight.vision.ops._utils": ["_upcast_non_float"],
    "rushlight.vision.ops.deform_conv": ["deform_conv2d"],
}


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return torchvision.nms(boxes, scores, iou_threshold)


def _upcast_non_float(t: Tensor) -> Tensor:
    if t.dtype != torch.float32 and t.dtype != torch.float64:
        return t.float()
    return t


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    if fmt == "xyxy":
        wide = boxes if boxes.is_floating_point() else boxes.long()
        return (wide[..., 2] - wide[..., 0]) * (wide[..., 3] - wide[..., 1])
    if fmt == "xywh" or fmt == "cxcywh":
        return boxes[..., 2] * boxes[..., 3]
    raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")


def _box_inter_union(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> tuple[Tensor, Tensor]:
    areas = box_area(boxes1)[:, None] + box_area(boxes2)
    low = torch.max(boxes1[:, None, :2], boxes2[:, :2])
    high = torch.min(boxes1[:, None, 2:], boxes2[:, 2:])
    size = (high - low).clamp(min=0)
    shared = size[:, :, 0] * size[:, :, 1]
    return shared, areas - shared


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    if fmt != "xyxy":
        boxes1 = box_convert(boxes1, fmt, "xyxy")
        boxes2 = box_convert(boxes2, fmt, "xyxy")
    shared, union = _box_inter_union(boxes1, boxes2)
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    shared, union = _box_inter_union(boxes1, boxes2)
    low = torch.min(boxes1[:, None, :2], boxes2[:, :2])
    high = torch.max(boxes1[:, None, 2:], boxes2[:, 2:])
    size = (high - low).clamp(min=0)
    hull = size[:, :, 0] * size[:, :, 1]
    return shared / union - (hull - union) / hull


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    for form in [in_fmt, out_fmt]:
        if form != "xyxy" and form != "xywh" and form != "cxcywh":
            raise ValueError("Unsupported Bounding Box Conversions for given in_fmt and out_fmt")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack([a, b, c, d], dim=-1)


def _as_rois(boxes: list[Tensor]) -> Tensor:
    """(K, 5): the number of the image, then the box."""
    numbered = torch.jit.annotate(list[Tensor], [])
    for i, box in enumerate(boxes):
        numbered.append(torch.full_like(box[:, :1], i))
    return torch.cat([torch.cat(numbered, 0), torch.cat(boxes, 0)], 1)


def _either_as_rois(boxes: Tensor | list[Tensor]) -> Tensor:
    if isinstance(boxes, Tensor):
        return boxes
    return _as_rois(boxes)


def roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: BroadcastingList2[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    return torchvision.roi_align(
        input, _either_as_rois(boxes), spatial_scale, output_size[0], output_size[1],
        sampling_ratio, aligned,
    )  # fmt: skip


def roi_pool(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: BroadcastingList2[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    found, _ = torchvision.roi_pool(
        input, _either_as_rois(boxes), spatial_scale, output_size[0], output_size[1]
    )
    return found


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    chosen = mask if mask is not None else torch.zeros(input.size(0), 1)
    added = bias if bias is not None else torch.zeros(weight.size(0), dtype=input.dtype)
    places = weight.size(2) * weight.size(3)
    return torchvision.deform_conv2d(
        input, weight, offset, chosen, added, stride[0], stride[1], padding[0], padding[1],
        dilation[0], dilation[1], input.size(1) // weight.size(1), offset.size(1) // 2 // places,
        mask is not None,
    )  # fmt: skip


def _filter_input(x: dict[str, Tensor], featmap_names: list[str]) -> list[Tensor]:
    found = torch.jit.annotate(list[Tensor], [])
    for name, features in x.items():
        if name in featmap_names:
            found.append(features)
    return found


class MultiScaleRoIAlign:
    scales: list[float] | None

    def forward(
        self: Any,
        x: dict[str, Tensor],
        boxes: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> Tensor:
        maps = _filter_input(x, self.featmap_names)
        if len(image_shapes) == 0:
            raise ValueError("images list should not be empty")
        rows, columns = 0, 0
        for height, width in image_shapes:
            rows = max(rows, height)
            columns = max(columns, width)
        scales = torch.jit.annotate(list[float], [])
        for features in maps:
            scales.append(_scale(features.size(-2), rows))
        rois = _as_rois(boxes)
        high, wide = self.output_size
        if len(maps) == 1:
            return torchvision.roi_align(
                maps[0], rois, scales[0], high, wide, self.sampling_ratio, False
            )
        area = torch.cat([box_area(b) for b in boxes])
        level = torch.floor(
            self.canonical_level + torch.log2(torch.sqrt(area) / self.canonical_scale) + 1e-6
        )
        first = -math.log(scales[0]) / math.log(2.0)
        last = -math.log(scales[-1]) / math.log(2.0)
        level = (torch.clamp(level, first, last) - first).to(torch.int64)
        result = torch.zeros(
            [rois.size(0), maps[0].size(1), high, wide], dtype=maps[0].dtype, device=rois.device
        )
        for i, features in enumerate(maps):
            members = torch.where(level == i)[0]
            found = torchvision.roi_align(
                features, rois[members], scales[i], high, wide, self.sampling_ratio, False
            )
            result[members] = found.to(result.dtype)
        return result


def _scale(size: int, whole: int) -> float:
    """The power of two that is next to a map's size over the image's."""
    exact = float(size) / float(whole)
    return 2.0 ** float(torch.tensor(exact).log2().round())


class FeaturePyramidNetwork:
    def get_result_from_inner_blocks(self: Any, x: Tensor, idx: int) -> Tensor:
        place = idx if idx >= 0 else idx + len(self.inner_blocks)
        out = x
        for i, module in enumerate(self.inner_blocks):
            if i == place:
                out = module(x)
        return out

    def get_result_from_layer_blocks(self: Any, x: Tensor, idx: int) -> Tensor:
        place = idx if idx >= 0 else idx + len(self.layer_blocks)
        out = x
        for i, module in enumerate(self.layer_blocks):
            if i == place:
                out = module(x)
        return out

    def forward(self: Any, x: dict[str, Tensor]) -> dict[str, Tensor]:
        names, maps = list(x.keys()), list(x.values())
        last = self.get_result_from_inner_blocks(maps[-1], -1)
        results = [self.get_result_from_layer_blocks(last, -1)]
        for i in range(len(maps) - 2, -1, -1):
            lateral = self.get_result_from_inner_blocks(maps[i], i)
            size = lateral.shape[-2:]
            last = lateral + torch.nn.functional.interpolate(last, size=size, mode="nearest")
            results.insert(0, self.get_result_from_layer_blocks(last, i))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        found = torch.jit.annotate(dict[str, Tensor], {})
        for name, result in zip(names, results):
            found[name] = result
        return found
