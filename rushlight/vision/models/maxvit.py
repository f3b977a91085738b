"""MaxViT: multi-axis vision transformer (Tu et al. 2022)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from ... import Tensor, chunk, einsum, empty, nn, swapaxes
from ...nn import functional as F
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import model_builder, weights_enum
from ._windows import relative_position_index

__all__ = ["MaxVit", "MaxVit_T_Weights", "maxvit_t"]


def _get_conv_output_shape(
    input_size: tuple[int, int], kernel_size: int, stride: int, padding: int
) -> tuple[int, int]:
    return tuple((n - kernel_size + 2 * padding) // stride + 1 for n in input_size)


def _make_block_input_shapes(input_size: tuple[int, int], n_blocks: int) -> list[tuple[int, int]]:
    """The sizes of the maps that each block gets."""
    shapes = [_get_conv_output_shape(input_size, 3, 2, 1)]
    for _ in range(n_blocks):
        shapes.append(_get_conv_output_shape(shapes[-1], 3, 2, 1))
    return shapes[1:]


def _get_relative_position_index(height: int, width: int) -> Tensor:
    """Which row of the table belongs to each pair of places."""
    return relative_position_index([height, width])


class MBConv(nn.Module):
    """Expand, filter each channel with the stride, squeeze and excite, project."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion_ratio: float,
        squeeze_ratio: float,
        stride: int,
        activation_layer: Callable[..., nn.Module],
        norm_layer: Callable[..., nn.Module],
        p_stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if stride != 1 or in_channels != out_channels:
            proj: list[nn.Module] = [
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=1, bias=True)
            ]
            if stride == 2:
                proj = [nn.AvgPool2d(kernel_size=3, stride=stride, padding=1), *proj]
            self.proj = nn.Sequential(*proj)
        else:
            self.proj = nn.Identity()
        middle = int(out_channels * expansion_ratio)
        kind = {"activation_layer": activation_layer, "norm_layer": norm_layer, "inplace": None}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if p_stochastic_dropout:
            self.stochastic_depth = StochasticDepth(p_stochastic_dropout, mode="row")
        else:
            self.stochastic_depth = nn.Identity()
        layers["pre_norm"] = norm_layer(in_channels)
        layers["conv_a"] = Conv2dNormActivation(
            in_channels, middle, kernel_size=1, stride=1, padding=0, **kind
        )
        layers["conv_b"] = Conv2dNormActivation(
            middle, middle, kernel_size=3, stride=stride, padding=1, groups=middle, **kind
        )
        squeezed = int(out_channels * squeeze_ratio)
        layers["squeeze_excitation"] = SqueezeExcitation(middle, squeezed, activation=nn.SiLU)
        layers["conv_c"] = nn.Conv2d(middle, out_channels, kernel_size=1, bias=True)
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """The sum with the shortcut."""
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention with a bias for each distance of two places."""

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads = feat_dim // head_dim
        self.head_dim = head_dim
        self.size = int(math.sqrt(max_seq_len))
        self.max_seq_len = max_seq_len
        self.to_qkv = nn.Linear(feat_dim, self.n_heads * self.head_dim * 3)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(self.head_dim * self.n_heads, feat_dim)
        rows = (2 * self.size - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(empty(rows, self.n_heads))
        index = _get_relative_position_index(self.size, self.size)
        self.register_buffer("relative_position_index", index)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> Tensor:
        """The biases of all pairs of places: (1, heads, places, places)."""
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = bias.view(self.max_seq_len, self.max_seq_len, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, groups, places, channels), attended to within the groups."""
        n, groups, places, channels = x.shape
        q, k, v = chunk(self.to_qkv(x), 3, dim=-1)
        shape = n, groups, places, self.n_heads, self.head_dim
        q, k, v = (part.reshape(*shape).permute(0, 1, 3, 2, 4) for part in (q, k, v))
        weights = einsum("B G H I D, B G H J D -> B G H I J", q, k * self.scale_factor)
        weights = F.softmax(weights + self.get_relative_positional_bias(), dim=-1)
        out = einsum("B G H I J, B G H J D -> B G H I D", weights, v)
        return self.merge(out.permute(0, 1, 3, 2, 4).reshape(n, groups, places, channels))


class SwapAxes(nn.Module):
    """`x.swapaxes(a, b)` as a layer."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a = a
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        """The same elements with two dims exchanged."""
        return swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """Cut maps into squares."""

    def forward(self, x: Tensor, p: int) -> Tensor:
        """`x` (N, C, H, W) as (N, squares, p * p, C)."""
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, (h // p) * (w // p), p * p, c)


class WindowDepartition(nn.Module):
    """Put squares together again."""

    def forward(self, x: Tensor, p: int, h_partitions: int, w_partitions: int) -> Tensor:
        """`x` (N, squares, p * p, C) as (N, C, H, W)."""
        n, _, _, c = x.shape
        x = x.reshape(n, h_partitions, w_partitions, p, p, c).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, c, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention within squares ("window"), or among the same places of all squares ("grid")."""

    def __init__(
        self,
        in_channels: int,
        head_dim: int,
        partition_size: int,
        partition_type: str,
        grid_size: tuple[int, int],
        mlp_ratio: int,
        activation_layer: Callable[..., nn.Module],
        norm_layer: Callable[..., nn.Module],
        attention_dropout: float,
        mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:
        super().__init__()
        self.n_heads = in_channels // head_dim
        self.head_dim = head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type = partition_type
        self.grid_size = grid_size
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        grid = partition_type == "grid"
        self.p = self.n_partitions if grid else partition_size
        self.g = partition_size if grid else self.n_partitions
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, C, H, W), attended to."""
        counts = self.grid_size[0] // self.p, self.grid_size[1] // self.p
        if self.grid_size[0] % self.p or self.grid_size[1] % self.p:
            raise AssertionError(
                f"Grid size must be divisible by partition size. Got grid size of "
                f"{self.grid_size} and partition size of {self.p}"
            )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, *counts)


class MaxVitLayer(nn.Module):
    """A convolution, attention within squares, attention among them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        stride: int,
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        p_stochastic_dropout: float,
        partition_size: int,
        grid_size: tuple[int, int],
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["MBconv"] = MBConv(
            in_channels=in_channels,
            out_channels=out_channels,
            expansion_ratio=expansion_ratio,
            squeeze_ratio=squeeze_ratio,
            stride=stride,
            activation_layer=activation_layer,
            norm_layer=norm_layer,
            p_stochastic_dropout=p_stochastic_dropout,
        )
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                in_channels=out_channels,
                head_dim=head_dim,
                partition_size=partition_size,
                partition_type=kind,
                grid_size=grid_size,
                mlp_ratio=mlp_ratio,
                activation_layer=activation_layer,
                norm_layer=nn.LayerNorm,
                attention_dropout=attention_dropout,
                mlp_dropout=mlp_dropout,
                p_stochastic_dropout=p_stochastic_dropout,
            )
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, C, H, W), transformed."""
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Layers of which the first halves the size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        norm_layer: Callable[..., nn.Module],
        activation_layer: Callable[..., nn.Module],
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        partition_size: int,
        input_grid_size: tuple[int, int],
        n_layers: int,
        p_stochastic: list[float],
    ) -> None:
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(
                f"p_stochastic must have length n_layers={n_layers}, got "
                f"p_stochastic={p_stochastic}."
            )
        self.layers = nn.ModuleList()
        self.grid_size = _get_conv_output_shape(input_grid_size, kernel_size=3, stride=2, padding=1)
        for i, rate in enumerate(p_stochastic):
            self.layers += [
                MaxVitLayer(
                    in_channels=in_channels if i == 0 else out_channels,
                    out_channels=out_channels,
                    squeeze_ratio=squeeze_ratio,
                    expansion_ratio=expansion_ratio,
                    stride=2 if i == 0 else 1,
                    norm_layer=norm_layer,
                    activation_layer=activation_layer,
                    head_dim=head_dim,
                    mlp_ratio=mlp_ratio,
                    mlp_dropout=mlp_dropout,
                    attention_dropout=attention_dropout,
                    p_stochastic_dropout=rate,
                    partition_size=partition_size,
                    grid_size=self.grid_size,
                )
            ]

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, C, H, W) at half the size."""
        for layer in self.layers:
            x = layer(x)
        return x


def _check_sizes(input_size: tuple[int, int], blocks: int, partition_size: int) -> None:
    """ValueError where a block's map cannot be cut into partitions."""
    sizes = _make_block_input_shapes(input_size, blocks)
    for i, size in enumerate(sizes):
        if size[0] % partition_size != 0 or size[1] % partition_size != 0:
            raise ValueError(
                f"Input size {size} of block {i} is not divisible by partition size "
                f"{partition_size}. Consider changing the partition size or the input size.\n"
                f"Current configuration yields the following block input sizes: {sizes}."
            )


def _stem(channels: int, norm_layer, activation_layer) -> nn.Sequential:
    return nn.Sequential(
        Conv2dNormActivation(
            3, channels, 3, stride=2, norm_layer=norm_layer,
            activation_layer=activation_layer, bias=False, inplace=None,
        ),
        Conv2dNormActivation(
            channels, channels, 3, stride=1, norm_layer=None, activation_layer=None, bias=True,
        ),
    )  # fmt: skip


class MaxVit(nn.Module):
    """A stem, blocks and a head; every map's size must be a multiple of `partition_size`."""

    def __init__(
        self,
        input_size: tuple[int, int],
        stem_channels: int,
        partition_size: int,
        block_channels: list[int],
        block_layers: list[int],
        head_dim: int,
        stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module] | None = None,
        activation_layer: Callable[..., nn.Module] = nn.GELU,
        squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4,
        mlp_ratio: int = 4,
        mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        _check_sizes(input_size, len(block_channels), partition_size)
        self.stem = _stem(stem_channels, norm_layer, activation_layer)
        size = _get_conv_output_shape(input_size, kernel_size=3, stride=2, padding=1)
        self.partition_size = partition_size
        self.blocks = nn.ModuleList()
        total = sum(block_layers)
        rates = [i * (stochastic_depth_prob / (total - 1)) for i in range(total)]
        channels, first = stem_channels, 0
        for out, count in zip(block_channels, block_layers):
            block = MaxVitBlock(
                in_channels=channels,
                out_channels=out,
                squeeze_ratio=squeeze_ratio,
                expansion_ratio=expansion_ratio,
                norm_layer=norm_layer,
                activation_layer=activation_layer,
                head_dim=head_dim,
                mlp_ratio=mlp_ratio,
                mlp_dropout=mlp_dropout,
                attention_dropout=attention_dropout,
                partition_size=partition_size,
                input_grid_size=size,
                n_layers=count,
                p_stochastic=rates[first : first + count],
            )
            self.blocks.append(block)
            size, channels, first = block.grid_size, out, first + count
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.Tanh(),
            nn.Linear(channels, num_classes, bias=False),
        )
        self._init_weights()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)

    def _init_weights(self):
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)


def _size_of(weights: Any, kwargs: dict[str, Any]) -> None:
    from ._utils import _ovewrite_named_param

    _ovewrite_named_param(kwargs, "input_size", weights.meta["min_size"])


MaxVit_T_Weights = weights_enum("MaxVit_T_Weights")


@model_builder(MaxVit_T_Weights, legacy=None, checks=_size_of)
def maxvit_t(**kwargs: Any) -> MaxVit:
    """MaxViT Tiny, for images of 224 by 224 unless `input_size` says otherwise."""
    own = {
        "stem_channels": 64,
        "block_channels": [64, 128, 256, 512],
        "block_layers": [2, 2, 5, 2],
        "head_dim": 32,
        "stochastic_depth_prob": 0.2,
        "partition_size": 7,
        "input_size": kwargs.pop("input_size", (224, 224)),
    }
    return MaxVit(**own, **kwargs)
