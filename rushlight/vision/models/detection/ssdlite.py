"""SSDLite: SSD of separable convolutions (Sandler et al. 2018; Howard et al. 2019)."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from .... import Tensor, nn
from ...ops.misc import Conv2dNormActivation
from .._api import load_into, register_model, weights_enum
from .._utils import handle_legacy_interface
from ..mobilenetv3 import MobileNet_V3_Large_Weights, mobilenet_v3_large
from . import _utils as det_utils
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import chosen_weights, freeze_before, mobilenet_stages
from .ssd import SSD, SSDScoringHead

__all__ = ["SSDLite320_MobileNet_V3_Large_Weights", "ssdlite320_mobilenet_v3_large"]


def _prediction_block(
    in_channels: int, out_channels: int, kernel_size: int, norm_layer: Callable[..., nn.Module]
) -> nn.Sequential:
    """Each channel by itself, then 1x1."""
    return nn.Sequential(
        Conv2dNormActivation(
            in_channels,
            in_channels,
            kernel_size=kernel_size,
            groups=in_channels,
            norm_layer=norm_layer,
            activation_layer=nn.ReLU6,
        ),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def _extra_block(
    in_channels: int, out_channels: int, norm_layer: Callable[..., nn.Module]
) -> nn.Sequential:
    """Half the size: 1x1, each channel by itself, 1x1."""
    middle = out_channels // 2
    kind = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
    return nn.Sequential(
        Conv2dNormActivation(in_channels, middle, kernel_size=1, **kind),
        Conv2dNormActivation(middle, middle, kernel_size=3, stride=2, groups=middle, **kind),
        Conv2dNormActivation(middle, out_channels, kernel_size=1, **kind),
    )


def _normal_init(conv: nn.Module):
    for layer in conv.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, mean=0.0, std=0.03)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)


class SSDLiteHead(nn.Module):
    """Logits and codes of the boxes of all maps."""

    def __init__(
        self,
        in_channels: list[int],
        num_anchors: list[int],
        num_classes: int,
        norm_layer: Callable[..., nn.Module],
    ):
        super().__init__()
        self.classification_head = SSDLiteClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer
        )
        self.regression_head = SSDLiteRegressionHead(in_channels, num_anchors, norm_layer)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """The outputs by name."""
        return {
            "bbox_regression": self.regression_head(x),
            "cls_logits": self.classification_head(x),
        }


def _blocks(in_channels, num_anchors, columns, norm_layer) -> nn.ModuleList:
    modules = nn.ModuleList()
    for channels, anchors in zip(in_channels, num_anchors):
        modules.append(_prediction_block(channels, columns * anchors, 3, norm_layer))
    _normal_init(modules)
    return modules


class SSDLiteClassificationHead(SSDScoringHead):
    """The logits of the classes."""

    def __init__(
        self,
        in_channels: list[int],
        num_anchors: list[int],
        num_classes: int,
        norm_layer: Callable[..., nn.Module],
    ):
        super().__init__(_blocks(in_channels, num_anchors, num_classes, norm_layer), num_classes)


class SSDLiteRegressionHead(SSDScoringHead):
    """The codes of the boxes."""

    def __init__(
        self,
        in_channels: list[int],
        num_anchors: list[int],
        norm_layer: Callable[..., nn.Module],
    ):
        super().__init__(_blocks(in_channels, num_anchors, 4, norm_layer), 4)


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """MobileNet's blocks, cut inside the block `c4_pos` behind its expansion, and more behind."""

    def __init__(
        self,
        backbone: nn.Module,
        c4_pos: int,
        norm_layer: Callable[..., nn.Module],
        width_mult: float = 1.0,
        min_depth: int = 16,
    ):
        super().__init__()
        if backbone[c4_pos].use_res_connect:
            raise ValueError("backbone[c4_pos].use_res_connect should be False")
        self.features = nn.Sequential(
            nn.Sequential(*backbone[:c4_pos], backbone[c4_pos].block[0]),
            nn.Sequential(backbone[c4_pos].block[1:], *backbone[c4_pos + 1 :]),
        )
        sizes = [max(min_depth, int(depth * width_mult)) for depth in (512, 256, 256, 128)]
        inner = [backbone[-1].out_channels, *sizes]
        extra = nn.ModuleList([_extra_block(i, o, norm_layer) for i, o in zip(inner, sizes)])
        _normal_init(extra)
        self.extra = extra

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The maps, finest first."""
        output = []
        for block in self.features:
            x = block(x)
            output.append(x)
        for block in self.extra:
            x = block(x)
            output.append(x)
        return OrderedDict([(str(i), m) for i, m in enumerate(output)])


def _mobilenet_extractor(
    backbone: Any, trainable_layers: int, norm_layer: Callable[..., nn.Module]
):
    features = backbone.features
    stages = mobilenet_stages(features)
    freeze_before(features, stages, trainable_layers)
    return SSDLiteFeatureExtractorMobileNet(features, stages[-2], norm_layer)


SSDLite320_MobileNet_V3_Large_Weights = weights_enum("SSDLite320_MobileNet_V3_Large_Weights")


@register_model()
@handle_legacy_interface(
    weights=("pretrained", SSDLite320_MobileNet_V3_Large_Weights.COCO_V1),
    weights_backbone=("pretrained_backbone", MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def ssdlite320_mobilenet_v3_large(
    *,
    weights: SSDLite320_MobileNet_V3_Large_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
    **kwargs: Any,
) -> SSD:
    """SSDLite over MobileNet v3, for images of 320 by 320."""
    weights, weights_backbone, classes = chosen_weights(
        SSDLite320_MobileNet_V3_Large_Weights, weights, MobileNet_V3_Large_Weights,
        weights_backbone, num_classes,
    )  # fmt: skip
    if "size" in kwargs:
        warnings.warn("The size of the model is already fixed: size= is ignored.", stacklevel=2)
        kwargs.pop("size")
    trained = weights is not None or weights_backbone is not None
    count = det_utils._validate_trainable_layers(trained, trainable_backbone_layers, 6, 6)
    norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    whole = mobilenet_v3_large(
        weights=weights_backbone,
        progress=progress,
        norm_layer=norm_layer,
        reduced_tail=weights_backbone is None,
    )
    if weights_backbone is None:
        _normal_init(whole)
    backbone = _mobilenet_extractor(whole, count, norm_layer)
    size = (320, 320)
    anchors = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    channels = det_utils.retrieve_out_channels(backbone, size)
    per_place = anchors.num_anchors_per_location()
    if len(channels) != len(per_place):
        raise AssertionError(
            f"{len(channels)} maps of the backbone do not match {len(per_place)} of the anchors"
        )
    own = {
        "score_thresh": 0.001,
        "nms_thresh": 0.55,
        "detections_per_img": 300,
        "topk_candidates": 300,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    head = SSDLiteHead(channels, per_place, classes, norm_layer)
    model = SSD(backbone, anchors, size, classes, head=head, **{**own, **kwargs})
    return load_into(model, weights, progress)
