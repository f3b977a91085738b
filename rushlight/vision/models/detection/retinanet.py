"""RetinaNet: focal loss for dense object detection (Lin et al. 2017), and an improved form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .... import Tensor, cat, nn, where, zeros_like
from ...ops import misc as misc_nn_ops
from ...ops import sigmoid_focal_loss
from ...ops.feature_pyramid_network import LastLevelP6P7
from .._api import load_into, register_model, weights_enum
from .._utils import handle_legacy_interface
from ..resnet import ResNet50_Weights
from . import _utils as det_utils
from ._detector import OneStage, by_anchor, check_backbone, rare_logits
from .anchor_utils import AnchorGenerator
from .backbone_utils import chosen_weights
from .faster_rcnn import _RESNET, load_detector, resnet50_backbone, resnet50_backbone_v2

__all__ = [
    "RetinaNet", "RetinaNet_ResNet50_FPN_Weights", "RetinaNet_ResNet50_FPN_V2_Weights",
    "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2",
]  # fmt: skip


def _sum(x: list[Tensor]) -> Tensor:
    total = x[0]
    for value in x[1:]:
        total = total + value
    return total


def _v1_to_v2_weights(state_dict, prefix):
    """The convolutions stood at even places, with activations between them."""
    for i in range(4):
        for kind in ("weight", "bias"):
            old = f"{prefix}conv.{2 * i}.{kind}"
            if old in state_dict:
                state_dict[f"{prefix}conv.{i}.0.{kind}"] = state_dict.pop(old)


def _default_anchorgen():
    sizes = tuple(
        (x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in (32, 64, 128, 256, 512)
    )
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class RetinaNetHead(nn.Module):
    """Logits and codes of boxes."""

    def __init__(
        self,
        in_channels,
        num_anchors,
        num_classes,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer=norm_layer
        )
        self.regression_head = RetinaNetRegressionHead(
            in_channels, num_anchors, norm_layer=norm_layer
        )

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """The losses by name."""
        return {
            "classification": self.classification_head.compute_loss(
                targets, head_outputs, matched_idxs
            ),
            "bbox_regression": self.regression_head.compute_loss(
                targets, head_outputs, anchors, matched_idxs
            ),
        }

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """The outputs for all anchors of all maps, by name."""
        return {
            "cls_logits": self.classification_head(x),
            "bbox_regression": self.regression_head(x),
        }


class _RetinaNetPart(nn.Module):
    """Four convolutions; the last layer is the part's own."""

    _version = 2

    def _make_conv(self, in_channels, norm_layer) -> None:
        self.conv = nn.Sequential(
            *(
                misc_nn_ops.Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer)
                for _ in range(4)
            )
        )

    def _draw_conv(self) -> None:
        for layer in self.conv.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version", None)
        if version is None or version < 2:
            _v1_to_v2_weights(state_dict, prefix)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class RetinaNetClassificationHead(_RetinaNetPart):
    """Logits of the classes of each anchor; a class is rare at first (`prior_probability`)."""

    def __init__(
        self,
        in_channels,
        num_anchors,
        num_classes,
        prior_probability=0.01,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        super().__init__()
        self._make_conv(in_channels, norm_layer)
        self._draw_conv()
        self.cls_logits = rare_logits(in_channels, num_anchors, num_classes, prior_probability)
        self.num_classes = num_classes
        self.num_anchors = num_anchors
        self.BETWEEN_THRESHOLDS = det_utils.Matcher.BETWEEN_THRESHOLDS

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        matched_idxs: list[Tensor],
    ) -> Tensor:
        """The focal loss over the anchors that are clear."""
        losses = []
        for target, logits, matched in zip(targets, head_outputs["cls_logits"], matched_idxs):
            found = matched >= 0
            truth = zeros_like(logits)
            truth[found, target["labels"][matched[found]]] = 1.0
            clear = matched != self.BETWEEN_THRESHOLDS
            loss = sigmoid_focal_loss(logits[clear], truth[clear], reduction="sum")
            losses.append(loss / max(1, found.sum()))
        return _sum(losses) / len(targets)

    def forward(self, x: list[Tensor]) -> Tensor:
        """The logits (N, anchors, classes) of maps."""
        return cat([by_anchor(self.cls_logits(self.conv(m)), self.num_classes) for m in x], dim=1)


class RetinaNetRegressionHead(_RetinaNetPart):
    """Codes of a box for each anchor."""

    def __init__(
        self, in_channels, num_anchors, norm_layer: Callable[..., nn.Module] | None = None
    ):
        super().__init__()
        self._make_conv(in_channels, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=3, stride=1, padding=1)
        nn.init.normal_(self.bbox_reg.weight, std=0.01)
        nn.init.zeros_(self.bbox_reg.bias)
        self._draw_conv()
        self.box_coder = det_utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self._loss_type = "l1"

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> Tensor:
        """The loss of the boxes of the anchors that found an object."""
        losses = []
        outputs = head_outputs["bbox_regression"]
        for target, codes, boxes, matched in zip(targets, outputs, anchors, matched_idxs):
            found = where(matched >= 0)[0]
            truth = target["boxes"][matched[found]]
            loss = det_utils._box_loss(
                self._loss_type, self.box_coder, boxes[found, :], truth, codes[found, :]
            )
            losses.append(loss / max(1, found.numel()))
        return _sum(losses) / max(1, len(targets))

    def forward(self, x: list[Tensor]) -> Tensor:
        """The codes (N, anchors, 4) of maps."""
        return cat([by_anchor(self.bbox_reg(self.conv(m)), 4) for m in x], dim=1)


class RetinaNet(OneStage):
    """Classes and boxes for the anchors of all levels of a feature pyramid."""

    def __init__(
        self,
        backbone,
        num_classes,
        min_size=800,
        max_size=1333,
        image_mean=None,
        image_std=None,
        anchor_generator=None,
        head=None,
        proposal_matcher=None,
        score_thresh=0.05,
        nms_thresh=0.5,
        detections_per_img=300,
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.4,
        topk_candidates=1000,
        **kwargs,
    ):
        super().__init__("RetinaNet")
        check_backbone(backbone, anchor_generator, AnchorGenerator)
        self.backbone = backbone
        self.anchor_generator = anchor_generator or _default_anchorgen()
        anchors = self.anchor_generator.num_anchors_per_location()[0]
        self.head = head or RetinaNetHead(backbone.out_channels, anchors, num_classes)
        self.proposal_matcher = proposal_matcher or det_utils.Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.box_coder = det_utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self._make_transform((min_size, max_size), image_mean, image_std, kwargs)
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.topk_candidates = topk_candidates

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
    ) -> dict[str, Tensor]:
        """The losses by name."""
        matched = self._match_by_overlap(targets, anchors)
        return self.head.compute_loss(targets, head_outputs, anchors, matched)

    def _losses(
        self,
        targets: list[dict[str, Tensor]],
        outputs: dict[str, Tensor],
        anchors: list[Tensor],
        maps: list[Tensor],
    ) -> dict[str, Tensor]:
        return self.compute_loss(targets, outputs, anchors)

    def _chances(self, outputs: dict[str, list[Tensor]], level: int, image: int) -> Tensor:
        return outputs["cls_logits"][level][image].sigmoid()

    def _decoded(self, codes: Tensor, anchors: Tensor) -> Tensor:
        return self.box_coder.decode_single(codes, anchors)


RetinaNet_ResNet50_FPN_Weights = weights_enum("RetinaNet_ResNet50_FPN_Weights")
RetinaNet_ResNet50_FPN_V2_Weights = weights_enum("RetinaNet_ResNet50_FPN_V2_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", RetinaNet_ResNet50_FPN_Weights.COCO_V1), weights_backbone=_RESNET
)
def retinanet_resnet50_fpn(
    *,
    weights: RetinaNet_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:
    """RetinaNet over ResNet-50 with a feature pyramid."""
    kind = RetinaNet_ResNet50_FPN_Weights
    weights, weights_backbone, classes = chosen_weights(
        kind, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone(
        weights, weights_backbone, progress, trainable_backbone_layers,
        returned_layers=[2, 3, 4], extra_blocks=partial(LastLevelP6P7, 256, 256),
    )  # fmt: skip
    return load_detector(RetinaNet(backbone, classes, **kwargs), kind, weights, progress)


@register_model()
@handle_legacy_interface(
    weights=("pretrained", RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1), weights_backbone=_RESNET
)
def retinanet_resnet50_fpn_v2(
    *,
    weights: RetinaNet_ResNet50_FPN_V2_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = None,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:
    """The improved RetinaNet over ResNet-50 with a feature pyramid (Zhang et al. 2020)."""
    weights, weights_backbone, classes = chosen_weights(
        RetinaNet_ResNet50_FPN_V2_Weights, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone_v2(
        weights, weights_backbone, progress, trainable_backbone_layers,
        returned_layers=[2, 3, 4], extra_blocks=partial(LastLevelP6P7, 2048, 256),
    )  # fmt: skip
    anchors = _default_anchorgen()
    head = RetinaNetHead(
        backbone.out_channels,
        anchors.num_anchors_per_location()[0],
        classes,
        norm_layer=partial(nn.GroupNorm, 32),
    )
    head.regression_head._loss_type = "giou"
    model = RetinaNet(backbone, classes, anchor_generator=anchors, head=head, **kwargs)
    return load_into(model, weights, progress)
