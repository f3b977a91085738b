"""MViT: multiscale vision transformers (Fan et al. 2021), second version (Li et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .... import Tensor, arange, cat, einsum, matmul, nn, repeat_interleave, tensor_split, zeros
from ...._stays_call import stays_call
from ....nn import functional as F
from ...ops import MLP, StochasticDepth
from .._api import model_builder, weights_enum

__all__ = ["MViT", "MViT_V1_B_Weights", "mvit_v1_b", "MViT_V2_S_Weights", "mvit_v2_s"]


class MSBlockConfig:
    """One block: its heads and channels, the kernels and strides of its queries, keys, values."""

    def __init__(
        self,
        num_heads: int,
        input_channels: int,
        output_channels: int,
        kernel_q: list[int],
        kernel_kv: list[int],
        stride_q: list[int],
        stride_kv: list[int],
    ) -> None:
        self.num_heads = num_heads
        self.input_channels = input_channels
        self.output_channels = output_channels
        self.kernel_q = kernel_q
        self.kernel_kv = kernel_kv
        self.stride_q = stride_q
        self.stride_kv = stride_kv

    def __repr__(self) -> str:
        text = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"{self.__class__.__name__}({text})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Pool(nn.Module):
    """Pools the places of a sequence and leaves the class token before them alone."""

    def __init__(
        self,
        pool: nn.Module,
        norm: nn.Module | None,
        activation: nn.Module | None = None,
        norm_before_pool: bool = False,
    ) -> None:
        super().__init__()
        self.pool = pool
        layers = [layer for layer in (norm, activation) if layer is not None]
        self.norm_act = nn.Sequential(*layers) if layers else None
        self.norm_before_pool = norm_before_pool

    def forward(self, x: Tensor, thw: tuple[int, int, int]) -> tuple[Tensor, tuple[int, int, int]]:
        """`x` (N, heads, 1 + places, C) or without heads; also the new sizes."""
        x, dims = _unsqueeze(x, 4, 1)
        token, x = tensor_split(x, indices=(1,), dim=2)
        x = x.transpose(2, 3)
        n, heads, channels, _ = x.shape
        t, h, w = thw
        x = x.reshape((n * heads, channels, t, h, w)).contiguous()
        if self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        x = self.pool(x)
        t, h, w = x.shape[2], x.shape[3], x.shape[4]
        x = cat((token, x.reshape(n, heads, channels, -1).transpose(2, 3)), dim=2)
        if not self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        return _squeeze(x, 4, 1, dims), (t, h, w)


@stays_call
def _unsqueeze(x: Tensor, target_dim: int, expand_dim: int) -> tuple[Tensor, int]:
    """`x` with `target_dim` dims, and how many it had."""
    dims = x.dim()
    return (x.unsqueeze(expand_dim) if dims == target_dim - 1 else x), dims


@stays_call
def _squeeze(x: Tensor, target_dim: int, expand_dim: int, tensor_dim: int) -> Tensor:
    """Undo `_unsqueeze`."""
    return x.squeeze(expand_dim) if tensor_dim == target_dim - 1 else x


def _interpolate(embedding: Tensor, d: int) -> Tensor:
    if embedding.shape[0] == d:
        return embedding
    stretched = F.interpolate(embedding.permute(1, 0).unsqueeze(0), size=d, mode="linear")
    return stretched.squeeze(0).permute(1, 0)


def _distances(table: Tensor, q: int, k: int) -> Tensor:
    """The table's rows for the distances of q places from k on the same axis: (q, k, C)."""
    table = _interpolate(table, 2 * max(q, k) - 1)
    rows, columns = arange(q)[:, None], arange(k)[None, :]
    gap = rows * max(k / q, 1.0) - (columns + (1.0 - k)) * max(q / k, 1.0)
    return table[gap.long()]


@stays_call
def _add_rel_pos(
    attn: Tensor,
    q: Tensor,
    q_thw: tuple[int, int, int],
    k_thw: tuple[int, int, int],
    rel_pos_h: Tensor,
    rel_pos_w: Tensor,
    rel_pos_t: Tensor,
) -> Tensor:
    """Attention plus the products of queries with embeddings of distances on each axis."""
    t, h, w = q_thw
    n, heads, _, dim = q.shape
    places = q[:, :, 1:].reshape(n, heads, t, h, w, dim)
    by_h = einsum("bythwc,hkc->bythwk", places, _distances(rel_pos_h, h, k_thw[1]))
    by_w = einsum("bythwc,wkc->bythwk", places, _distances(rel_pos_w, w, k_thw[2]))
    by_t = einsum("bythwc,tkc->bythwk", places, _distances(rel_pos_t, t, k_thw[0]))
    rel = by_h[:, :, :, :, :, None, :, None] + by_w[:, :, :, :, :, None, None, :]
    rel = rel + by_t[:, :, :, :, :, :, None, None]
    attn[:, :, 1:, 1:] += rel.reshape(n, heads, t * h * w, -1)
    return attn


@stays_call
def _add_shortcut(x: Tensor, shortcut: Tensor, residual_with_cls_embed: bool):
    if residual_with_cls_embed:
        x.add_(shortcut)
    else:
        x[:, :, 1:, :] += shortcut[:, :, 1:, :]
    return x


class MultiscaleAttention(nn.Module):
    """Attention whose queries, keys and values are pooled first."""

    def __init__(
        self,
        input_size: list[int],
        embed_dim: int,
        output_dim: int,
        num_heads: int,
        kernel_q: list[int],
        kernel_kv: list[int],
        stride_q: list[int],
        stride_kv: list[int],
        residual_pool: bool,
        residual_with_cls_embed: bool,
        rel_pos_embed: bool,
        dropout: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.output_dim = output_dim
        self.num_heads = num_heads
        self.head_dim = output_dim // num_heads
        self.scaler = 1.0 / math.sqrt(self.head_dim)
        self.residual_pool = residual_pool
        self.residual_with_cls_embed = residual_with_cls_embed
        self.qkv = nn.Linear(embed_dim, 3 * output_dim)
        layers: list[nn.Module] = [nn.Linear(output_dim, output_dim)]
        if dropout > 0.0:
            layers.append(nn.Dropout(dropout, inplace=True))
        self.project = nn.Sequential(*layers)
        self.pool_q = self._pool(kernel_q, stride_q, norm_layer)
        self.pool_k = self._pool(kernel_kv, stride_kv, norm_layer)
        self.pool_v = self._pool(kernel_kv, stride_kv, norm_layer)
        self.rel_pos_h = self.rel_pos_w = self.rel_pos_t = None
        if rel_pos_embed:
            size = max(input_size[1:])
            q_size = size // stride_q[1] if stride_q else size
            kv_size = size // stride_kv[1] if stride_kv else size
            spatial, temporal = 2 * max(q_size, kv_size) - 1, 2 * input_size[0] - 1
            self.rel_pos_h = nn.Parameter(zeros(spatial, self.head_dim))
            self.rel_pos_w = nn.Parameter(zeros(spatial, self.head_dim))
            self.rel_pos_t = nn.Parameter(zeros(temporal, self.head_dim))
            for table in (self.rel_pos_h, self.rel_pos_w, self.rel_pos_t):
                nn.init.trunc_normal_(table, std=0.02)

    def _pool(self, kernel: list[int], stride: list[int], norm_layer) -> nn.Module | None:
        if math.prod(kernel) <= 1 and math.prod(stride) <= 1:
            return None
        conv = nn.Conv3d(
            self.head_dim,
            self.head_dim,
            kernel,
            stride=stride,
            padding=[k // 2 for k in kernel],
            groups=self.head_dim,
            bias=False,
        )
        return Pool(conv, norm_layer(self.head_dim))

    def forward(self, x: Tensor, thw: tuple[int, int, int]) -> tuple[Tensor, tuple[int, int, int]]:
        """`x` (N, 1 + places, embed_dim), attended to; also the new sizes."""
        n, length, _ = x.shape
        qkv = self.qkv(x).reshape(n, length, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.transpose(1, 3).unbind(dim=2)
        k_thw = thw
        if self.pool_k is not None:
            k, k_thw = self.pool_k(k, thw)
        if self.pool_v is not None:
            v = self.pool_v(v, thw)[0]
        if self.pool_q is not None:
            q, thw = self.pool_q(q, thw)
        weights = matmul(self.scaler * q, k.transpose(2, 3))
        if self.rel_pos_h is not None:
            weights = _add_rel_pos(
                weights, q, thw, k_thw, self.rel_pos_h, self.rel_pos_w, self.rel_pos_t
            )
        x = matmul(weights.softmax(dim=-1), v)
        if self.residual_pool:
            _add_shortcut(x, q, self.residual_with_cls_embed)
        x = x.transpose(1, 2).reshape(n, -1, self.output_dim)
        return self.project(x), thw


class MultiscaleBlock(nn.Module):
    """Attention, then linear layers, beside shortcuts that are pooled and projected as needed."""

    def __init__(
        self,
        input_size: list[int],
        cnf: MSBlockConfig,
        residual_pool: bool,
        residual_with_cls_embed: bool,
        rel_pos_embed: bool,
        proj_after_attn: bool,
        dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        self.proj_after_attn = proj_after_attn
        self.pool_skip = None
        if math.prod(cnf.stride_q) > 1:
            kernel = [s + 1 if s > 1 else s for s in cnf.stride_q]
            pool = nn.MaxPool3d(kernel, stride=cnf.stride_q, padding=[k // 2 for k in kernel])
            self.pool_skip = Pool(pool, None)
        attn_dim = cnf.output_channels if proj_after_attn else cnf.input_channels
        self.norm1 = norm_layer(cnf.input_channels)
        self.norm2 = norm_layer(attn_dim)
        self.needs_transposal = isinstance(self.norm1, nn.BatchNorm1d)
        self.attn = MultiscaleAttention(
            input_size, cnf.input_channels, attn_dim, cnf.num_heads,
            kernel_q=cnf.kernel_q, kernel_kv=cnf.kernel_kv, stride_q=cnf.stride_q,
            stride_kv=cnf.stride_kv, rel_pos_embed=rel_pos_embed, residual_pool=residual_pool,
            residual_with_cls_embed=residual_with_cls_embed, dropout=dropout,
            norm_layer=norm_layer,
        )  # fmt: skip
        self.mlp = MLP(
            attn_dim,
            [4 * attn_dim, cnf.output_channels],
            activation_layer=nn.GELU,
            dropout=dropout,
            inplace=None,
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.project: nn.Module | None = None
        if cnf.input_channels != cnf.output_channels:
            self.project = nn.Linear(cnf.input_channels, cnf.output_channels)

    def forward(self, x: Tensor, thw: tuple[int, int, int]) -> tuple[Tensor, tuple[int, int, int]]:
        """`x` (N, 1 + places, C), transformed; also the new sizes."""
        turned = self.needs_transposal
        hidden = self.norm1(x.transpose(1, 2)).transpose(1, 2) if turned else self.norm1(x)
        attended, new_thw = self.attn(hidden, thw)
        if self.project is not None and self.proj_after_attn:
            x = self.project(hidden)
        skip = x if self.pool_skip is None else self.pool_skip(x, thw)[0]
        x = skip + self.stochastic_depth(attended)
        hidden = self.norm2(x.transpose(1, 2)).transpose(1, 2) if turned else self.norm2(x)
        if self.project is not None and not self.proj_after_attn:
            x = self.project(hidden)
        return x + self.stochastic_depth(self.mlp(hidden)), new_thw


class PositionalEncoding(nn.Module):
    """A class token before the places; without relative distances also vectors of places."""

    def __init__(
        self,
        embed_size: int,
        spatial_size: tuple[int, int],
        temporal_size: int,
        rel_pos_embed: bool,
    ) -> None:
        super().__init__()
        self.spatial_size = spatial_size
        self.temporal_size = temporal_size
        self.class_token = nn.Parameter(zeros(embed_size))
        self.spatial_pos = self.temporal_pos = self.class_pos = None
        if not rel_pos_embed:
            self.spatial_pos = nn.Parameter(zeros(spatial_size[0] * spatial_size[1], embed_size))
            self.temporal_pos = nn.Parameter(zeros(temporal_size, embed_size))
            self.class_pos = nn.Parameter(zeros(embed_size))

    def forward(self, x: Tensor) -> Tensor:
        """`x` (N, places, C) as (N, 1 + places, C)."""
        token = self.class_token.expand(x.size(0), -1).unsqueeze(1)
        x = cat((token, x), dim=1)
        space, time, first = self.spatial_pos, self.temporal_pos, self.class_pos
        if space is None or time is None or first is None:
            return x
        count, size = space.shape
        places = repeat_interleave(time, count, dim=0)
        places.add_(space.unsqueeze(0).expand(self.temporal_size, -1, -1).reshape(-1, size))
        x.add_(cat((first.unsqueeze(0), places), dim=0).unsqueeze(0))
        return x


class MViT(nn.Module):
    """Patches of a video as a sequence; later blocks have fewer places and more channels."""

    def __init__(
        self,
        spatial_size: tuple[int, int],
        temporal_size: int,
        block_setting: Sequence[MSBlockConfig],
        residual_pool: bool,
        residual_with_cls_embed: bool,
        rel_pos_embed: bool,
        proj_after_attn: bool,
        dropout: float = 0.5,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        num_classes: int = 400,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        patch_embed_kernel: tuple[int, int, int] = (3, 7, 7),
        patch_embed_stride: tuple[int, int, int] = (2, 4, 4),
        patch_embed_padding: tuple[int, int, int] = (1, 3, 3),
    ) -> None:
        super().__init__()
        total = len(block_setting)
        if total == 0:
            raise ValueError("The configuration parameter can't be empty.")
        block = block or MultiscaleBlock
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.conv_proj = nn.Conv3d(
            in_channels=3,
            out_channels=block_setting[0].input_channels,
            kernel_size=patch_embed_kernel,
            stride=patch_embed_stride,
            padding=patch_embed_padding,
        )
        size = [n // s for n, s in zip((temporal_size, *spatial_size), patch_embed_stride)]
        self.pos_encoding = PositionalEncoding(
            embed_size=block_setting[0].input_channels,
            spatial_size=(size[1], size[2]),
            temporal_size=size[0],
            rel_pos_embed=rel_pos_embed,
        )
        self.blocks = nn.ModuleList()
        for i, cnf in enumerate(block_setting):
            self.blocks.append(
                block(
                    input_size=size,
                    cnf=cnf,
                    residual_pool=residual_pool,
                    residual_with_cls_embed=residual_with_cls_embed,
                    rel_pos_embed=rel_pos_embed,
                    proj_after_attn=proj_after_attn,
                    dropout=attention_dropout,
                    stochastic_depth_prob=stochastic_depth_prob * i / (total - 1.0),
                    norm_layer=norm_layer,
                )
            )
            if cnf.stride_q:
                size = [n // s for n, s in zip(size, cnf.stride_q)]
        last = block_setting[-1].output_channels
        self.norm = norm_layer(last)
        self.head = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(last, num_classes))
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, PositionalEncoding):
                for weights in module.parameters():
                    nn.init.trunc_normal_(weights, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes) of videos (N, 3, T, H, W), or images."""
        x = _unsqueeze(x, 5, 2)[0]
        x = self.pos_encoding(self.conv_proj(x).flatten(2).transpose(1, 2))
        thw = (self.pos_encoding.temporal_size, *self.pos_encoding.spatial_size)
        for block in self.blocks:
            x, thw = block(x, thw)
        return self.head(self.norm(x)[:, 0])


# Of each block: channels, and the strides in space of keys and values; where the channels grow,
# queries halve the size.
_WIDTHS = [96] + [192] * 2 + [384] * 11 + [768] * 2
_STRIDES = [8] + [4] * 2 + [2] * 11 + [1] * 2


def _setting(version: int) -> list[MSBlockConfig]:
    found = []
    for i, (width, stride) in enumerate(zip(_WIDTHS, _STRIDES)):
        grows = i > 0 and width != _WIDTHS[i - 1]
        if version == 1:  # channels grow in the linear layers of the block before
            inner, outer = width, _WIDTHS[min(i + 1, len(_WIDTHS) - 1)]
        else:
            inner, outer = _WIDTHS[max(i - 1, 0)], width
        steps = [1, 2, 2] if grows else [1, 1, 1]
        pooled = version == 2 or grows
        found.append(
            MSBlockConfig(
                width // 96,
                inner,
                outer,
                [3, 3, 3] if pooled else [],
                [3, 3, 3],
                steps if pooled else [],
                [1, stride, stride],
            )
        )
    return found


def _mvit(version: int, kwargs: dict[str, Any]) -> MViT:
    second = version == 2
    own = {
        "spatial_size": kwargs.pop("spatial_size", (224, 224)),
        "temporal_size": kwargs.pop("temporal_size", 16),
        "residual_pool": second,
        "residual_with_cls_embed": False,
        "rel_pos_embed": second,
        "proj_after_attn": second,
        "stochastic_depth_prob": kwargs.pop("stochastic_depth_prob", 0.2),
    }
    return MViT(block_setting=_setting(version), **own, **kwargs)


def _size_of(weights: Any, kwargs: dict[str, Any]) -> None:
    from .._utils import _ovewrite_named_param

    _ovewrite_named_param(kwargs, "spatial_size", tuple(weights.meta["min_size"]))
    _ovewrite_named_param(kwargs, "temporal_size", weights.meta["min_temporal_size"])


MViT_V1_B_Weights = weights_enum("MViT_V1_B_Weights")
MViT_V2_S_Weights = weights_enum("MViT_V2_S_Weights")


@model_builder(MViT_V1_B_Weights, "KINETICS400_V1", checks=_size_of)
def mvit_v1_b(**kwargs: Any) -> MViT:
    """MViT v1 Base, for 16 frames of 224 by 224."""
    return _mvit(1, kwargs)


@model_builder(MViT_V2_S_Weights, "KINETICS400_V1", checks=_size_of)
def mvit_v2_s(**kwargs: Any) -> MViT:
    """MViT v2 Small, for 16 frames of 224 by 224."""
    return _mvit(2, kwargs)
