"""Operators that only PyTorch's compiled transformer layers call, for archives that hold them.

Shapes: (batch, time, features); masks are True, or -inf, where nothing may look.
"""

from __future__ import annotations

from ..nn import functional as F
from ._registry import register


def _mask(mask, mask_type: int | None):
    """A mask as one over (batch, heads, targets, sources)."""
    if mask is None:
        return None
    if mask_type == 1:  # of keys
        return mask[:, None, None, :]
    return mask if mask.dim() == 4 else mask[None, None]


def native_multi_head_attention(
    query, key, value, embed_dim, num_head, qkv_weight, qkv_bias, proj_weight, proj_bias,
    mask=None, need_weights=True, average_attn_weights=True, mask_type=None,
):  # fmt: skip
    """(attention of all heads, projected; the weights, averaged over the heads if asked)."""
    batch, targets, _ = query.shape
    parts = zip((query, key, value), qkv_weight.chunk(3), qkv_bias.chunk(3), strict=True)
    q, k, v = [
        F.linear(x, w, b).view(batch, -1, num_head, embed_dim // num_head).transpose(1, 2)
        for x, w, b in parts
    ]
    scores = (q * (embed_dim // num_head) ** -0.5) @ k.transpose(-2, -1)
    hidden = _mask(mask, mask_type)
    if hidden is not None:
        is_bool = hidden.dtype._name == "bool"
        scores = scores.masked_fill(hidden, float("-inf")) if is_bool else scores + hidden
    weights = scores.softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(batch, targets, embed_dim)
    output = F.linear(mixed, proj_weight, proj_bias)
    if not need_weights:
        return output, query.new_empty(0)
    return output, weights.mean(1) if average_attn_weights else weights


def transformer_encoder_layer(
    src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, use_gelu, norm_first,
    eps, norm_weight_1, norm_bias_1, norm_weight_2, norm_bias_2, ffn_weight_1, ffn_bias_1,
    ffn_weight_2, ffn_bias_2, mask=None, mask_type=None,
):  # fmt: skip
    """One layer of an encoder without dropout."""

    def norm(x, weight, bias):
        return F.layer_norm(x, (embed_dim,), weight, bias, eps)

    def attention(x):
        return native_multi_head_attention(
            x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask,
            False, True, mask_type,
        )[0]  # fmt: skip

    def feed(x):
        hidden = F.linear(x, ffn_weight_1, ffn_bias_1)
        return F.linear(F.gelu(hidden) if use_gelu else F.relu(hidden), ffn_weight_2, ffn_bias_2)

    if norm_first:
        src = src + attention(norm(src, norm_weight_1, norm_bias_1))
        return src + feed(norm(src, norm_weight_2, norm_bias_2))
    src = norm(src + attention(src), norm_weight_1, norm_bias_1)
    return norm(src + feed(src), norm_weight_2, norm_bias_2)


def _stay_padded(t, mask) -> bool:
    """Whether padding may be cut away by nested tensors: programs then keep padded ones."""
    return False


def _with_padding(t, mask, mask_check=True):
    """A padded batch as it is: what is masked is hidden by the mask."""
    return t


def _padded(self, padding, output_size=None):
    """A batch that is padded already."""
    return self


_QKV = "Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias"
_SCHEMAS = {
    "aten::_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, "
    f"int num_head, {_QKV}, Tensor? mask=None, bool need_weights=True, "
    "bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)": (
        native_multi_head_attention
    ),
    f"aten::_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, {_QKV}, "
    "bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, "
    "Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, "
    "Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor": (
        transformer_encoder_layer
    ),
    "aten::_nested_tensor_from_mask_left_aligned(Tensor t, Tensor mask) -> bool": _stay_padded,
    "aten::_nested_tensor_from_mask(Tensor t, Tensor mask, bool mask_check=True) -> Tensor": (
        _with_padding
    ),
    "aten::to_padded_tensor(Tensor self, float padding, SymInt[]? output_size=None) -> Tensor": (
        _padded
    ),
}


def add() -> None:
    """Register the operators, once."""
    while _SCHEMAS:
        text, run = _SCHEMAS.popitem()
        register(text, run)
