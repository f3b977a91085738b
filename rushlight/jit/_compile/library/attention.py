"""Attention with several heads."""

from __future__ import annotations

import math
import warnings

import rushlight as torch
from rushlight import Tensor

__all__ = ["_canonical_mask", "_none_or_dtype", "multi_head_attention_forward"]


def _none_or_dtype(input: Tensor | None) -> int | None:
    if input is None:
        return None
    return input.dtype


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: int | None,
    other_name: str,
    target_type: int,
    check_other: bool = True,
) -> Tensor | None:
    if mask is not None:
        given = mask.dtype
        is_float = torch.is_floating_point(mask)
        if given != torch.bool and not is_float:
            raise AssertionError(f"only bool and floating types of {mask_name} are supported")
        if check_other and other_type is not None:
            if given != other_type:
                warnings.warn(
                    f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same "
                    "type for both instead.",
                    stacklevel=2,
                )
        if not is_float:
            mask = torch.zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))
    return mask


def _float_mask(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask as what is added to the input."""
    if mask is None:
        return None
    if torch.is_floating_point(mask):
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, float("-inf"))


def _packed(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values by the thirds of one weight; what is one input is read once."""
    E = q.size(-1)  # noqa: N806 (the name in graphs)
    linear = torch.nn.functional.linear
    if k is v:
        if q is k:
            proj = linear(q, w, b)
            proj = proj.unflatten(-1, [3, E]).unsqueeze(0).transpose(0, -2).squeeze(-2)
            proj = proj.contiguous()
            return proj[0], proj[1], proj[2]
        w_q, w_kv = w.split([E, E * 2])
        b_q: Tensor | None = None
        b_kv: Tensor | None = None
        if b is not None:
            b_q, b_kv = b.split([E, E * 2])
        q_proj = linear(q, w_q, b_q)
        kv_proj = linear(k, w_kv, b_kv)
        kv_proj = kv_proj.unflatten(-1, [2, E]).unsqueeze(0).transpose(0, -2).squeeze(-2)
        kv_proj = kv_proj.contiguous()
        return q_proj, kv_proj[0], kv_proj[1]
    w_q, w_k, w_v = w.chunk(3)
    return _separate(q, k, v, w_q, w_k, w_v, b)


def _separate(
    q: Tensor, k: Tensor, v: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, b: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values by a weight each."""
    b_q: Tensor | None = None
    b_k: Tensor | None = None
    b_v: Tensor | None = None
    if b is not None:
        b_q, b_k, b_v = b.chunk(3)
    linear = torch.nn.functional.linear
    return linear(q, w_q, b_q), linear(k, w_k, b_k), linear(v, w_v, b_v)


def _padded(mask: Tensor | None) -> Tensor | None:
    if mask is None:
        return None
    return torch.nn.functional.pad(mask, [0, 1])


def _merged(
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    bsz: int,
    num_heads: int,
    src_len: int,
) -> Tensor | None:
    """Both masks in one, for every head."""
    if key_padding_mask is None:
        return attn_mask
    wide = key_padding_mask.view(bsz, 1, 1, src_len).expand(-1, num_heads, -1, -1)
    key_padding_mask = wide.reshape(bsz * num_heads, 1, src_len)
    if attn_mask is None:
        return key_padding_mask
    return attn_mask + key_padding_mask


def _inputs(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    use_separate_proj_weight: bool,
    q_proj_weight: Tensor | None,
    k_proj_weight: Tensor | None,
    v_proj_weight: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values."""
    if not use_separate_proj_weight:
        assert in_proj_weight is not None, "in_proj_weight is None"
        return _packed(query, key, value, in_proj_weight, in_proj_bias)
    assert q_proj_weight is not None, "q_proj_weight is None"
    assert k_proj_weight is not None, "k_proj_weight is None"
    assert v_proj_weight is not None, "v_proj_weight is None"
    return _separate(query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias)


def _shares(q: Tensor, k: Tensor, attn_mask: Tensor | None, dropout_p: float) -> Tensor:
    """What each query takes of each value."""
    q_scaled = q * math.sqrt(1.0 / float(q.size(-1)))
    if attn_mask is not None:
        input = torch.baddbmm(attn_mask, q_scaled, k.transpose(-2, -1))
    else:
        input = torch.bmm(q_scaled, k.transpose(-2, -1))
    shares = torch.nn.functional.softmax(input, dim=-1)
    if dropout_p > 0.0:
        shares = torch.nn.functional.dropout(shares, p=dropout_p)
    return shares


def _attended(
    q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None, size: list[int], dropout_p: float
) -> Tensor:
    """The same without the shares; `size` is that of queries: batch, heads, length, width."""
    bsz, num_heads, src_len = size[0], size[1], k.size(1)
    if attn_mask is not None:
        if attn_mask.size(0) == 1 and attn_mask.dim() == 3:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(bsz, num_heads, -1, src_len)
    q = q.view(size)
    k = k.view(bsz, num_heads, src_len, size[3])
    v = v.view(bsz, num_heads, src_len, size[3])
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, False)


def _checked_width(embed_dim: int, expected: int, num_heads: int) -> int:
    """The width of a head."""
    assert embed_dim == expected, (
        f"was expecting embedding dimension of {expected}, but got {embed_dim}"
    )
    if torch.jit.is_scripting():
        head_dim = embed_dim // num_heads
    else:
        head_dim = embed_dim.div(num_heads, rounding_mode="trunc")
    assert head_dim * num_heads == embed_dim, (
        f"embed_dim {embed_dim} not divisible by num_heads {num_heads}"
    )
    return head_dim


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    is_batched = query.dim() == 3
    if not is_batched:
        query = query.unsqueeze(1)
        key = key.unsqueeze(1)
        value = value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    tgt_len, bsz, embed_dim = query.size(0), query.size(1), query.size(2)
    assert key.size(0) == value.size(0), (
        f"key and value must be equally long: got {key.size(0)} and {value.size(0)}"
    )
    key_padding_mask = _float_mask(key_padding_mask, query)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    attn_mask = _float_mask(attn_mask, query)
    head_dim = _checked_width(embed_dim, embed_dim_to_check, num_heads)
    q, k, v = _inputs(
        query, key, value, in_proj_weight, in_proj_bias, use_separate_proj_weight, q_proj_weight,
        k_proj_weight, v_proj_weight,
    )  # fmt: skip
    if attn_mask is not None:
        if attn_mask.dim() == 2:
            attn_mask = attn_mask.unsqueeze(0)
    if bias_k is not None and bias_v is not None:
        k = torch.cat([k, bias_k.repeat(1, bsz, 1)])
        v = torch.cat([v, bias_v.repeat(1, bsz, 1)])
        attn_mask = _padded(attn_mask)
        key_padding_mask = _padded(key_padding_mask)
    q = q.view(tgt_len, bsz * num_heads, head_dim).transpose(0, 1)
    if static_k is None:
        k = k.view(k.size(0), bsz * num_heads, head_dim).transpose(0, 1)
    else:
        k = static_k
    if static_v is None:
        v = v.view(v.size(0), bsz * num_heads, head_dim).transpose(0, 1)
    else:
        v = static_v
    if add_zero_attn:
        size = [bsz * num_heads, 1, head_dim]
        k = torch.cat([k, torch.zeros(size, dtype=k.dtype, device=k.device)], dim=1)
        v = torch.cat([v, torch.zeros(size, dtype=v.dtype, device=v.device)], dim=1)
        attn_mask = _padded(attn_mask)
        key_padding_mask = _padded(key_padding_mask)
    src_len = k.size(1)
    attn_mask = _merged(attn_mask, key_padding_mask, bsz, num_heads, src_len)
    if not training:
        dropout_p = 0.0
    attn_output_weights: Tensor | None = None
    if need_weights:
        attn_output_weights = _shares(q, k, attn_mask, dropout_p)
        attn_output = torch.bmm(attn_output_weights, v)
        attn_output = attn_output.transpose(0, 1).reshape(tgt_len * bsz, embed_dim)
    else:
        attn_output = _attended(q, k, v, attn_mask, [bsz, num_heads, tgt_len, head_dim], dropout_p)
        attn_output = attn_output.permute(2, 0, 1, 3).reshape(bsz * tgt_len, embed_dim)
    attn_output = torch.nn.functional.linear(attn_output, out_proj_weight, out_proj_bias)
    attn_output = attn_output.view(tgt_len, bsz, attn_output.size(1))
    if not is_batched:
        attn_output = attn_output.squeeze(1)
    if attn_output_weights is not None:
        attn_output_weights = attn_output_weights.view(bsz, num_heads, tgt_len, src_len)
        if average_attn_weights:
            attn_output_weights = attn_output_weights.mean(dim=1)
        if not is_batched:
            attn_output_weights = attn_output_weights.squeeze(0)
    return attn_output, attn_output_weights
