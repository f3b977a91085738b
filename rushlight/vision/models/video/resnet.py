"""Residual networks for video: 3-d, mixed and (2+1)-d convolutions (Tran et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .... import Tensor, nn
from .._api import model_builder, weights_enum

__all__ = [
    "VideoResNet", "R3D_18_Weights", "MC3_18_Weights", "R2Plus1D_18_Weights", "r3d_18", "mc3_18",
    "r2plus1d_18",
]  # fmt: skip


class Conv3DSimple(nn.Conv3d):
    """A 3 by 3 by 3 convolution."""

    def __init__(
        self,
        in_planes: int,
        out_planes: int,
        midplanes: int | None = None,
        stride: int = 1,
        padding: int = 1,
    ) -> None:
        super().__init__(
            in_planes, out_planes, (3, 3, 3), stride=stride, padding=padding, bias=False
        )

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """The stride of the shortcut."""
        return stride, stride, stride


class Conv2Plus1D(nn.Sequential):
    """A convolution in space, then one in time."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(
            nn.Conv3d(
                in_planes, midplanes, (1, 3, 3),
                stride=(1, stride, stride), padding=(0, padding, padding), bias=False,
            ),
            nn.BatchNorm3d(midplanes),
            nn.ReLU(inplace=True),
            nn.Conv3d(
                midplanes, out_planes, (3, 1, 1),
                stride=(stride, 1, 1), padding=(padding, 0, 0), bias=False,
            ),
        )  # fmt: skip

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """The stride of the shortcut."""
        return stride, stride, stride


class Conv3DNoTemporal(nn.Conv3d):
    """A convolution in space only."""

    def __init__(
        self,
        in_planes: int,
        out_planes: int,
        midplanes: int | None = None,
        stride: int = 1,
        padding: int = 1,
    ) -> None:
        super().__init__(
            in_planes,
            out_planes,
            (1, 3, 3),
            stride=(1, stride, stride),
            padding=(0, padding, padding),
            bias=False,
        )

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """The stride of the shortcut."""
        return 1, stride, stride


def _midplanes(inplanes: int, planes: int) -> int:
    """As many channels between the two convolutions that the parameters stay as many."""
    return (inplanes * planes * 3 * 3 * 3) // (inplanes * 3 * 3 + 3 * planes)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        conv_builder: Callable[..., nn.Module],
        stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        middle = _midplanes(inplanes, planes)
        self.conv1 = nn.Sequential(
            conv_builder(inplanes, planes, middle, stride),
            nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(conv_builder(planes, planes, middle), nn.BatchNorm3d(planes))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`x` and what the convolutions make of it."""
        out = self.conv2(self.conv1(x))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A convolution between two of 1 by 1 by 1, beside a shortcut."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        conv_builder: Callable[..., nn.Module],
        stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        wide = planes * self.expansion
        self.conv1 = nn.Sequential(
            nn.Conv3d(inplanes, planes, kernel_size=1, bias=False),
            nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(
            conv_builder(planes, planes, _midplanes(inplanes, planes), stride),
            nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )
        self.conv3 = nn.Sequential(
            nn.Conv3d(planes, wide, kernel_size=1, bias=False), nn.BatchNorm3d(wide)
        )
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`x` and what the convolutions make of it."""
        out = self.conv3(self.conv2(self.conv1(x)))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class BasicStem(nn.Sequential):
    """A 3 by 7 by 7 convolution."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(
                3, 64, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False
            ),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )


class R2Plus1dStem(nn.Sequential):
    """A 7 by 7 convolution in space, then one in time."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(
                3, 45, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
            ),
            nn.BatchNorm3d(45),
            nn.ReLU(inplace=True),
            nn.Conv3d(
                45, 64, kernel_size=(3, 1, 1), stride=(1, 1, 1), padding=(1, 0, 0), bias=False
            ),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )


class VideoResNet(nn.Module):
    """Four stages of residual blocks, each with its own kind of convolution."""

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        conv_makers: Sequence[type[Conv3DSimple | Conv3DNoTemporal | Conv2Plus1D]],
        layers: list[int],
        stem: Callable[..., nn.Module],
        num_classes: int = 400,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        self.inplanes = 64
        self.stem = stem()
        for i, (conv, count) in enumerate(zip(conv_makers, layers)):
            stage = self._make_layer(block, conv, 64 * 2**i, count, stride=1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.BatchNorm3d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.constant_(module.bias, 0)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, Bottleneck):
                    nn.init.constant_(module.conv3[1].weight, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of videos (N, 3, T, H, W)."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(self.avgpool(x).flatten(1))

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        conv_builder: type[Conv3DSimple | Conv3DNoTemporal | Conv2Plus1D],
        planes: int,
        blocks: int,
        stride: int = 1,
    ) -> nn.Sequential:
        wide, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != wide:
            steps = conv_builder.get_downsample_stride(stride)
            downsample = nn.Sequential(
                nn.Conv3d(self.inplanes, wide, kernel_size=1, stride=steps, bias=False),
                nn.BatchNorm3d(wide),
            )
        layers = [block(self.inplanes, planes, conv_builder, stride, downsample)]
        self.inplanes = wide
        layers += [block(self.inplanes, planes, conv_builder) for _ in range(1, blocks)]
        return nn.Sequential(*layers)


R3D_18_Weights = weights_enum("R3D_18_Weights")
MC3_18_Weights = weights_enum("MC3_18_Weights")
R2Plus1D_18_Weights = weights_enum("R2Plus1D_18_Weights")


@model_builder(R3D_18_Weights, "KINETICS400_V1")
def r3d_18(**kwargs: Any) -> VideoResNet:
    """ResNet of 18 layers with 3-d convolutions."""
    return VideoResNet(BasicBlock, [Conv3DSimple] * 4, [2, 2, 2, 2], BasicStem, **kwargs)


@model_builder(MC3_18_Weights, "KINETICS400_V1")
def mc3_18(**kwargs: Any) -> VideoResNet:
    """ResNet of 18 layers: 3-d convolutions first, then in space only."""
    kinds = [Conv3DSimple] + [Conv3DNoTemporal] * 3
    return VideoResNet(BasicBlock, kinds, [2, 2, 2, 2], BasicStem, **kwargs)


@model_builder(R2Plus1D_18_Weights, "KINETICS400_V1")
def r2plus1d_18(**kwargs: Any) -> VideoResNet:
    """ResNet of 18 layers with convolutions in space and in time by turns."""
    return VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [2, 2, 2, 2], R2Plus1dStem, **kwargs)
