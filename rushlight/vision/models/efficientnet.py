"""EfficientNet (Tan, Le 2019) and EfficientNet v2 (Tan, Le 2021)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import Tensor, flatten, nn
from ..ops import StochasticDepth
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import load_into, model_builder, weights_enum, with_classes_of
from ._utils import _make_divisible

_NAMES = [f"B{i}" for i in range(8)] + ["V2_S", "V2_M", "V2_L"]
__all__ = [
    "EfficientNet",
    *(f"EfficientNet_{n}_Weights" for n in _NAMES),
    *(f"efficientnet_{n.lower()}" for n in _NAMES),
]


class _MBConvConfig:
    """A run of blocks: one line of the papers' tables."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Callable[..., nn.Module],
    ) -> None:
        self.expand_ratio = expand_ratio
        self.kernel = kernel
        self.stride = stride
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.block = block

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """Channels scaled to a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
        )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class MBConvConfig(_MBConvConfig):
    """A run of `MBConv` blocks, scaled in channels and number."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float):
        """The number of blocks, rounded up."""
        return int(math.ceil(num_layers * depth_mult))


class FusedMBConvConfig(_MBConvConfig):
    """A run of `FusedMBConv` blocks."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(
            expand_ratio, kernel, stride, input_channels, out_channels, num_layers,
            block or FusedMBConv,
        )  # fmt: skip


class _Residual(nn.Module):
    """`block`, with a shortcut where the shapes agree."""

    def _prepare(self, cnf: _MBConvConfig, stochastic_depth_prob: float, layers: list) -> None:
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        """The block's result, plus `input` where the shapes agree."""
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


def _keeps_shape(cnf: _MBConvConfig) -> bool:
    if not 1 <= cnf.stride <= 2:
        raise ValueError("illegal stride value")
    return cnf.stride == 1 and cnf.input_channels == cnf.out_channels


class MBConv(_Residual):
    """Expand, filter each channel, squeeze and excite, project."""

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:
        super().__init__()
        self.use_res_connect = _keeps_shape(cnf)
        kind = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, kernel_size=1, **kind))
        layers.append(
            Conv2dNormActivation(
                wide, wide, kernel_size=cnf.kernel, stride=cnf.stride, groups=wide, **kind
            )
        )
        squeezed = max(1, cnf.input_channels // 4)
        layers.append(se_layer(wide, squeezed, activation=partial(nn.SiLU, inplace=True)))
        kind["activation_layer"] = None
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, kernel_size=1, **kind))
        self._prepare(cnf, stochastic_depth_prob, layers)


class FusedMBConv(_Residual):
    """Expand and filter in one convolution, project."""

    def __init__(
        self,
        cnf: FusedMBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module],
    ) -> None:
        super().__init__()
        self.use_res_connect = _keeps_shape(cnf)
        kind = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        wide = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        expands = wide != cnf.input_channels
        first = wide if expands else cnf.out_channels
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                cnf.input_channels, first, kernel_size=cnf.kernel, stride=cnf.stride, **kind
            )
        ]
        if expands:
            kind["activation_layer"] = None
            layers.append(Conv2dNormActivation(wide, cnf.out_channels, kernel_size=1, **kind))
        self._prepare(cnf, stochastic_depth_prob, layers)


class EfficientNet(nn.Module):
    """Runs of blocks; the rate of `StochasticDepth` rises from 0 to `stochastic_depth_prob`."""

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not isinstance(setting, Sequence) or not all(
            isinstance(s, _MBConvConfig) for s in setting
        ):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm_layer = norm_layer or nn.BatchNorm2d
        kind = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        layers = [
            Conv2dNormActivation(3, setting[0].input_channels, kernel_size=3, stride=2, **kind)
        ]
        total, done = sum(cnf.num_layers for cnf in setting), 0
        for cnf in setting:
            stage = []
            for i in range(cnf.num_layers):
                own = copy.copy(cnf)
                if i:
                    own.input_channels, own.stride = own.out_channels, 1
                rate = stochastic_depth_prob * float(done) / total
                stage.append(own.block(own, rate, norm_layer))
                done += 1
            layers.append(nn.Sequential(*stage))
        last = setting[-1].out_channels
        wide = last_channel if last_channel is not None else 4 * last
        layers.append(Conv2dNormActivation(last, wide, kernel_size=1, **kind))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(wide, num_classes)
        )
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def _forward_impl(self, x: Tensor) -> Tensor:
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self._forward_impl(x)


# expansion, kernel, stride, in, out, blocks: table 1 of the first paper
_BASE = (
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip
# Of the second paper: fused runs, then others.
_V2 = {
    "efficientnet_v2_s": (
        ((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
        ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15)),
    ),
    "efficientnet_v2_m": (
        ((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
        (
            (4, 3, 2, 80, 160, 7), (6, 3, 1, 160, 176, 14), (6, 3, 2, 176, 304, 18),
            (6, 3, 1, 304, 512, 5),
        ),
    ),
    "efficientnet_v2_l": (
        ((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
        (
            (4, 3, 2, 96, 192, 10), (6, 3, 1, 192, 224, 19), (6, 3, 2, 224, 384, 25),
            (6, 3, 1, 384, 640, 7),
        ),
    ),
}  # fmt: skip


def _efficientnet_conf(
    arch: str, **kwargs: Any
) -> tuple[Sequence[MBConvConfig | FusedMBConvConfig], int | None]:
    """The runs of blocks of `arch` (b0 to b7 take width_mult and depth_mult), last channels."""
    if arch.startswith("efficientnet_b"):
        scale = {"width_mult": kwargs.pop("width_mult"), "depth_mult": kwargs.pop("depth_mult")}
        return [MBConvConfig(*line, **scale) for line in _BASE], None
    if arch not in _V2:
        raise ValueError(f"Unsupported model type {arch}")
    fused, other = _V2[arch]
    runs = [FusedMBConvConfig(*line) for line in fused]
    return [*runs, *(MBConvConfig(*line) for line in other)], 1280


def _efficientnet(
    inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
    dropout: float,
    last_channel: int | None,
    weights: Any,
    progress: bool,
    **kwargs: Any,
) -> EfficientNet:
    with_classes_of(weights, kwargs)
    model = EfficientNet(inverted_residual_setting, dropout, last_channel=last_channel, **kwargs)
    return load_into(model, weights, progress)  # type: ignore[return-value]


def _define(name: str, dropout: float, scale: dict[str, float], norm: Any = None) -> None:
    kind = weights_enum(f"EfficientNet_{name}_Weights")
    arch = f"efficientnet_{name.lower()}"

    def make(weights, progress, **kwargs: Any) -> EfficientNet:
        setting, last_channel = _efficientnet_conf(arch, **scale)
        if norm is not None:
            kwargs.setdefault("norm_layer", norm)
        rate = kwargs.pop("dropout", dropout)
        return _efficientnet(setting, rate, last_channel, weights, progress, **kwargs)

    make.__name__ = make.__qualname__ = arch
    make.__doc__ = f"EfficientNet {name.replace('_', ' ')}."
    globals()[kind.__name__] = kind
    globals()[arch] = model_builder(kind, loads=True)(make)


for _i, (_dropout, _width, _depth) in enumerate(
    (
        (0.2, 1.0, 1.0),
        (0.2, 1.0, 1.1),
        (0.3, 1.1, 1.2),
        (0.3, 1.2, 1.4),
        (0.4, 1.4, 1.8),
        (0.4, 1.6, 2.2),
        (0.5, 1.8, 2.6),
        (0.5, 2.0, 3.1),
    )  # fmt: skip
):
    _norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if _i >= 5 else None
    _define(f"B{_i}", _dropout, {"width_mult": _width, "depth_mult": _depth}, _norm)
for _size, _dropout in (("S", 0.2), ("M", 0.3), ("L", 0.4)):
    _define(f"V2_{_size}", _dropout, {}, partial(nn.BatchNorm2d, eps=1e-03))
