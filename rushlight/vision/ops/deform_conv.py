"""Deformable convolution (Dai et al. 2017); with a mask, its second version (Zhu et al. 2019)."""

from __future__ import annotations

import math

from ... import Tensor, nn
from ._kernels import vision_deform_columns
from ._utils import in_float, pair


def _convolve(input, offset, weight, bias, mask, *, stride, padding, dilation) -> Tensor:
    out_channels, in_channels, *kernel = weight.shape
    batch, channels, *_ = input.shape
    taps = kernel[0] * kernel[1]
    offset_groups = offset.shape[1] // (2 * taps)
    if offset_groups == 0:
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple "
            f"of 2 * weight.size[2] * weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, "
            f"while 2 * weight.size[2] * weight.size[3]={2 * taps}"
        )
    groups = channels // in_channels if in_channels else 0
    if not groups or groups * in_channels != channels or out_channels % groups:
        raise RuntimeError(
            f"deform_conv2d: weight of shape {list(weight.shape)} does not divide the "
            f"{channels} channels of the input into groups"
        )
    columns = vision_deform_columns(
        input, offset, mask, kernel, stride, padding, dilation, offset_groups
    )
    columns = columns.view(batch, groups, in_channels * taps, columns.shape[-1])
    out = weight.reshape(groups, out_channels // groups, in_channels * taps) @ columns
    out = out.reshape(batch, out_channels, *offset.shape[2:])
    return out if bias is None else out + bias.view(1, out_channels, 1, 1)


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """A convolution whose taps are moved by `offset` and weighted by `mask`, at every place.

    `input` (N, C, H, W), `weight` (O, C / groups, KH, KW), `offset` (N, 2 G KH KW, OH, OW) with the
    shifts down and right of each tap, `mask` (N, G KH KW, OH, OW), for G groups of channels.
    """
    batch, channels, _, _ = input.shape
    if weight.ndim != 4 or offset.ndim != 4:
        raise RuntimeError(
            f"deform_conv2d: weight and offset need 4 dims, got shapes {list(weight.shape)} and "
            f"{list(offset.shape)}"
        )
    return in_float(
        _convolve,
        input,
        offset,
        weight,
        bias,
        mask,
        stride=pair(stride),
        padding=pair(padding),
        dilation=pair(dilation),
    )


class DeformConv2d(nn.Module):
    """`deform_conv2d` with a weight of its own."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        from ... import empty

        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias = nn.Parameter(empty(out_channels))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight and the bias as Conv2d does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = nn.init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in)
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """The convolution with the taps moved by `offset`, weighted by `mask`."""
        return deform_conv2d(
            input,
            offset,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            mask=mask,
        )

    def __repr__(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return f"{self.__class__.__name__}({text})"
