"""ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and wide ResNet (Zagoruyko et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import Tensor, flatten, nn
from ._api import load_into, model_builder, weights_enum, with_classes_of

__all__ = [
    "ResNet", "ResNet18_Weights", "ResNet34_Weights", "ResNet50_Weights", "ResNet101_Weights",
    "ResNet152_Weights", "ResNeXt50_32X4D_Weights", "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights", "Wide_ResNet50_2_Weights", "Wide_ResNet101_2_Weights",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3 by 3 convolution that keeps the size at stride 1."""
    return nn.Conv2d(
        in_planes, out_planes, kernel_size=3, stride=stride, padding=dilation, groups=groups,
        bias=False, dilation=dilation,
    )  # fmt: skip


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1 by 1 convolution."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3 by 3 convolutions beside a shortcut."""

    expansion: int = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`x` and what the convolutions make of it."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 3 by 3 convolution between two of 1 by 1, beside a shortcut; the 3 by 3 has the stride."""

    expansion: int = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`x` and what the convolutions make of it."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Four stages of residual blocks.

    `zero_init_residual` starts each block as its shortcut; `replace_stride_with_dilation` says, for
    the last three stages, whether to dilate instead of halving the size.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        dilate = replace_stride_with_dilation
        dilate = [False, False, False] if dilate is None else dilate
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._init_weights(zero_init_residual)

    def _init_weights(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
        if not zero_init_residual:
            return
        for module in self.modules():
            last = {Bottleneck: "bn3", BasicBlock: "bn2"}.get(type(module))
            if last is not None and getattr(module, last).weight is not None:
                nn.init.constant_(getattr(module, last).weight, 0)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        norm_layer, downsample, previous = self._norm_layer, None, self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        if stride != 1 or self.inplanes != planes * block.expansion:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, planes * block.expansion, stride),
                norm_layer(planes * block.expansion),
            )
        shared = self.groups, self.base_width
        layers = [block(self.inplanes, planes, stride, downsample, *shared, previous, norm_layer)]
        self.inplanes = planes * block.expansion
        for _ in range(1, blocks):
            layers.append(block(self.inplanes, planes, 1, None, *shared, self.dilation, norm_layer))
        return nn.Sequential(*layers)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(flatten(self.avgpool(x), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self._forward_impl(x)


def _resnet(
    block: type[BasicBlock | Bottleneck],
    layers: list[int],
    weights: Any,
    progress: bool,
    **kwargs: Any,
) -> ResNet:
    with_classes_of(weights, kwargs)
    return load_into(ResNet(block, layers, **kwargs), weights, progress)  # type: ignore[return-value]


ResNet18_Weights = weights_enum("ResNet18_Weights")
ResNet34_Weights = weights_enum("ResNet34_Weights")
ResNet50_Weights = weights_enum("ResNet50_Weights")
ResNet101_Weights = weights_enum("ResNet101_Weights")
ResNet152_Weights = weights_enum("ResNet152_Weights")
ResNeXt50_32X4D_Weights = weights_enum("ResNeXt50_32X4D_Weights")
ResNeXt101_32X8D_Weights = weights_enum("ResNeXt101_32X8D_Weights")
ResNeXt101_64X4D_Weights = weights_enum("ResNeXt101_64X4D_Weights")
Wide_ResNet50_2_Weights = weights_enum("Wide_ResNet50_2_Weights")
Wide_ResNet101_2_Weights = weights_enum("Wide_ResNet101_2_Weights")


@model_builder(ResNet18_Weights)
def resnet18(**kwargs: Any) -> ResNet:
    """ResNet of 18 layers."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **kwargs)


@model_builder(ResNet34_Weights)
def resnet34(**kwargs: Any) -> ResNet:
    """ResNet of 34 layers."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **kwargs)


@model_builder(ResNet50_Weights)
def resnet50(**kwargs: Any) -> ResNet:
    """ResNet of 50 layers."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@model_builder(ResNet101_Weights)
def resnet101(**kwargs: Any) -> ResNet:
    """ResNet of 101 layers."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@model_builder(ResNet152_Weights)
def resnet152(**kwargs: Any) -> ResNet:
    """ResNet of 152 layers."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **kwargs)


@model_builder(ResNeXt50_32X4D_Weights, groups=32, width_per_group=4)
def resnext50_32x4d(**kwargs: Any) -> ResNet:
    """ResNeXt of 50 layers with 32 groups of 4 channels."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@model_builder(ResNeXt101_32X8D_Weights, groups=32, width_per_group=8)
def resnext101_32x8d(**kwargs: Any) -> ResNet:
    """ResNeXt of 101 layers with 32 groups of 8 channels."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@model_builder(ResNeXt101_64X4D_Weights, legacy=None, groups=64, width_per_group=4)
def resnext101_64x4d(**kwargs: Any) -> ResNet:
    """ResNeXt of 101 layers with 64 groups of 4 channels."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@model_builder(Wide_ResNet50_2_Weights, width_per_group=128)
def wide_resnet50_2(**kwargs: Any) -> ResNet:
    """ResNet of 50 layers with twice as many channels inside the blocks."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@model_builder(Wide_ResNet101_2_Weights, width_per_group=128)
def wide_resnet101_2(**kwargs: Any) -> ResNet:
    """ResNet of 101 layers with twice as many channels inside the blocks."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)
