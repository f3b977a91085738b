"""DeepLabV3: rethinking atrous convolution for semantic segmentation (Chen et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .... import Tensor, cat, nn
from ....nn import functional as F
from .._api import register_model, weights_enum
from .._utils import IntermediateLayerGetter, handle_legacy_interface
from ..mobilenetv3 import MobileNet_V3_Large_Weights, MobileNetV3, mobilenet_v3_large
from ..resnet import ResNet, ResNet50_Weights, ResNet101_Weights, resnet50, resnet101
from ._utils import _SimpleSegmentationModel, resnet_layers
from .fcn import FCNHead, _build

__all__ = [
    "DeepLabV3", "DeepLabV3_ResNet50_Weights", "DeepLabV3_ResNet101_Weights",
    "DeepLabV3_MobileNet_V3_Large_Weights", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50",
    "deeplabv3_resnet101",
]  # fmt: skip


class DeepLabV3(_SimpleSegmentationModel):
    """A backbone, convolutions of several dilations, and the result enlarged."""


class DeepLabHead(nn.Sequential):
    """`ASPP`, a 3 by 3 convolution, 1 by 1 to the classes."""

    def __init__(
        self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        super().__init__(
            ASPP(in_channels, atrous_rates),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.Conv2d(256, num_classes, 1),
        )


class ASPPConv(nn.Sequential):
    """A dilated 3 by 3 convolution."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )


class ASPPPooling(nn.Sequential):
    """The mean of the image, at every place."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the size of `x`."""
        size = x.shape[-2:]
        for module in self:
            x = module(x)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Convolutions of several dilations and the image's mean side by side, then 1 by 1."""

    def __init__(
        self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256
    ) -> None:
        super().__init__()
        plain = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )
        dilated = [ASPPConv(in_channels, out_channels, rate) for rate in tuple(atrous_rates)]
        self.convs = nn.ModuleList([plain, *dilated, ASPPPooling(in_channels, out_channels)])
        self.project = nn.Sequential(
            nn.Conv2d(len(self.convs) * out_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Dropout(0.5),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps of `out_channels`."""
        return self.project(cat([conv(x) for conv in self.convs], dim=1))


def _deeplabv3_resnet(backbone: ResNet, num_classes: int, aux: bool | None) -> DeepLabV3:
    layers = resnet_layers(backbone, aux)
    side = FCNHead(1024, num_classes) if aux else None
    return DeepLabV3(layers, DeepLabHead(2048, num_classes), side)


def _deeplabv3_mobilenetv3(backbone: MobileNetV3, num_classes: int, aux: bool | None) -> DeepLabV3:
    features = backbone.features
    stages = [0] + [i for i, b in enumerate(features) if getattr(b, "_is_cn", False)]
    stages.append(len(features) - 1)
    layers = {str(stages[-1]): "out"}
    if aux:
        layers[str(stages[-4])] = "aux"
    channels = features[stages[-4]].out_channels
    side = FCNHead(channels, num_classes) if aux else None
    head = DeepLabHead(features[stages[-1]].out_channels, num_classes)
    return DeepLabV3(IntermediateLayerGetter(features, return_layers=layers), head, side)


DeepLabV3_ResNet50_Weights = weights_enum("DeepLabV3_ResNet50_Weights")
DeepLabV3_ResNet101_Weights = weights_enum("DeepLabV3_ResNet101_Weights")
DeepLabV3_MobileNet_V3_Large_Weights = weights_enum("DeepLabV3_MobileNet_V3_Large_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1),
    weights_backbone=("pretrained_backbone", ResNet50_Weights.IMAGENET1K_V1),
)
def deeplabv3_resnet50(
    *,
    weights: DeepLabV3_ResNet50_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> DeepLabV3:
    """DeepLabV3 over ResNet-50."""
    kinds = resnet50, DeepLabV3_ResNet50_Weights, ResNet50_Weights
    return _build(
        _deeplabv3_resnet, kinds, weights, progress, num_classes, aux_loss, weights_backbone, kwargs
    )


@register_model()
@handle_legacy_interface(
    weights=("pretrained", DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1),
    weights_backbone=("pretrained_backbone", ResNet101_Weights.IMAGENET1K_V1),
)
def deeplabv3_resnet101(
    *,
    weights: DeepLabV3_ResNet101_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: ResNet101_Weights | None = ResNet101_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> DeepLabV3:
    """DeepLabV3 over ResNet-101."""
    kinds = resnet101, DeepLabV3_ResNet101_Weights, ResNet101_Weights
    return _build(
        _deeplabv3_resnet, kinds, weights, progress, num_classes, aux_loss, weights_backbone, kwargs
    )


def dilated_mobilenet(weights: Any = None, progress: bool = True, **_: Any) -> MobileNetV3:
    """MobileNet v3 whose tail dilates instead of halving the size."""
    return mobilenet_v3_large(weights=weights, progress=progress, dilated=True)


@register_model()
@handle_legacy_interface(
    weights=("pretrained", DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1),
    weights_backbone=("pretrained_backbone", MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def deeplabv3_mobilenet_v3_large(
    *,
    weights: DeepLabV3_MobileNet_V3_Large_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> DeepLabV3:
    """DeepLabV3 over MobileNet v3."""
    kinds = dilated_mobilenet, DeepLabV3_MobileNet_V3_Large_Weights, MobileNet_V3_Large_Weights
    return _build(
        _deeplabv3_mobilenetv3, kinds, weights, progress, num_classes, aux_loss, weights_backbone,
        kwargs,
    )  # fmt: skip
