"""What segmentation models share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .... import Tensor, nn
from ....nn import functional as F
from .._api import WeightsEnum
from .._utils import IntermediateLayerGetter, _ovewrite_value_param


class _SimpleSegmentationModel(nn.Module):
    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Logits (N, classes, H, W) under "out", those of the side classifier under "aux"."""
        size = x.shape[-2:]
        features = self.backbone(x)
        result = OrderedDict(out=enlarged(self.classifier(features["out"]), size))
        if self.aux_classifier is not None:
            result["aux"] = enlarged(self.aux_classifier(features["aux"]), size)
        return result


def enlarged(maps: Tensor, size: list[int]) -> Tensor:
    """The maps at another size."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def dilated(builder: Any, weights: Any, progress: bool) -> nn.Module:
    """A ResNet whose last two stages dilate instead of halving the size."""
    return builder(
        weights=weights, progress=progress, replace_stride_with_dilation=[False, True, True]
    )


def resnet_layers(backbone: nn.Module, aux: bool | None) -> nn.Module:
    """The outputs of a ResNet's last stage, and of the one before if `aux`."""
    layers = {"layer4": "out"}
    if aux:
        layers["layer3"] = "aux"
    return IntermediateLayerGetter(backbone, return_layers=layers)


def chosen(
    kind: type[WeightsEnum],
    weights: Any,
    backbone_kind: type[WeightsEnum],
    weights_backbone: Any,
    num_classes: int | None,
    aux_loss: bool | None = None,
) -> tuple[Any, Any, int, bool | None]:
    """Verified weights, the number of classes (21 without weights) and the side classifier.

    A model's weights hold the backbone's and have a side classifier.
    """
    weights = kind.verify(weights)
    weights_backbone = backbone_kind.verify(weights_backbone)
    if weights is None:
        return None, weights_backbone, 21 if num_classes is None else num_classes, aux_loss
    classes = len(weights.meta["categories"])
    classes = _ovewrite_value_param("num_classes", num_classes, classes)
    return weights, None, classes, aux_loss
