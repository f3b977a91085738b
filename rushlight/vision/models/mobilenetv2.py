"""MobileNet v2: inverted residuals and linear bottlenecks (Sandler et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import Tensor, flatten, nn
from ...nn import functional as F
from ..ops.misc import Conv2dNormActivation
from ._api import model_builder, weights_enum
from ._utils import _make_divisible

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel by 3x3, project by 1x1 without activation."""

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.stride = stride
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        hidden = int(round(inp * expand_ratio))
        kind = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        self.use_res_connect = self.stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, kernel_size=1, **kind))
        layers += [
            Conv2dNormActivation(hidden, hidden, stride=stride, groups=hidden, **kind),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm_layer(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        """The projection, plus `x` where the shapes agree."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# expansion, channels, repeats, stride (table 2)
_SETTING = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class MobileNetV2(nn.Module):
    """Inverted residuals; channels are scaled by `width_mult` to multiples of `round_nearest`."""

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm_layer = norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got "
                f"{inverted_residual_setting}"
            )
        kind = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features = [Conv2dNormActivation(3, channels, stride=2, **kind)]
        for expansion, width, repeats, stride in setting:
            out = _make_divisible(width * width_mult, round_nearest)
            for i in range(repeats):
                features.append(
                    block(
                        channels,
                        out,
                        stride if i == 0 else 1,
                        expand_ratio=expansion,
                        norm_layer=norm_layer,
                    )
                )
                channels = out
        features.append(Conv2dNormActivation(channels, self.last_channel, kernel_size=1, **kind))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        draw_mobile_weights(self)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = flatten(F.adaptive_avg_pool2d(self.features(x), (1, 1)), 1)
        return self.classifier(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self._forward_impl(x)


def draw_mobile_weights(model: nn.Module) -> None:
    """The initial weights of both MobileNets."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)


MobileNet_V2_Weights = weights_enum("MobileNet_V2_Weights")


@model_builder(MobileNet_V2_Weights)
def mobilenet_v2(**kwargs: Any) -> MobileNetV2:
    """MobileNet v2."""
    return MobileNetV2(**kwargs)
