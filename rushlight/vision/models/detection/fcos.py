"""FCOS: fully convolutional one-stage object detection (Tian et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .... import Tensor, cat, nn, stack, zeros_like
from ....nn import functional as F
from ...ops import generalized_box_iou_loss, sigmoid_focal_loss
from ...ops.feature_pyramid_network import LastLevelP6P7
from .._api import load_into, register_model, weights_enum
from .._utils import handle_legacy_interface
from ..resnet import ResNet50_Weights
from . import _utils as det_utils
from ._detector import OneStage, by_anchor, check_backbone, rare_logits
from .anchor_utils import AnchorGenerator
from .backbone_utils import chosen_weights
from .faster_rcnn import _RESNET, resnet50_backbone

__all__ = ["FCOS", "FCOS_ResNet50_FPN_Weights", "fcos_resnet50_fpn"]


class FCOSHead(nn.Module):
    """Logits, distances to the sides of boxes, and how central each place is."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int | None = 4
    ) -> None:
        super().__init__()
        self.box_coder = det_utils.BoxLinearCoder(normalize_by_size=True)
        self.classification_head = FCOSClassificationHead(
            in_channels, num_anchors, num_classes, num_convs
        )
        self.regression_head = FCOSRegressionHead(in_channels, num_anchors, num_convs)

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """The losses by name."""
        logits, codes = head_outputs["cls_logits"], head_outputs["bbox_regression"]
        centerness = head_outputs["bbox_ctrness"]
        labels, truths = [], []
        for target, matched in zip(targets, matched_idxs):
            if len(target["labels"]) == 0:
                label = target["labels"].new_zeros((len(matched),))
                box = target["boxes"].new_zeros((len(matched), 4))
            else:
                label = target["labels"][matched.clip(min=0)]
                box = target["boxes"][matched.clip(min=0)]
            label[matched < 0] = -1
            labels.append(label)
            truths.append(box)
        label, truth, anchor = stack(labels), stack(truths), stack(anchors)
        positive = label >= 0
        count = max(1, int(positive.sum().item()))
        wanted = zeros_like(logits)
        wanted[positive, label[positive]] = 1.0
        classification = sigmoid_focal_loss(logits, wanted, reduction="sum")
        boxes = self.box_coder.decode(codes, anchor)
        regression = generalized_box_iou_loss(boxes[positive], truth[positive], reduction="sum")
        sides = self.box_coder.encode(anchor, truth)[positive]
        if len(sides) == 0:
            central = sides.new_zeros(sides.size()[:-1])
        else:  # equation 3
            across, down = sides[:, [0, 2]], sides[:, [1, 3]]
            share = across.min(dim=-1)[0] / across.max(dim=-1)[0]
            central = (share * (down.min(dim=-1)[0] / down.max(dim=-1)[0])).sqrt()
        entropy = F.binary_cross_entropy_with_logits(
            centerness.squeeze(dim=2)[positive], central, reduction="sum"
        )
        return {
            "classification": classification / count,
            "bbox_regression": regression / count,
            "bbox_ctrness": entropy / count,
        }

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """The outputs for all places of all maps, by name."""
        logits = self.classification_head(x)
        codes, centerness = self.regression_head(x)
        return {"cls_logits": logits, "bbox_regression": codes, "bbox_ctrness": centerness}


def _convolutions(channels: int, count: int, norm_layer) -> nn.Sequential:
    norm_layer = norm_layer or partial(nn.GroupNorm, 32)
    layers: list[nn.Module] = []
    for _ in range(count):
        layers.append(nn.Conv2d(channels, channels, kernel_size=3, stride=1, padding=1))
        layers += [norm_layer(channels), nn.ReLU()]
    return nn.Sequential(*layers)


def _draw(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, 0)


class FCOSClassificationHead(nn.Module):
    """Logits of the classes of each place; a class is rare at first (`prior_probability`)."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_classes: int,
        num_convs: int = 4,
        prior_probability: float = 0.01,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_anchors = num_anchors
        self.conv = _convolutions(in_channels, num_convs, norm_layer)
        _draw(self.conv)
        self.cls_logits = rare_logits(in_channels, num_anchors, num_classes, prior_probability)

    def forward(self, x: list[Tensor]) -> Tensor:
        """The logits (N, places, classes) of maps."""
        return cat([by_anchor(self.cls_logits(self.conv(m)), self.num_classes) for m in x], dim=1)


class FCOSRegressionHead(nn.Module):
    """Distances to the sides of a box, and how central the place is."""

    def __init__(
        self,
        in_channels: int,
        num_anchors: int,
        num_convs: int = 4,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        self.conv = _convolutions(in_channels, num_convs, norm_layer)
        same = {"kernel_size": 3, "stride": 1, "padding": 1}
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, **same)
        self.bbox_ctrness = nn.Conv2d(in_channels, num_anchors * 1, **same)
        for layer in (self.bbox_reg, self.bbox_ctrness, self.conv):
            _draw(layer)

    def forward(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(N, places, 4) and (N, places, 1) of maps."""
        hidden = [self.conv(m) for m in x]
        codes = [by_anchor(F.relu(self.bbox_reg(m)), 4) for m in hidden]
        centerness = [by_anchor(self.bbox_ctrness(m), 1) for m in hidden]
        return cat(codes, dim=1), cat(centerness, dim=1)


class FCOS(OneStage):
    """Classes and boxes for every place of a feature pyramid, without anchors of several kinds."""

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        min_size: int = 800,
        max_size: int = 1333,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        anchor_generator: AnchorGenerator | None = None,
        head: nn.Module | None = None,
        center_sampling_radius: float = 1.5,
        score_thresh: float = 0.2,
        nms_thresh: float = 0.6,
        detections_per_img: int = 100,
        topk_candidates: int = 1000,
        **kwargs,
    ):
        super().__init__("FCOS")
        check_backbone(backbone, anchor_generator, AnchorGenerator)
        self.backbone = backbone
        if anchor_generator is None:
            anchor_generator = AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
        self.anchor_generator = anchor_generator
        count = anchor_generator.num_anchors_per_location()[0]
        if count != 1:
            raise ValueError(
                "anchor_generator.num_anchors_per_location()[0] should be 1 instead of "
                f"{anchor_generator.num_anchors_per_location()[0]}"
            )
        self.head = head or FCOSHead(backbone.out_channels, count, num_classes)
        self.box_coder = det_utils.BoxLinearCoder(normalize_by_size=True)
        self._make_transform((min_size, max_size), image_mean, image_std, kwargs)
        self.center_sampling_radius = center_sampling_radius
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates

    def _matched(self, boxes: Tensor, anchors: Tensor, counts: list[int]) -> Tensor:
        """The truth for each place: near its centre, inside, of the level's size; the smallest."""
        if boxes.numel() == 0:
            return det_utils.unmatched(anchors)
        mid = (boxes[:, :2] + boxes[:, 2:]) / 2
        at = (anchors[:, :2] + anchors[:, 2:]) / 2
        size = anchors[:, 2] - anchors[:, 0]
        gap = (at[:, None, :] - mid[None, :, :]).abs_().max(dim=2)[0]
        good = gap < self.center_sampling_radius * size[:, None]
        x, y = at.unsqueeze(dim=2).unbind(dim=1)
        x1, y1, x2, y2 = boxes.unsqueeze(dim=0).unbind(dim=2)
        sides = stack([x - x1, y - y1, x2 - x, y2 - y], dim=2)
        good &= sides.min(dim=2)[0] > 0
        low = size * 4
        low[: counts[0]] = 0
        high = size * 8
        high[-counts[-1] :] = float("inf")
        far = sides.max(dim=2)[0]
        good &= (far > low[:, None]) & (far < high[:, None])
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        best, matched = (good.to(sides.dtype) * (1e8 - area[None, :])).max(dim=1)
        matched[best < 1e-5] = -1
        return matched

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:
        """The losses by name."""
        matched = [
            self._matched(target["boxes"], boxes, num_anchors_per_level)
            for boxes, target in zip(anchors, targets)
        ]
        return self.head.compute_loss(targets, head_outputs, anchors, matched)

    def _losses(
        self,
        targets: list[dict[str, Tensor]],
        outputs: dict[str, Tensor],
        anchors: list[Tensor],
        maps: list[Tensor],
    ) -> dict[str, Tensor]:
        counts = [m.size(2) * m.size(3) for m in maps]
        return self.compute_loss(targets, outputs, anchors, counts)

    def _chances(self, outputs: dict[str, list[Tensor]], level: int, image: int) -> Tensor:
        logits, central = outputs["cls_logits"], outputs["bbox_ctrness"]
        return (logits[level][image].sigmoid() * central[level][image].sigmoid()).sqrt()

    def _decoded(self, codes: Tensor, anchors: Tensor) -> Tensor:
        return self.box_coder.decode(codes, anchors)


FCOS_ResNet50_FPN_Weights = weights_enum("FCOS_ResNet50_FPN_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FCOS_ResNet50_FPN_Weights.COCO_V1), weights_backbone=_RESNET
)
def fcos_resnet50_fpn(
    *,
    weights: FCOS_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FCOS:
    """FCOS over ResNet-50 with a feature pyramid."""
    weights, weights_backbone, classes = chosen_weights(
        FCOS_ResNet50_FPN_Weights, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone(
        weights, weights_backbone, progress, trainable_backbone_layers,
        returned_layers=[2, 3, 4], extra_blocks=partial(LastLevelP6P7, 256, 256),
    )  # fmt: skip
    model = FCOS(backbone, classes, **kwargs)
    return load_into(model, weights, progress)
