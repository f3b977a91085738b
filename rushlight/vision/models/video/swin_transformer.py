"""Video Swin transformer (Liu et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .... import Tensor, flatten, nn, roll
from ...._stays_call import stays_call
from ....nn import functional as F
from .._api import model_builder, weights_enum
from .._windows import (
    WindowAttention,
    count_of,
    placed_bias,
    shift_mask,
    unwindows,
    window_attention,
    windows,
)
from ..swin_transformer import (
    PatchMerging,
    SwinTransformerBlock,
    draw_linear_weights,
    swin_stages,
)

__all__ = [
    "SwinTransformer3d", "Swin3D_T_Weights", "Swin3D_S_Weights", "Swin3D_B_Weights", "swin3d_t",
    "swin3d_s", "swin3d_b",
]  # fmt: skip


@stays_call
def _get_window_and_shift_size(
    shift_size: list[int], size_dhw: list[int], window_size: list[int]
) -> tuple[list[int], list[int]]:
    """A window no larger than the video, and no shift where it is as large."""
    window, shift = list(window_size), list(shift_size)
    for i in range(3):
        if size_dhw[i] <= window[i]:
            window[i], shift[i] = size_dhw[i], 0
    return window, shift


@stays_call
def _get_relative_position_bias(
    relative_position_bias_table: Tensor, relative_position_index: Tensor, window_size: list[int]
) -> Tensor:
    """The table's rows for all pairs of places of a window: (1, heads, places, places)."""
    places = count_of(window_size)
    index = relative_position_index[:places, :places].flatten()
    return placed_bias(relative_position_bias_table, index, window_size)


@stays_call
def _compute_pad_size_3d(
    size_dhw: tuple[int, int, int], patch_size: tuple[int, int, int]
) -> tuple[int, int, int]:
    """What each size lacks to a multiple of the patch's."""
    t, h, w = size_dhw
    return -t % patch_size[0], -h % patch_size[1], -w % patch_size[2]


@stays_call
def shifted_window_attention_3d(
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
    training: bool = True,
) -> Tensor:
    """Attention inside windows of (N, T, H, W, C), which are shifted by `shift_size`."""
    _, t, h, w, _ = input.shape
    pad = _compute_pad_size_3d((t, h, w), (window_size[0], window_size[1], window_size[2]))
    x = F.pad(input, (0, 0, 0, pad[2], 0, pad[1], 0, pad[0]))
    shape = x.shape
    shifted = sum(shift_size) > 0
    if shifted:
        x = roll(x, shifts=[-s for s in shift_size], dims=(1, 2, 3))
    mask = shift_mask(x, window_size, shift_size) if shifted else None
    x = window_attention(
        windows(x, window_size), qkv_weight, qkv_bias, relative_position_bias, num_heads, mask,
        attention_dropout, training,
    )  # fmt: skip
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = unwindows(x, window_size, shape)
    if shifted:
        x = roll(x, shifts=shift_size, dims=(1, 2, 3))
    return x[:, :t, :h, :w, :].contiguous()


class ShiftedWindowAttention3d(WindowAttention):
    """`shifted_window_attention_3d` with weights and a bias for each distance."""

    dims = 3

    def get_relative_position_bias(self, window_size: list[int]) -> Tensor:
        """The biases of all pairs of places: (1, heads, places, places)."""
        return _get_relative_position_bias(
            self.relative_position_bias_table, self.relative_position_index, window_size
        )

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, T, H, W, C), attended to."""
        _, t, h, w, _ = x.shape
        window, shift = _get_window_and_shift_size(self.shift_size, [t, h, w], self.window_size)
        bias = self.get_relative_position_bias(window)
        return shifted_window_attention_3d(
            x,
            self.qkv.weight,
            self.proj.weight,
            bias,
            window,
            self.num_heads,
            shift_size=shift,
            attention_dropout=self.attention_dropout,
            dropout=self.dropout,
            qkv_bias=self.qkv.bias,
            proj_bias=self.proj.bias,
            training=self.training,
        )


class PatchEmbed3d(nn.Module):
    """Patches of a video as vectors."""

    def __init__(
        self,
        patch_size: list[int],
        in_channels: int = 3,
        embed_dim: int = 96,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.tuple_patch_size = (patch_size[0], patch_size[1], patch_size[2])
        self.proj = nn.Conv3d(
            in_channels,
            embed_dim,
            kernel_size=self.tuple_patch_size,
            stride=self.tuple_patch_size,
        )
        self.norm = norm_layer(embed_dim) if norm_layer is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, 3, T, H, W) as (N, T', H', W', embed_dim)."""
        _, _, t, h, w = x.size()
        pad = _compute_pad_size_3d((t, h, w), self.tuple_patch_size)
        x = F.pad(x, (0, pad[2], 0, pad[1], 0, pad[0]))
        return self.norm(self.proj(x).permute(0, 2, 3, 4, 1))


class SwinTransformer3d(nn.Module):
    """Stages of attention in windows of space and time."""

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
        num_classes: int = 400,
        norm_layer: Callable[..., nn.Module] | None = None,
        block: Callable[..., nn.Module] | None = None,
        downsample_layer: Callable[..., nn.Module] = PatchMerging,
        patch_embed: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        block = block or partial(SwinTransformerBlock, attn_layer=ShiftedWindowAttention3d)
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        self.patch_embed = (patch_embed or PatchEmbed3d)(
            patch_size=patch_size, embed_dim=embed_dim, norm_layer=norm_layer
        )
        self.pos_drop = nn.Dropout(p=dropout)

        make_block = partial(
            block,
            mlp_ratio=mlp_ratio,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm_layer=norm_layer,
        )
        stages, self.num_features = swin_stages(
            embed_dim, depths, num_heads, window_size, stochastic_depth_prob, make_block,
            lambda dim: downsample_layer(dim, norm_layer),
        )  # fmt: skip
        self.features = nn.Sequential(*stages)
        self.norm = norm_layer(self.num_features)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(self.num_features, num_classes)
        draw_linear_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of videos (N, 3, T, H, W)."""
        x = self.norm(self.features(self.pos_drop(self.patch_embed(x))))
        return self.head(flatten(self.avgpool(x.permute(0, 4, 1, 2, 3)), 1))


def _swin3d(embed_dim, depths, num_heads, rate, kwargs) -> SwinTransformer3d:
    return SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=embed_dim,
        depths=depths,
        num_heads=num_heads,
        window_size=[8, 7, 7],
        stochastic_depth_prob=kwargs.pop("stochastic_depth_prob", rate),
        **kwargs,
    )


Swin3D_T_Weights = weights_enum("Swin3D_T_Weights")
Swin3D_S_Weights = weights_enum("Swin3D_S_Weights")
Swin3D_B_Weights = weights_enum("Swin3D_B_Weights")


@model_builder(Swin3D_T_Weights, "KINETICS400_V1")
def swin3d_t(**kwargs: Any) -> SwinTransformer3d:
    """Video Swin Tiny."""
    return _swin3d(96, [2, 2, 6, 2], [3, 6, 12, 24], 0.1, kwargs)


@model_builder(Swin3D_S_Weights, "KINETICS400_V1")
def swin3d_s(**kwargs: Any) -> SwinTransformer3d:
    """Video Swin Small."""
    return _swin3d(96, [2, 2, 18, 2], [3, 6, 12, 24], 0.1, kwargs)


@model_builder(Swin3D_B_Weights, "KINETICS400_V1")
def swin3d_b(**kwargs: Any) -> SwinTransformer3d:
    """Video Swin Base."""
    return _swin3d(128, [2, 2, 18, 2], [4, 8, 16, 32], 0.1, kwargs)
