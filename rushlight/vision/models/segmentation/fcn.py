"""FCN: fully convolutional networks for semantic segmentation (Long et al. 2014)."""

from __future__ import annotations

from typing import Any

from .... import nn
from .._api import load_into, register_model, weights_enum
from .._utils import _ovewrite_value_param, handle_legacy_interface
from ..resnet import ResNet, ResNet50_Weights, ResNet101_Weights, resnet50, resnet101
from ._utils import _SimpleSegmentationModel, chosen, dilated, resnet_layers

__all__ = ["FCN", "FCN_ResNet50_Weights", "FCN_ResNet101_Weights", "fcn_resnet50", "fcn_resnet101"]


class FCN(_SimpleSegmentationModel):
    """A backbone, a convolutional head, and the result enlarged to the image's size."""


class FCNHead(nn.Sequential):
    """A 3 by 3 convolution, then 1 by 1 to the classes."""

    def __init__(self, in_channels: int, channels: int) -> None:
        middle = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(middle, channels, 1),
        )


def _fcn_resnet(backbone: ResNet, num_classes: int, aux: bool | None) -> FCN:
    layers = resnet_layers(backbone, aux)
    side = FCNHead(1024, num_classes) if aux else None
    return FCN(layers, FCNHead(2048, num_classes), side)


FCN_ResNet50_Weights = weights_enum("FCN_ResNet50_Weights")
FCN_ResNet101_Weights = weights_enum("FCN_ResNet101_Weights")


def _build(make, kinds, weights, progress, num_classes, aux_loss, weights_backbone, kwargs) -> FCN:
    builder, kind, backbone_kind = kinds
    weights, weights_backbone, classes, aux = chosen(
        kind, weights, backbone_kind, weights_backbone, num_classes, aux_loss
    )
    if weights is not None:
        aux = _ovewrite_value_param("aux_loss", aux_loss, True)
    model = make(dilated(builder, weights_backbone, progress), classes, aux, **kwargs)
    return load_into(model, weights, progress)


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1),
    weights_backbone=("pretrained_backbone", ResNet50_Weights.IMAGENET1K_V1),
)
def fcn_resnet50(
    *,
    weights: FCN_ResNet50_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> FCN:
    """FCN over ResNet-50."""
    kinds = resnet50, FCN_ResNet50_Weights, ResNet50_Weights
    return _build(
        _fcn_resnet, kinds, weights, progress, num_classes, aux_loss, weights_backbone, kwargs
    )


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FCN_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1),
    weights_backbone=("pretrained_backbone", ResNet101_Weights.IMAGENET1K_V1),
)
def fcn_resnet101(
    *,
    weights: FCN_ResNet101_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet101_Weights | None = ResNet101_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> FCN:
    """FCN over ResNet-101."""
    kinds = resnet101, FCN_ResNet101_Weights, ResNet101_Weights
    return _build(
        _fcn_resnet, kinds, weights, progress, num_classes, aux_loss, weights_backbone, kwargs
    )
