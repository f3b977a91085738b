"""SSD: single shot multibox detector (Liu et al. 2016)."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

import rushlight as torch

from .... import Tensor, cat, full_like, nn, ones, stack, where
from ....nn import functional as F
from ...ops import clip_boxes_to_image
from .._api import load_into, register_model, weights_enum
from .._utils import handle_legacy_interface
from ..vgg import VGG, VGG16_Weights, vgg16
from . import _utils as det_utils
from ._detector import OneStage, best_of_level, by_anchor
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import chosen_weights, freeze_before

__all__ = ["SSD300_VGG16_Weights", "ssd300_vgg16"]


def _xavier_init(conv: nn.Module):
    for layer in conv.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)


class SSDHead(nn.Module):
    """Logits and codes of the boxes of all maps."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int):
        super().__init__()
        self.classification_head = SSDClassificationHead(in_channels, num_anchors, num_classes)
        self.regression_head = SSDRegressionHead(in_channels, num_anchors)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """The outputs by name."""
        return {
            "bbox_regression": self.regression_head(x),
            "cls_logits": self.classification_head(x),
        }


class SSDScoringHead(nn.Module):
    """A module for each map, with `num_columns` numbers for each box."""

    def __init__(self, module_list: nn.ModuleList, num_columns: int):
        super().__init__()
        self.module_list = module_list
        self.num_columns = num_columns

    def _get_result_from_module_list(self, x: Tensor, idx: int) -> Tensor:
        found = x
        for i, module in enumerate(self.module_list):  # compiled programs know no index here
            if i == idx:
                found = module(x)
        return found

    def forward(self, x: list[Tensor]) -> Tensor:
        """(N, boxes, num_columns) of all maps."""
        found = [self._get_result_from_module_list(m, i) for i, m in enumerate(x)]
        return cat([by_anchor(m, self.num_columns) for m in found], dim=1)


def _convolutions(in_channels: list[int], num_anchors: list[int], columns: int) -> nn.ModuleList:
    modules = nn.ModuleList(
        [
            nn.Conv2d(channels, columns * anchors, kernel_size=3, padding=1)
            for channels, anchors in zip(in_channels, num_anchors)
        ]
    )
    _xavier_init(modules)
    return modules


class SSDClassificationHead(SSDScoringHead):
    """The logits of the classes."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int):
        super().__init__(_convolutions(in_channels, num_anchors, num_classes), num_classes)


class SSDRegressionHead(SSDScoringHead):
    """The codes of the boxes."""

    def __init__(self, in_channels: list[int], num_anchors: list[int]):
        super().__init__(_convolutions(in_channels, num_anchors, 4), 4)


class SSD(OneStage):
    """Classes and boxes for default boxes of several maps; images are resized to `size`."""

    proposal_matcher: det_utils.Matcher  # what compiled programs match with

    def __init__(
        self,
        backbone: nn.Module,
        anchor_generator: DefaultBoxGenerator,
        size: tuple[int, int],
        num_classes: int,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        head: nn.Module | None = None,
        score_thresh: float = 0.01,
        nms_thresh: float = 0.45,
        detections_per_img: int = 200,
        iou_thresh: float = 0.5,
        topk_candidates: int = 400,
        positive_fraction: float = 0.25,
        **kwargs: Any,
    ):
        super().__init__("SSD")
        self.backbone = backbone
        self.anchor_generator = anchor_generator
        self.box_coder = det_utils.BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        if head is None:
            if hasattr(backbone, "out_channels"):
                channels = backbone.out_channels
            else:
                channels = det_utils.retrieve_out_channels(backbone, size)
            counts = self.anchor_generator.num_anchors_per_location()
            if len(channels) != len(counts):
                raise ValueError(
                    f"The length of the output channels from the backbone ({len(channels)}) do "
                    f"not match the length of the anchor generator aspect ratios ({len(counts)})"
                )
            head = SSDHead(channels, counts, num_classes)
        self.head = head
        self.proposal_matcher = det_utils.SSDMatcher(iou_thresh)
        fixed = dict(size_divisible=1, fixed_size=size, **kwargs)
        self._make_transform((min(size), max(size)), image_mean, image_std, fixed)
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates
        self.neg_to_pos_ratio = (1.0 - positive_fraction) / positive_fraction

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """The losses by name, over the boxes with an object and the hardest without."""
        logits = head_outputs["cls_logits"]
        box_losses, labels, total = [], [], 0
        for target, codes, logit, boxes, matched in zip(
            targets, head_outputs["bbox_regression"], logits, anchors, matched_idxs
        ):
            found = where(matched >= 0)[0]
            truth = matched[found]
            total += truth.numel()
            wanted = self.box_coder.encode_single(target["boxes"][truth], boxes[found, :])
            box_losses.append(F.smooth_l1_loss(codes[found, :], wanted, reduction="sum"))
            label = target["labels"].new_zeros((logit.size(0),))
            label[found] = target["labels"][truth]
            labels.append(label)
        label = stack(labels)
        loss = F.cross_entropy(
            logits.view(-1, logits.size(-1)), label.view(-1), reduction="none"
        ).view(label.size())
        positive = label > 0
        wanted_negatives = self.neg_to_pos_ratio * positive.sum(1, keepdim=True)
        hardness = loss.clone()
        hardness[positive] = -float("inf")
        rank = hardness.sort(1, descending=True)[1].sort(1)[1]
        negative = rank < wanted_negatives
        count = max(1, total)
        return {
            "bbox_regression": stack(box_losses).sum() / count,
            "classification": (loss[positive].sum() + loss[negative].sum()) / count,
        }

    def _losses(
        self,
        targets: list[dict[str, Tensor]],
        outputs: dict[str, Tensor],
        anchors: list[Tensor],
        maps: list[Tensor],
    ) -> dict[str, Tensor]:
        matched = self._match_by_overlap(targets, anchors)
        return self.compute_loss(targets, outputs, anchors, matched)

    def _detections(
        self,
        outputs: dict[str, Tensor],
        anchors: list[Tensor],
        image_shapes: list[tuple[int, int]],
        maps: list[Tensor],
    ) -> list[dict[str, Tensor]]:
        return self.postprocess_detections(outputs, anchors, image_shapes)

    def postprocess_detections(
        self,
        head_outputs: dict[str, Tensor],
        image_anchors: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """The best boxes of each image, after suppression in each class."""
        all_scores = F.softmax(head_outputs["cls_logits"], dim=-1)
        found: list[dict[str, Tensor]] = []
        for codes, score, anchors, shape in zip(
            head_outputs["bbox_regression"], all_scores, image_anchors, image_shapes
        ):
            all_boxes = clip_boxes_to_image(self.box_coder.decode_single(codes, anchors), shape)
            boxes, scores, labels = [], [], []
            for label in range(1, score.size(-1)):
                best, at = best_of_level(score[:, label], self.score_thresh, self.topk_candidates)
                boxes.append(all_boxes[at])
                scores.append(best)
                labels.append(full_like(best, fill_value=label, dtype=torch.int64))
            found.append(self._suppressed(boxes, scores, labels))
        return found


def _extra(inner: int, middle: int, out: int, **kwargs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, middle, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, out, **kwargs),
        nn.ReLU(inplace=True),
    )


class SSDFeatureExtractorVGG(nn.Module):
    """VGG's convolutions, and more behind them; `highres` for images of 512 by 512."""

    def __init__(self, backbone: nn.Module, highres: bool):
        super().__init__()
        pools = [i for i, layer in enumerate(backbone) if isinstance(layer, nn.MaxPool2d)]
        _, _, third, fourth, _ = pools
        backbone[third].ceil_mode = True  # the published sizes of the maps
        self.scale_weight = nn.Parameter(ones(512) * 20)
        self.features = nn.Sequential(*backbone[:fourth])
        extra = nn.ModuleList(
            [
                _extra(1024, 256, 512, kernel_size=3, padding=1, stride=2),
                _extra(512, 128, 256, kernel_size=3, padding=1, stride=2),
                _extra(256, 128, 256, kernel_size=3),
                _extra(256, 128, 256, kernel_size=3),
            ]
        )
        if highres:
            extra.append(_extra(256, 128, 256, kernel_size=4))
        _xavier_init(extra)
        fc = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=False),
            nn.Conv2d(512, 1024, kernel_size=3, padding=6, dilation=6),
            nn.ReLU(inplace=True),
            nn.Conv2d(1024, 1024, kernel_size=1),
            nn.ReLU(inplace=True),
        )
        _xavier_init(fc)
        extra.insert(0, nn.Sequential(*backbone[fourth:-1], fc))
        self.extra = extra

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The maps, finest first; the first one normalised and scaled."""
        x = self.features(x)
        output = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            output.append(x)
        return OrderedDict([(str(i), m) for i, m in enumerate(output)])


def _vgg_extractor(backbone: VGG, highres: bool, trainable_layers: int):
    features = backbone.features
    pools = [i for i, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    freeze_before(features, [0, *pools][:-1], trainable_layers)
    return SSDFeatureExtractorVGG(features, highres)


SSD300_VGG16_Weights = weights_enum("SSD300_VGG16_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", SSD300_VGG16_Weights.COCO_V1),
    weights_backbone=("pretrained_backbone", VGG16_Weights.IMAGENET1K_FEATURES),
)
def ssd300_vgg16(
    *,
    weights: SSD300_VGG16_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: VGG16_Weights | None = VGG16_Weights.IMAGENET1K_FEATURES,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> SSD:
    """SSD over VGG-16, for images of 300 by 300."""
    weights, weights_backbone, classes = chosen_weights(
        SSD300_VGG16_Weights, weights, VGG16_Weights, weights_backbone, num_classes
    )
    if "size" in kwargs:
        warnings.warn("The size of the model is already fixed: size= is ignored.", stacklevel=2)
        kwargs.pop("size")
    trained = weights is not None or weights_backbone is not None
    count = det_utils._validate_trainable_layers(trained, trainable_backbone_layers, 5, 4)
    backbone = _vgg_extractor(vgg16(weights=weights_backbone, progress=progress), False, count)
    anchors = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
        steps=[8, 16, 32, 64, 100, 300],
    )
    own = {"image_mean": [0.48235, 0.45882, 0.40784], "image_std": [1.0 / 255.0] * 3}
    model = SSD(backbone, anchors, (300, 300), classes, **{**own, **kwargs})
    return load_into(model, weights, progress)
