"""RegNet: designing network design spaces (Radosavovic et al. 2020)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import load_into, model_builder, weights_enum, with_classes_of
from ._utils import _make_divisible

# depth, w_0, w_a, w_m, group width
_Y = {
    "400MF": (16, 48, 27.89, 2.09, 8),
    "800MF": (14, 56, 38.84, 2.4, 16),
    "1_6GF": (27, 48, 20.71, 2.65, 24),
    "3_2GF": (21, 80, 42.63, 2.66, 24),
    "8GF": (17, 192, 76.82, 2.19, 56),
    "16GF": (18, 200, 106.23, 2.48, 112),
    "32GF": (20, 232, 115.89, 2.53, 232),
    "128GF": (27, 456, 160.83, 2.52, 264),
}
_X = {
    "400MF": (22, 24, 24.48, 2.54, 16),
    "800MF": (16, 56, 35.73, 2.28, 16),
    "1_6GF": (18, 80, 34.01, 2.25, 24),
    "3_2GF": (25, 88, 26.31, 2.25, 48),
    "8GF": (23, 80, 49.56, 2.88, 120),
    "16GF": (22, 216, 55.59, 2.1, 128),
    "32GF": (23, 320, 69.86, 2.0, 168),
}
_NAMES = [f"Y_{n}" for n in _Y] + [f"X_{n}" for n in _X]
__all__ = [
    "RegNet",
    *(f"RegNet_{n}_Weights" for n in _NAMES),
    *(f"regnet_{n.lower()}" for n in _NAMES),
]


class SimpleStemIN(Conv2dNormActivation):
    """The stem for ImageNet: a 3 by 3 convolution of stride 2."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
    ) -> None:
        super().__init__(
            width_in,
            width_out,
            kernel_size=3,
            stride=2,
            norm_layer=norm_layer,
            activation_layer=activation_layer,
        )


class BottleneckTransform(nn.Sequential):
    """1x1, grouped 3x3 with the stride, squeeze and excite where asked, 1x1."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        width = int(round(width_out * bottleneck_multiplier))
        kind = {"norm_layer": norm_layer, "activation_layer": activation_layer}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = Conv2dNormActivation(width_in, width, kernel_size=1, stride=1, **kind)
        layers["b"] = Conv2dNormActivation(
            width, width, kernel_size=3, stride=stride, groups=width // group_width, **kind
        )
        if se_ratio:
            squeezed = int(round(se_ratio * width_in))  # of the block's input, as in the paper
            layers["se"] = SqueezeExcitation(
                input_channels=width, squeeze_channels=squeezed, activation=activation_layer
            )
        kind["activation_layer"] = None
        layers["c"] = Conv2dNormActivation(width, width_out, kernel_size=1, stride=1, **kind)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """The transform beside a shortcut, which is projected where the shape changes."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in,
                width_out,
                kernel_size=1,
                stride=stride,
                norm_layer=norm_layer,
                activation_layer=None,
            )
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer, group_width,
            bottleneck_multiplier, se_ratio,
        )  # fmt: skip
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The activated sum."""
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class AnyStage(nn.Sequential):
    """Blocks of one width, of which the first has the stride."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        depth: int,
        block_constructor: Callable[..., nn.Module],
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None = None,
        stage_index: int = 0,
    ) -> None:
        super().__init__()
        for i in range(depth):
            block = block_constructor(
                width_in if i == 0 else width_out,
                width_out,
                stride if i == 0 else 1,
                norm_layer,
                activation_layer,
                group_width,
                bottleneck_multiplier,
                se_ratio,
            )
            self.add_module(f"block{stage_index}-{i}", block)


class BlockParams:
    """The widths, depths and groups of all stages."""

    def __init__(
        self,
        depths: list[int],
        widths: list[int],
        group_widths: list[int],
        bottleneck_multipliers: list[float],
        strides: list[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **kwargs: Any,
    ) -> BlockParams:
        """The stages of the quantised linear rule (section 3.3): u_j = w_0 + w_a j."""
        from ... import arange, float32, log, tensor

        quantum = 8
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        continuous = arange(depth) * w_a + w_0
        exponent = (log(continuous / w_0) / math.log(w_m)).round()
        base = tensor(float(w_m), dtype=float32)
        exact = w_0 * base.pow(exponent)
        widths = ((exact / quantum).round() * quantum).int().tolist()
        stage_widths = sorted(set(widths))
        depths = [widths.count(w) for w in stage_widths]
        count = len(stage_widths)
        stage_widths, groups = cls._adjust_widths_groups_compatibilty(
            stage_widths, [bottleneck_multiplier] * count, [group_width] * count
        )
        return cls(
            depths=depths,
            widths=stage_widths,
            group_widths=groups,
            bottleneck_multipliers=[bottleneck_multiplier] * count,
            strides=[2] * count,
            se_ratio=se_ratio,
        )

    def _get_expanded_params(self) -> Iterator[tuple[int, int, int, int, float]]:
        return zip(
            self.widths, self.strides, self.depths, self.group_widths, self.bottleneck_multipliers
        )

    @staticmethod
    def _adjust_widths_groups_compatibilty(
        stage_widths: list[int], bottleneck_ratios: list[float], group_widths: list[int]
    ) -> tuple[list[int], list[int]]:
        """Widths that groups of `group_widths` divide."""
        inner = [int(w * b) for w, b in zip(stage_widths, bottleneck_ratios)]
        groups = [min(g, w) for g, w in zip(group_widths, inner)]
        inner = [_make_divisible(w, g) for w, g in zip(inner, groups)]
        return [int(w / b) for w, b in zip(inner, bottleneck_ratios)], groups


class RegNet(nn.Module):
    """A stem and the stages that `block_params` says."""

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Callable[..., nn.Module] | None = None,
        block_type: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        activation: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        activation = activation or nn.ReLU
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm_layer, activation)
        width, stages = stem_width, []
        for i, (out, stride, depth, group, multiplier) in enumerate(
            block_params._get_expanded_params(), 1
        ):
            stage = AnyStage(
                width, out, stride, depth, block_type or ResBottleneckBlock, norm_layer,
                activation, group, multiplier, block_params.se_ratio, stage_index=i,
            )  # fmt: skip
            stages.append((f"block{i}", stage))
            width = out
        self.trunk_output = nn.Sequential(OrderedDict(stages))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_features=width, out_features=num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        x = self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1)
        return self.fc(x)


def _regnet(block_params: BlockParams, weights: Any, progress: bool, **kwargs: Any) -> RegNet:
    with_classes_of(weights, kwargs)
    norm_layer = kwargs.pop("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    model = RegNet(block_params, norm_layer=norm_layer, **kwargs)
    return load_into(model, weights, progress)  # type: ignore[return-value]


def _define(name: str, numbers: tuple, se_ratio: float | None) -> None:
    kind = weights_enum(f"RegNet_{name}_Weights")

    def make(weights, progress, **kwargs: Any) -> RegNet:
        params = BlockParams.from_init_params(*numbers, se_ratio=se_ratio, **kwargs)
        return _regnet(params, weights, progress, **kwargs)

    make.__name__ = make.__qualname__ = f"regnet_{name.lower()}"
    make.__doc__ = f"RegNet{name.replace('_', ' ', 1)}."
    globals()[kind.__name__] = kind
    legacy = "IMAGENET1K_V1" if "IMAGENET1K_V1" in kind.__members__ else None
    globals()[make.__name__] = model_builder(kind, legacy, loads=True)(make)


for _name, _numbers in _Y.items():
    _define(f"Y_{_name}", _numbers, 0.25)
for _name, _numbers in _X.items():
    _define(f"X_{_name}", _numbers, None)
