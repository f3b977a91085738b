"""ViT: an image is worth 16x16 words (Dosovitskiy et al. 2020)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ... import Tensor, _assert, cat, empty, nn, zeros
from ...nn import functional as F
from ..ops.misc import MLP, Conv2dNormActivation
from ._api import model_builder, weights_enum

__all__ = [
    "VisionTransformer", "ViT_B_16_Weights", "ViT_B_32_Weights", "ViT_L_16_Weights",
    "ViT_L_32_Weights", "ViT_H_14_Weights", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32",
    "vit_h_14",
]  # fmt: skip

_norm = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of a stem (Xiao et al. 2021)."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


class MLPBlock(MLP):
    """The two linear layers of a block."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float):
        super().__init__(
            in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version", None)
        if version is None or version < 2:  # the layers were called linear_1 and linear_2
            for i, place in enumerate((0, 3)):
                for kind in ("weight", "bias"):
                    old = f"{prefix}linear_{i + 1}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{place}.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class EncoderBlock(nn.Module):
    """Attention, then linear layers, each after a normalisation and beside a shortcut."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _norm,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        """`input` (N, sequence, hidden_dim), transformed."""
        ranked = input.dim() == 3
        _assert(ranked, f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Places are added, then come the blocks and a normalisation."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Callable[..., nn.Module] = _norm,
    ):
        super().__init__()
        self.pos_embedding = nn.Parameter(empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        shared = hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        self.layers = nn.Sequential(
            OrderedDict(
                (f"encoder_layer_{i}", EncoderBlock(num_heads, *shared)) for i in range(num_layers)
            )
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        """`input` (N, sequence, hidden_dim), encoded."""
        ranked = input.dim() == 3
        _assert(ranked, f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}")
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Patches as a sequence, a class token before them, an encoder, a linear head."""

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Callable[..., nn.Module] = _norm,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ):
        super().__init__()
        if image_size % patch_size:
            raise AssertionError("Input shape indivisible by patch size!")
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is not None:
            self.conv_proj = _conv_stem(conv_stem_configs, hidden_dim)
        else:
            self.conv_proj = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        self.class_token = nn.Parameter(zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout,
            attention_dropout, norm_layer,
        )  # fmt: skip
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is None:
            heads["head"] = nn.Linear(hidden_dim, num_classes)
        else:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
            heads["head"] = nn.Linear(representation_size, num_classes)
        self.heads = nn.Sequential(heads)
        self._init_weights()

    def _init_weights(self) -> None:
        if isinstance(self.conv_proj, nn.Conv2d):
            size = self.conv_proj.kernel_size
            fan_in = self.conv_proj.in_channels * size[0] * size[1]
            nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / fan_in))
            if self.conv_proj.bias is not None:
                nn.init.zeros_(self.conv_proj.bias)
        else:
            last = self.conv_proj.conv_last
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
            if last.bias is not None:
                nn.init.zeros_(last.bias)
        if hasattr(self.heads, "pre_logits"):
            fan_in = self.heads.pre_logits.in_features
            nn.init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / fan_in))
            nn.init.zeros_(self.heads.pre_logits.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        """The patches of images (N, 3, H, W) as (N, patches, hidden_dim)."""
        n, _, height, width = x.shape
        size, patch = self.image_size, self.patch_size
        _assert(height == size, f"Wrong image height! Expected {size} but got {height}!")
        _assert(width == size, f"Wrong image width! Expected {size} but got {width}!")
        rows, columns = height // patch, width // patch
        return self.conv_proj(x).reshape(n, self.hidden_dim, rows * columns).permute(0, 2, 1)

    def forward(self, x: Tensor):
        """Logits (N, num_classes)."""
        x = self._process_input(x)
        n = x.shape[0]
        token = self.class_token.expand(n, -1, -1)
        x = self.encoder(cat([token, x], dim=1))
        return self.heads(x[:, 0])


def _conv_stem(configs: list[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    stem, channels = nn.Sequential(), 3
    for i, config in enumerate(configs):
        stem.add_module(
            f"conv_bn_relu_{i}",
            Conv2dNormActivation(
                in_channels=channels,
                out_channels=config.out_channels,
                kernel_size=config.kernel_size,
                stride=config.stride,
                norm_layer=config.norm_layer,
                activation_layer=config.activation_layer,
            ),
        )
        channels = config.out_channels
    stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, kernel_size=1))
    return stem


def _size_of(weights: Any, kwargs: dict[str, Any]) -> None:
    from ._utils import _ovewrite_named_param

    height, width = weights.meta["min_size"]
    if height != width:
        raise AssertionError(f"expected square images, got {height} by {width}")
    _ovewrite_named_param(kwargs, "image_size", height)


def _vit(patch: int, layers: int, heads: int, hidden: int, mlp: int, kwargs) -> VisionTransformer:
    size = kwargs.pop("image_size", 224)
    return VisionTransformer(size, patch, layers, heads, hidden, mlp, **kwargs)


ViT_B_16_Weights = weights_enum("ViT_B_16_Weights")
ViT_B_32_Weights = weights_enum("ViT_B_32_Weights")
ViT_L_16_Weights = weights_enum("ViT_L_16_Weights")
ViT_L_32_Weights = weights_enum("ViT_L_32_Weights")
ViT_H_14_Weights = weights_enum("ViT_H_14_Weights")


@model_builder(ViT_B_16_Weights, checks=_size_of)
def vit_b_16(**kwargs: Any) -> VisionTransformer:
    """ViT Base with patches of 16 by 16."""
    return _vit(16, 12, 12, 768, 3072, kwargs)


@model_builder(ViT_B_32_Weights, checks=_size_of)
def vit_b_32(**kwargs: Any) -> VisionTransformer:
    """ViT Base with patches of 32 by 32."""
    return _vit(32, 12, 12, 768, 3072, kwargs)


@model_builder(ViT_L_16_Weights, checks=_size_of)
def vit_l_16(**kwargs: Any) -> VisionTransformer:
    """ViT Large with patches of 16 by 16."""
    return _vit(16, 24, 16, 1024, 4096, kwargs)


@model_builder(ViT_L_32_Weights, checks=_size_of)
def vit_l_32(**kwargs: Any) -> VisionTransformer:
    """ViT Large with patches of 32 by 32."""
    return _vit(32, 24, 16, 1024, 4096, kwargs)


@model_builder(ViT_H_14_Weights, legacy=None, checks=_size_of)
def vit_h_14(**kwargs: Any) -> VisionTransformer:
    """ViT Huge with patches of 14 by 14."""
    return _vit(14, 32, 16, 1280, 5120, kwargs)


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: OrderedDict[str, Tensor],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> OrderedDict[str, Tensor]:
    """A ViT's state for images of another size: the places are interpolated.

    `reset_heads` leaves the head's parameters out.
    """
    places = model_state["encoder.pos_embedding"]
    n, length, hidden = places.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {places.shape}")
    wanted = (image_size // patch_size) ** 2 + 1
    if wanted == length:
        return model_state
    side, new_side = math.isqrt(length - 1), math.isqrt(wanted - 1)
    if side * side != length - 1:
        raise ValueError(
            f"seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d = "
            f"{side * side} and seq_length = {length - 1}"
        )
    image = places[:, 1:, :].permute(0, 2, 1).reshape(1, hidden, side, side)
    image = F.interpolate(image, size=new_side, mode=interpolation_mode, align_corners=True)
    image = image.reshape(1, hidden, wanted - 1).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = cat([places[:, :1, :], image], dim=1)
    if not reset_heads:
        return model_state
    return OrderedDict((k, v) for k, v in model_state.items() if not k.startswith("heads"))
