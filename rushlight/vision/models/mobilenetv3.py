"""MobileNet v3: searching for MobileNetV3 (Howard et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import Tensor, flatten, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import load_into, model_builder, weights_enum, with_classes_of
from ._utils import _make_divisible
from .mobilenetv2 import draw_mobile_weights

__all__ = [
    "MobileNetV3", "MobileNet_V3_Large_Weights", "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large", "mobilenet_v3_small",
]  # fmt: skip

SElayer = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """One line of tables 1 and 2; `activation` is "RE" for relu or "HS" for hardswish."""

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ):
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float):
        """Channels scaled to a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, squeeze and excite where asked, project."""

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = SElayer,
    ):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        wide = cnf.expanded_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        kind = {"norm_layer": norm_layer, "activation_layer": activation}
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, kernel_size=1, **kind))
        layers.append(
            Conv2dNormActivation(
                wide,
                wide,
                kernel_size=cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=wide,
                **kind,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(wide, _make_divisible(wide // 4, 8)))
        kind["activation_layer"] = None
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, kernel_size=1, **kind))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        """The projection, plus `input` where the shapes agree."""
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """Inverted residuals as `inverted_residual_setting` lists them."""

    def __init__(
        self,
        inverted_residual_setting: list[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(setting, (list, tuple)) or not all(
            isinstance(s, InvertedResidualConfig) for s in setting
        ):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        kind = {"norm_layer": norm_layer, "activation_layer": nn.Hardswish}
        last = setting[-1].out_channels
        wide = 6 * last
        self.features = nn.Sequential(
            Conv2dNormActivation(3, setting[0].input_channels, kernel_size=3, stride=2, **kind),
            *(block(cnf, norm_layer) for cnf in setting),
            Conv2dNormActivation(last, wide, kernel_size=1, **kind),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(wide, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        draw_mobile_weights(self)

    def _forward_impl(self, x: Tensor) -> Tensor:
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self._forward_impl(x)


# in, kernel, expanded, out, squeeze and excite, activation, stride; * where a reduced tail halves
# the channels and a dilated one keeps the size
_LARGE = """16 3 16 16 0 RE 1
16 3 64 24 0 RE 2/24 3 72 24 0 RE 1/24 5 72 40 1 RE 2/40 5 120 40 1 RE 1
40 5 120 40 1 RE 1/40 3 240 80 0 HS 2/80 3 200 80 0 HS 1/80 3 184 80 0 HS 1/80 3 184 80 0 HS 1
80 3 480 112 1 HS 1/112 3 672 112 1 HS 1/112 5 672 160* 1 HS 2*/160* 5 960* 160* 1 HS 1*
160* 5 960* 160* 1 HS 1*"""
_SMALL = """16 3 16 16 1 RE 2
16 3 72 24 0 RE 2/24 3 88 24 0 RE 1/24 5 96 40 1 HS 2/40 5 240 40 1 HS 1
40 5 240 40 1 HS 1/40 5 120 48 1 HS 1/48 5 144 48 1 HS 1/48 5 288 96* 1 HS 2*
96* 5 576* 96* 1 HS 1*/96* 5 576* 96* 1 HS 1*"""


def _mobilenet_v3_conf(
    arch: str,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **kwargs: Any,
) -> tuple[list[InvertedResidualConfig], int]:
    """The blocks and the last channels of "mobilenet_v3_large" or "mobilenet_v3_small"."""
    tables = {"mobilenet_v3_large": (_LARGE, 1280), "mobilenet_v3_small": (_SMALL, 1024)}
    if arch not in tables:
        raise ValueError(f"Unsupported model type {arch}")
    table, last = tables[arch]
    divider = 2 if reduced_tail else 1

    def size(word: str) -> int:
        return int(word[:-1]) // divider if word.endswith("*") else int(word)

    setting = []
    for line in table.replace("\n", "/").split("/"):
        i, kernel, wide, o, se, activation, stride = line.split()
        setting.append(
            InvertedResidualConfig(
                size(i),
                int(kernel),
                size(wide),
                size(o),
                se == "1",
                activation,
                int(stride.rstrip("*")),
                2 if dilated and stride.endswith("*") else 1,
                width_mult,
            )
        )
    return setting, InvertedResidualConfig.adjust_channels(last // divider, width_mult)


def _mobilenet_v3(
    inverted_residual_setting: list[InvertedResidualConfig],
    last_channel: int,
    weights: Any,
    progress: bool,
    **kwargs: Any,
) -> MobileNetV3:
    with_classes_of(weights, kwargs)
    model = MobileNetV3(inverted_residual_setting, last_channel, **kwargs)
    return load_into(model, weights, progress)  # type: ignore[return-value]


MobileNet_V3_Large_Weights = weights_enum("MobileNet_V3_Large_Weights")
MobileNet_V3_Small_Weights = weights_enum("MobileNet_V3_Small_Weights")


@model_builder(MobileNet_V3_Large_Weights)
def mobilenet_v3_large(**kwargs: Any) -> MobileNetV3:
    """The large MobileNet v3."""
    return MobileNetV3(*_mobilenet_v3_conf("mobilenet_v3_large", **kwargs), **kwargs)


@model_builder(MobileNet_V3_Small_Weights)
def mobilenet_v3_small(**kwargs: Any) -> MobileNetV3:
    """The small MobileNet v3."""
    return MobileNetV3(*_mobilenet_v3_conf("mobilenet_v3_small", **kwargs), **kwargs)
