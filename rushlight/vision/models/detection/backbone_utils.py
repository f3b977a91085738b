"""Classification models as the backbones of detectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .... import Tensor, nn
from ...ops import FrozenBatchNorm2d
from ...ops import misc as misc_nn_ops
from ...ops.feature_pyramid_network import ExtraFPNBlock, FeaturePyramidNetwork, LastLevelMaxPool
from .. import mobilenet, resnet
from .._api import get_model_weights
from .._utils import IntermediateLayerGetter, _ovewrite_value_param, handle_legacy_interface
from ..resnet import ResNet
from ._utils import _validate_trainable_layers as _validate_trainable_layers


class BackboneWithFPN(nn.Module):
    """Some layers of a backbone, and a feature pyramid over them."""

    def __init__(
        self,
        backbone: nn.Module,
        return_layers: dict[str, str],
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.body = IntermediateLayerGetter(backbone, return_layers=return_layers)
        self.fpn = FeaturePyramidNetwork(
            in_channels_list=in_channels_list,
            out_channels=out_channels,
            extra_blocks=extra_blocks or LastLevelMaxPool(),
            norm_layer=norm_layer,
        )
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The pyramid's maps."""
        return self.fpn(self.body(x))


@handle_legacy_interface(
    weights=(
        "pretrained",
        lambda kwargs: get_model_weights(kwargs["backbone_name"])["IMAGENET1K_V1"],
    )
)
def resnet_fpn_backbone(
    *,
    backbone_name: str,
    weights: Any,
    norm_layer: Callable[..., nn.Module] = misc_nn_ops.FrozenBatchNorm2d,
    trainable_layers: int = 3,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:
    """The ResNet `backbone_name` with a feature pyramid; only its last stages are trained."""
    backbone = resnet.__dict__[backbone_name](weights=weights, norm_layer=norm_layer)
    return _resnet_fpn_extractor(backbone, trainable_layers, returned_layers, extra_blocks)


def _resnet_fpn_extractor(
    backbone: ResNet,
    trainable_layers: int,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
) -> BackboneWithFPN:
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"Trainable layers should be in the range [0,5], got {trainable_layers}")
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers]
    if trainable_layers == 5:
        trained.append("bn1")
    for name, parameter in backbone.named_parameters():
        if not name.startswith(tuple(trained)):
            parameter.requires_grad_(False)
    returned = [1, 2, 3, 4] if returned_layers is None else returned_layers
    if min(returned) <= 0 or max(returned) >= 5:
        raise ValueError(f"Each returned layer should be in the range [1,4]. Got {returned}")
    layers = {f"layer{k}": str(v) for v, k in enumerate(returned)}
    first = backbone.inplanes // 8
    channels = [first * 2 ** (i - 1) for i in returned]
    return BackboneWithFPN(
        backbone, layers, channels, 256, extra_blocks=extra_blocks, norm_layer=norm_layer
    )


@handle_legacy_interface(
    weights=(
        "pretrained",
        lambda kwargs: get_model_weights(kwargs["backbone_name"])["IMAGENET1K_V1"],
    )
)
def mobilenet_backbone(
    *,
    backbone_name: str,
    weights: Any,
    fpn: bool,
    norm_layer: Callable[..., nn.Module] = FrozenBatchNorm2d,
    trainable_layers: int = 2,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:
    """The MobileNet `backbone_name`, with a feature pyramid if `fpn`."""
    backbone = mobilenet.__dict__[backbone_name](weights=weights, norm_layer=norm_layer)
    return _mobilenet_extractor(backbone, fpn, trainable_layers, returned_layers, extra_blocks)


def mobilenet_stages(features: nn.Sequential) -> list[int]:
    """Where the stages of a MobileNet begin: the blocks with a stride, and both ends."""
    strided = [i for i, block in enumerate(features) if getattr(block, "_is_cn", False)]
    return [0, *strided, len(features) - 1]


def freeze_before(features: nn.Sequential, stages: list[int], trainable_layers: int) -> None:
    """Let only the last stages be trained."""
    count = len(stages)
    if not 0 <= trainable_layers <= count:
        raise ValueError(
            f"Trainable layers should be in the range [0,{count}], got {trainable_layers} "
        )
    end = len(features) if trainable_layers == 0 else stages[count - trainable_layers]
    for block in features[:end]:
        for parameter in block.parameters():
            parameter.requires_grad_(False)


def _mobilenet_extractor(
    backbone: Any,
    fpn: bool,
    trainable_layers: int,
    returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
) -> nn.Module:
    features = backbone.features
    stages = mobilenet_stages(features)
    count = len(stages)
    freeze_before(features, stages, trainable_layers)
    if not fpn:
        whole = nn.Sequential(features, nn.Conv2d(features[-1].out_channels, 256, 1))
        whole.out_channels = 256
        return whole
    returned = [count - 2, count - 1] if returned_layers is None else returned_layers
    if min(returned) < 0 or max(returned) >= count:
        raise ValueError(
            f"Each returned layer should be in the range [0,{count - 1}], got {returned} "
        )
    layers = {f"{stages[k]}": str(v) for v, k in enumerate(returned)}
    channels = [features[stages[i]].out_channels for i in returned]
    return BackboneWithFPN(
        features, layers, channels, 256, extra_blocks=extra_blocks, norm_layer=norm_layer
    )


def chosen_weights(
    kind: Any, weights: Any, backbone_kind: Any, weights_backbone: Any, num_classes: int | None
) -> tuple[Any, Any, int]:
    """The verified weights of a detector and of its backbone, and the number of classes.

    A detector's weights hold the backbone's and decide the classes; without any there are 91.
    """
    weights = kind.verify(weights)
    weights_backbone = backbone_kind.verify(weights_backbone)
    if weights is not None:
        classes = len(weights.meta["categories"])
        return weights, None, _ovewrite_value_param("num_classes", num_classes, classes)
    return weights, weights_backbone, 91 if num_classes is None else num_classes
