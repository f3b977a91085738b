"""LR-ASPP: the light segmentation head of MobileNet v3 (Howard et al. 2019, section 6.4)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .... import Tensor, nn
from .._api import load_into, register_model, weights_enum
from .._utils import IntermediateLayerGetter, handle_legacy_interface
from ..mobilenetv3 import MobileNet_V3_Large_Weights, MobileNetV3
from ._utils import chosen, enlarged
from .deeplabv3 import dilated_mobilenet

__all__ = ["LRASPP", "LRASPP_MobileNet_V3_Large_Weights", "lraspp_mobilenet_v3_large"]


class LRASPP(nn.Module):
    """A backbone with a "low" and a "high" map, a light head, and the result enlarged."""

    def __init__(
        self,
        backbone: nn.Module,
        low_channels: int,
        high_channels: int,
        num_classes: int,
        inter_channels: int = 128,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        """Logits (N, classes, H, W) under "out"."""
        out = self.classifier(self.backbone(input))
        return OrderedDict(out=enlarged(out, input.shape[-2:]))


class LRASPPHead(nn.Module):
    """The high map, scaled by its mean and enlarged, and the low map, both to the classes."""

    def __init__(
        self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int
    ) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.Sigmoid(),
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        """Logits of the size of the low map."""
        low, high = input["low"], input["high"]
        x = enlarged(self.cbr(high) * self.scale(high), low.shape[-2:])
        return self.low_classifier(low) + self.high_classifier(x)


def _lraspp_mobilenetv3(backbone: MobileNetV3, num_classes: int) -> LRASPP:
    features = backbone.features
    stages = [0] + [i for i, b in enumerate(features) if getattr(b, "_is_cn", False)]
    stages.append(len(features) - 1)
    low, high = stages[-4], stages[-1]
    layers = IntermediateLayerGetter(features, return_layers={str(low): "low", str(high): "high"})
    return LRASPP(layers, features[low].out_channels, features[high].out_channels, num_classes)


LRASPP_MobileNet_V3_Large_Weights = weights_enum("LRASPP_MobileNet_V3_Large_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1),
    weights_backbone=("pretrained_backbone", MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def lraspp_mobilenet_v3_large(
    *,
    weights: LRASPP_MobileNet_V3_Large_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    **kwargs: Any,
) -> LRASPP:
    """LR-ASPP over MobileNet v3."""
    if kwargs.pop("aux_loss", False):
        raise NotImplementedError("This model does not use auxiliary loss")
    weights, weights_backbone, classes, _ = chosen(
        LRASPP_MobileNet_V3_Large_Weights, weights, MobileNet_V3_Large_Weights, weights_backbone,
        num_classes,
    )  # fmt: skip
    backbone = dilated_mobilenet(weights_backbone, progress)
    return load_into(_lraspp_mobilenetv3(backbone, classes), weights, progress)
