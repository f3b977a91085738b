"""Swin transformer (Liu et al. 2021) and its second version (Liu et al. 2021, scaling up)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ... import Tensor, arange, cat, log, meshgrid, nn, ones, roll, sigmoid, stack
from ..._stays_call import stays_call
from ...nn import functional as F
from ..ops.misc import MLP, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import model_builder, weights_enum
from ._windows import (
    WindowAttention,
    placed_bias,
    relative_position_index,
    shift_mask,
    unwindows,
    window_attention,
    windows,
)

__all__ = [
    "SwinTransformer", "Swin_T_Weights", "Swin_S_Weights", "Swin_B_Weights", "Swin_V2_T_Weights",
    "Swin_V2_S_Weights", "Swin_V2_B_Weights", "swin_t", "swin_s", "swin_b", "swin_v2_t",
    "swin_v2_s", "swin_v2_b",
]  # fmt: skip


@stays_call
def _patch_merging_pad(x: Tensor) -> Tensor:
    """The four corners of each 2 by 2 square of (..., H, W, C) side by side: 4 C channels."""
    height, width = x.shape[-3], x.shape[-2]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    return cat([x[..., i % 2 :: 2, i // 2 :: 2, :] for i in range(4)], -1)


class PatchMerging(nn.Module):
    """Halve height and width, double the channels; the norm comes first."""

    def __init__(self, dim: int, norm_layer: Callable[..., nn.Module] = nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Tensor):
        """`x` (..., H, W, C) as (..., H / 2, W / 2, 2 C)."""
        return self.reduction(self.norm(_patch_merging_pad(x)))


class PatchMergingV2(nn.Module):
    """Halve height and width, double the channels; the norm comes last."""

    def __init__(self, dim: int, norm_layer: Callable[..., nn.Module] = nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Tensor):
        """`x` (..., H, W, C) as (..., H / 2, W / 2, 2 C)."""
        return self.norm(self.reduction(_patch_merging_pad(x)))


@stays_call
def _get_relative_position_bias(
    relative_position_bias_table: Tensor, relative_position_index: Tensor, window_size: list[int]
) -> Tensor:
    """The table's rows for all pairs of places of a window: (1, heads, places, places)."""
    return placed_bias(relative_position_bias_table, relative_position_index, window_size)


@stays_call
def shifted_window_attention(
    input: Tensor,
    qkv_weight: Tensor,
    proj_weight: Tensor,
    relative_position_bias: Tensor,
    window_size: list[int],
    num_heads: int,
    shift_size: list[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Tensor | None = None,
    proj_bias: Tensor | None = None,
    logit_scale: Tensor | None = None,
    training: bool = True,
) -> Tensor:
    """Attention inside windows of (N, H, W, C), which are shifted by `shift_size`.

    With `logit_scale` directions are compared instead of products (version 2).
    """
    _, height, width, _ = input.shape
    x = F.pad(input, (0, 0, 0, -width % window_size[1], 0, -height % window_size[0]))
    shape = x.shape
    # A window as large as the image needs no shift.
    shift = [0 if window_size[d] >= shape[d + 1] else shift_size[d] for d in range(2)]
    shifted = sum(shift) > 0
    if shifted:
        x = roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    if logit_scale is not None and qkv_bias is not None:
        third = qkv_bias.numel() // 3  # keys have no bias
        qkv_bias = qkv_bias.clone()
        qkv_bias[third : 2 * third].zero_()
    mask = shift_mask(x, window_size, shift) if shifted else None
    x = window_attention(
        windows(x, window_size), qkv_weight, qkv_bias, relative_position_bias, num_heads, mask,
        attention_dropout, training, logit_scale,
    )  # fmt: skip
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = unwindows(x, window_size, shape)
    if shifted:
        x = roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
    return x[:, :height, :width, :].contiguous()


class ShiftedWindowAttention(WindowAttention):
    """`shifted_window_attention` with weights and a bias for each distance."""

    dims = 2

    def define_relative_position_index(self):
        """The buffer with the table's row for each pair of places."""
        index = relative_position_index(self.window_size).flatten()
        self.register_buffer("relative_position_index", index)

    def get_relative_position_bias(self) -> Tensor:
        """The biases of all pairs of places: (1, heads, places, places)."""
        return _get_relative_position_bias(
            self.relative_position_bias_table, self.relative_position_index, self.window_size
        )

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, H, W, C), attended to."""
        bias = self.get_relative_position_bias()
        return shifted_window_attention(
            x,
            self.qkv.weight,
            self.proj.weight,
            bias,
            self.window_size,
            self.num_heads,
            shift_size=self.shift_size,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
            qkv_bias=self.qkv.bias,
            proj_bias=self.proj.bias,
            training=self.training,
        )


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Compares directions, and makes the biases from distances by a small network."""

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__(
            dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout
        )
        self.logit_scale = nn.Parameter(log(10 * ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True),
            nn.ReLU(inplace=True),
            nn.Linear(512, num_heads, bias=False),
        )
        if qkv_bias:
            third = self.qkv.bias.numel() // 3
            self.qkv.bias[third : 2 * third].data.zero_()

    def define_relative_position_bias_table(self):
        """The buffer with the distances, on a logarithmic scale from -1 to 1."""
        sides = [arange(-(size - 1), size).float() for size in self.window_size]
        table = stack(meshgrid(*sides, indexing="ij")).permute(1, 2, 0).contiguous().unsqueeze(0)
        for d, size in enumerate(self.window_size):
            table[..., d] /= size - 1
        table *= 8
        table = table.sign() * (table.abs() + 1.0).log2() / 3.0
        self.register_buffer("relative_coords_table", table)

    def get_relative_position_bias(self) -> Tensor:
        """The biases of all pairs of places: (1, heads, places, places)."""
        bias = _get_relative_position_bias(
            self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads),
            self.relative_position_index,
            self.window_size,
        )
        return 16 * sigmoid(bias)

    def forward(self, x: Tensor):
        """`x` (N, H, W, C), attended to."""
        bias = self.get_relative_position_bias()
        return shifted_window_attention(
            x,
            self.qkv.weight,
            self.proj.weight,
            bias,
            self.window_size,
            self.num_heads,
            shift_size=self.shift_size,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
            qkv_bias=self.qkv.bias,
            proj_bias=self.proj.bias,
            logit_scale=self.logit_scale,
            training=self.training,
        )


class SwinTransformerBlock(nn.Module):
    """Attention, then linear layers, each after a normalisation and beside a shortcut."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
        attn_layer: Callable[..., nn.Module] = ShiftedWindowAttention,
    ):
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim,
            window_size,
            shift_size,
            num_heads,
            attention_dropout=attention_dropout,
            dropout=dropout,
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(
            dim,
            [int(dim * mlp_ratio), dim],
            activation_layer=nn.GELU,
            inplace=None,
            dropout=dropout,
        )
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor):
        """`x` (N, H, W, C), transformed."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The normalisations come last."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
        attn_layer: Callable[..., nn.Module] = ShiftedWindowAttentionV2,
    ):
        super().__init__(
            dim, num_heads, window_size, shift_size, mlp_ratio, dropout, attention_dropout,
            stochastic_depth_prob, norm_layer, attn_layer,
        )  # fmt: skip

    def forward(self, x: Tensor):
        """`x` (N, H, W, C), transformed."""
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


def swin_stages(
    embed_dim: int,
    depths: list[int],
    num_heads: list[int],
    window_size: list[int],
    stochastic_depth_prob: float,
    make_block: Callable[..., nn.Module],
    make_merging: Callable[[int], nn.Module],
) -> tuple[list[nn.Module], int]:
    """The stages with a merging between them, and the last stage's channels.

    `make_block` gets channels and heads, and by name window, shift and rate of stochastic depth.
    """
    layers: list[nn.Module] = []
    total, done, dim = sum(depths), 0, embed_dim
    for i, depth in enumerate(depths):
        dim = embed_dim * 2**i
        stage = []
        for j in range(depth):
            rate = stochastic_depth_prob * float(done) / (total - 1)
            shift = [0 if j % 2 == 0 else w // 2 for w in window_size]
            stage.append(
                make_block(
                    dim,
                    num_heads[i],
                    window_size=window_size,
                    shift_size=shift,
                    stochastic_depth_prob=rate,
                )
            )
            done += 1
        layers.append(nn.Sequential(*stage))
        if i < len(depths) - 1:
            layers.append(make_merging(dim))
    return layers, dim


def draw_linear_weights(model: nn.Module) -> None:
    """Truncated normal weights for all linear layers."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class SwinTransformer(nn.Module):
    """Stages of attention in windows, with images at half the size from one to the next."""

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None,
        block: Callable[..., nn.Module] | None = None,
        downsample_layer: Callable[..., nn.Module] = PatchMerging,
    ):
        super().__init__()
        self.num_classes = num_classes
        block = block or SwinTransformerBlock
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch = patch_size[0], patch_size[1]
        embed = nn.Sequential(
            nn.Conv2d(3, embed_dim, kernel_size=patch, stride=patch),
            Permute([0, 2, 3, 1]),
            norm_layer(embed_dim),
        )

        make_block = partial(
            block,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm_layer=norm_layer,
        )
        stages, features = swin_stages(
            embed_dim, depths, num_heads, window_size, stochastic_depth_prob, make_block,
            lambda dim: downsample_layer(dim, norm_layer),
        )  # fmt: skip
        self.features = nn.Sequential(embed, *stages)
        self.norm = norm_layer(features)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(features, num_classes)
        draw_linear_weights(self)

    def forward(self, x):
        """Logits (N, num_classes)."""
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


def _swin(version: int, embed_dim, depths, num_heads, window, rate, kwargs) -> SwinTransformer:
    second = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    return SwinTransformer(
        patch_size=[4, 4],
        embed_dim=embed_dim,
        depths=depths,
        num_heads=num_heads,
        window_size=[window, window],
        stochastic_depth_prob=kwargs.pop("stochastic_depth_prob", rate),
        **(second if version == 2 else {}),
        **kwargs,
    )


Swin_T_Weights = weights_enum("Swin_T_Weights")
Swin_S_Weights = weights_enum("Swin_S_Weights")
Swin_B_Weights = weights_enum("Swin_B_Weights")
Swin_V2_T_Weights = weights_enum("Swin_V2_T_Weights")
Swin_V2_S_Weights = weights_enum("Swin_V2_S_Weights")
Swin_V2_B_Weights = weights_enum("Swin_V2_B_Weights")


@model_builder(Swin_T_Weights)
def swin_t(**kwargs: Any) -> SwinTransformer:
    """Swin Tiny."""
    return _swin(1, 96, [2, 2, 6, 2], [3, 6, 12, 24], 7, 0.2, kwargs)


@model_builder(Swin_S_Weights)
def swin_s(**kwargs: Any) -> SwinTransformer:
    """Swin Small."""
    return _swin(1, 96, [2, 2, 18, 2], [3, 6, 12, 24], 7, 0.3, kwargs)


@model_builder(Swin_B_Weights)
def swin_b(**kwargs: Any) -> SwinTransformer:
    """Swin Base."""
    return _swin(1, 128, [2, 2, 18, 2], [4, 8, 16, 32], 7, 0.5, kwargs)


@model_builder(Swin_V2_T_Weights)
def swin_v2_t(**kwargs: Any) -> SwinTransformer:
    """Swin v2 Tiny."""
    return _swin(2, 96, [2, 2, 6, 2], [3, 6, 12, 24], 8, 0.2, kwargs)


@model_builder(Swin_V2_S_Weights)
def swin_v2_s(**kwargs: Any) -> SwinTransformer:
    """Swin v2 Small."""
    return _swin(2, 96, [2, 2, 18, 2], [3, 6, 12, 24], 8, 0.3, kwargs)


@model_builder(Swin_V2_B_Weights)
def swin_v2_b(**kwargs: Any) -> SwinTransformer:
    """Swin v2 Base."""
    return _swin(2, 128, [2, 2, 18, 2], [4, 8, 16, 32], 8, 0.5, kwargs)
