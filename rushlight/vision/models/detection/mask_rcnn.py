"""Mask R-CNN (He et al. 2017) and its improved form (Li et al. 2021)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .... import nn
from ...ops import MultiScaleRoIAlign
from ...ops import misc as misc_nn_ops
from .._api import load_into, register_model, weights_enum
from .._utils import handle_legacy_interface
from ..resnet import ResNet50_Weights
from .backbone_utils import chosen_weights
from .faster_rcnn import (
    _RESNET,
    FasterRCNN,
    _default_anchorgen,
    box_head_v2,
    load_detector,
    resnet50_backbone,
    resnet50_backbone_v2,
)
from .rpn import RPNHead

__all__ = [
    "MaskRCNN", "MaskRCNN_ResNet50_FPN_Weights", "MaskRCNN_ResNet50_FPN_V2_Weights",
    "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
]  # fmt: skip


def check_pool(name: str, pool: Any) -> None:
    """TypeError unless `pool` is a MultiScaleRoIAlign or None."""
    if not isinstance(pool, (MultiScaleRoIAlign, type(None))):
        raise TypeError(
            f"{name} should be of type MultiScaleRoIAlign or None instead of {type(pool)}"
        )


class MaskRCNN(FasterRCNN):
    """Faster R-CNN with a third head, for masks; targets have "masks" (N, H, W) too."""

    def __init__(
        self,
        backbone,
        num_classes=None,
        *args,
        mask_roi_pool=None,
        mask_head=None,
        mask_predictor=None,
        **kwargs,
    ):
        check_pool("mask_roi_pool", mask_roi_pool)
        if num_classes is not None and mask_predictor is not None:
            raise ValueError("num_classes should be None when mask_predictor is specified")
        channels = backbone.out_channels
        if mask_roi_pool is None:
            mask_roi_pool = MultiScaleRoIAlign(
                ["0", "1", "2", "3"], output_size=14, sampling_ratio=2
            )
        if mask_head is None:
            mask_head = MaskRCNNHeads(channels, (256, 256, 256, 256), 1)
        if mask_predictor is None:
            mask_predictor = MaskRCNNPredictor(256, 256, num_classes)
        super().__init__(backbone, num_classes, *args, **kwargs)
        self.roi_heads.mask_roi_pool = mask_roi_pool
        self.roi_heads.mask_head = mask_head
        self.roi_heads.mask_predictor = mask_predictor


class MaskRCNNHeads(nn.Sequential):
    """Convolutions over the features of a region."""

    _version = 2

    def __init__(
        self,
        in_channels,
        layers,
        dilation,
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        blocks = []
        for out in layers:
            blocks.append(
                misc_nn_ops.Conv2dNormActivation(
                    in_channels,
                    out,
                    kernel_size=3,
                    stride=1,
                    padding=dilation,
                    dilation=dilation,
                    norm_layer=norm_layer,
                )
            )
            in_channels = out
        super().__init__(*blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version", None)
        if version is None or version < 2:  # the convolutions were mask_fcn1, mask_fcn2, ...
            for i in range(len(self)):
                for kind in ("weight", "bias"):
                    old = f"{prefix}mask_fcn{i + 1}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{i}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class MaskRCNNPredictor(nn.Sequential):
    """A mask of twice the size for each class."""

    def __init__(self, in_channels, dim_reduced, num_classes):
        super().__init__(
            OrderedDict(
                conv5_mask=nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0),
                relu=nn.ReLU(inplace=True),
                mask_fcn_logits=nn.Conv2d(dim_reduced, num_classes, 1, 1, 0),
            )
        )
        for name, parameter in self.named_parameters():
            if "weight" in name:
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")


MaskRCNN_ResNet50_FPN_Weights = weights_enum("MaskRCNN_ResNet50_FPN_Weights")
MaskRCNN_ResNet50_FPN_V2_Weights = weights_enum("MaskRCNN_ResNet50_FPN_V2_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", MaskRCNN_ResNet50_FPN_Weights.COCO_V1), weights_backbone=_RESNET
)
def maskrcnn_resnet50_fpn(
    *,
    weights: MaskRCNN_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> MaskRCNN:
    """Mask R-CNN over ResNet-50 with a feature pyramid."""
    kind = MaskRCNN_ResNet50_FPN_Weights
    weights, weights_backbone, classes = chosen_weights(
        kind, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone(weights, weights_backbone, progress, trainable_backbone_layers)
    return load_detector(MaskRCNN(backbone, num_classes=classes, **kwargs), kind, weights, progress)


@register_model()
@handle_legacy_interface(
    weights=("pretrained", MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1), weights_backbone=_RESNET
)
def maskrcnn_resnet50_fpn_v2(
    *,
    weights: MaskRCNN_ResNet50_FPN_V2_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = None,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> MaskRCNN:
    """The improved Mask R-CNN over ResNet-50 with a feature pyramid."""
    weights, weights_backbone, classes = chosen_weights(
        MaskRCNN_ResNet50_FPN_V2_Weights, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone_v2(
        weights, weights_backbone, progress, trainable_backbone_layers, norm_layer=nn.BatchNorm2d
    )
    channels, anchors = backbone.out_channels, _default_anchorgen()
    head = RPNHead(channels, anchors.num_anchors_per_location()[0], conv_depth=2)
    box_head = box_head_v2(channels)
    mask_head = MaskRCNNHeads(channels, [256] * 4, 1, norm_layer=nn.BatchNorm2d)
    model = MaskRCNN(
        backbone,
        num_classes=classes,
        rpn_anchor_generator=anchors,
        rpn_head=head,
        box_head=box_head,
        mask_head=mask_head,
        **kwargs,
    )
    return load_into(model, weights, progress)
