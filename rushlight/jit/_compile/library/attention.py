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
    """A mask as what is added to the scores."""
    if mask is None:
        return None
    if torch.is_floating_point(mask):
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, float("-inf"))


def _projected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    separate: bool,
    q_weight: Tensor | None,
    k_weight: Tensor | None,
    v_weight: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values from the inputs."""
    b_q: Tensor | None = None
    b_k: Tensor | None = None
    b_v: Tensor | None = None
    if bias is not None:
        parts = bias.chunk(3)
        b_q = parts[0]
        b_k = parts[1]
        b_v = parts[2]
    if separate:
        assert q_weight is not None and k_weight is not None and v_weight is not None
        w_q, w_k, w_v = q_weight, k_weight, v_weight
    else:
        assert weight is not None, "in_proj_weight is None"
        pieces = weight.chunk(3)
        w_q, w_k, w_v = pieces[0], pieces[1], pieces[2]
    linear = torch.nn.functional.linear
    return linear(query, w_q, b_q), linear(key, w_k, b_k), linear(value, w_v, b_v)


def _heads(x: Tensor, length: int, count: int, width: int) -> Tensor:
    return x.contiguous().view(length, count, width).transpose(0, 1)


def _with_extra(x: Tensor, extra: Tensor | None, batch: int) -> Tensor:
    if extra is None:
        return x
    return torch.cat([x, extra.repeat(1, batch, 1)])


def _padded(mask: Tensor | None) -> Tensor | None:
    if mask is None:
        return None
    return torch.nn.functional.pad(mask, [0, 1])


def _merged(
    attn_mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, length: int
) -> Tensor | None:
    """Both masks in one, for every head."""
    if padding is None:
        return attn_mask
    wide = padding.view(batch, 1, 1, length).expand(-1, heads, -1, -1)
    wide = wide.reshape(batch * heads, 1, length)
    if attn_mask is None:
        return wide
    return attn_mask + wide


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
    batched = query.dim() == 3
    if not batched:
        query = query.unsqueeze(1)
        key = key.unsqueeze(1)
        value = value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.size(0), query.size(1), query.size(2)
    assert width == embed_dim_to_check, (
        f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}"
    )
    head = width // num_heads
    assert head * num_heads == width, f"embed_dim {width} not divisible by num_heads {num_heads}"
    q, k, v = _projected(
        query, key, value, in_proj_weight, in_proj_bias, use_separate_proj_weight, q_proj_weight,
        k_proj_weight, v_proj_weight,
    )  # fmt: skip
    mask = _float_mask(attn_mask, query)
    padding = _float_mask(key_padding_mask, query)
    if is_causal and mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    if mask is not None:
        if mask.dim() == 2:
            mask = mask.unsqueeze(0)
    if bias_k is not None and bias_v is not None:
        k = _with_extra(k, bias_k, batch)
        v = _with_extra(v, bias_v, batch)
        mask = _padded(mask)
        padding = _padded(padding)
    q = _heads(q, length, batch * num_heads, head)
    k = _heads(k, k.size(0), batch * num_heads, head) if static_k is None else static_k
    v = _heads(v, v.size(0), batch * num_heads, head) if static_v is None else static_v
    if add_zero_attn:
        zeros = torch.zeros([batch * num_heads, 1, head], dtype=k.dtype, device=k.device)
        k = torch.cat([k, zeros], dim=1)
        v = torch.cat([v, zeros], dim=1)
        mask = _padded(mask)
        padding = _padded(padding)
    mask = _merged(mask, padding, batch, num_heads, k.size(1))
    p = dropout_p if training else 0.0
    weights: Tensor | None = None
    if need_weights:
        q = q * math.sqrt(1.0 / float(head))
        scores = torch.bmm(q, k.transpose(-2, -1))
        if mask is not None:
            scores = scores + mask
        shares = torch.softmax(scores, -1)
        if p > 0.0:
            shares = torch.nn.functional.dropout(shares, p)
        out = torch.bmm(shares, v)
        weights = shares.view(batch, num_heads, length, k.size(1))
        if average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            weights = weights.squeeze(0)
    else:
        wide: Tensor | None = None
        if mask is not None:
            if mask.size(0) == 1 and mask.dim() == 3:
                wide = mask.unsqueeze(0)
            else:
                wide = mask.view(batch, num_heads, -1, k.size(1))
        out = torch.nn.functional.scaled_dot_product_attention(
            q.view(batch, num_heads, length, head),
            k.view(batch, num_heads, k.size(1), head),
            v.view(batch, num_heads, v.size(1), head),
            wide, p, False,
        ).view(batch * num_heads, length, head)  # fmt: skip
    out = out.transpose(0, 1).contiguous().view(length * batch, width)
    out = torch.nn.functional.linear(out, out_proj_weight, out_proj_bias)
    out = out.view(length, batch, out.size(1))
    if not batched:
        out = out.squeeze(1)
    return out, weights
