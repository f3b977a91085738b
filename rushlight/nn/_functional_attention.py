"""Multi-head attention from projections and masks (Vaswani et al. 2017)."""

from __future__ import annotations

import math
import warnings

import rushlight as torch
from rushlight import Tensor

from . import functional as F

__all__ = ["multi_head_attention_forward"]


def _none_or_dtype(input):
    """The dtype of a tensor, None of None."""
    if input is None:
        return None
    if isinstance(input, Tensor):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """A mask to add to scores: -inf where a bool mask is True."""
    if mask is None:
        return None
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type "
            "for both instead.",
            stacklevel=3,
        )
    if mask.is_floating_point():
        return mask
    zeros = torch.zeros(mask.shape, dtype=target_type, device=mask.device)
    return zeros.masked_fill(mask, float("-inf"))


def _check(condition, message):
    if not condition:
        raise AssertionError(message)


def _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Whether the inputs have a batch; the masks must go with them."""
    if query.dim() not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received "
            f"{query.dim()}-D query tensor"
        )
    batched = query.dim() == 3
    kind = "batched" if batched else "unbatched"
    dims = query.dim()
    _check(
        key.dim() == dims and value.dim() == dims,
        f"For {kind} ({dims}-D) `query`, expected `key` and `value` to be {dims}-D but found "
        f"{key.dim()}-D and {value.dim()}-D tensors respectively",
    )
    if key_padding_mask is not None:
        _check(
            key_padding_mask.dim() == dims - 1,
            f"For {kind} ({dims}-D) `query`, expected `key_padding_mask` to be `None` or "
            f"{dims - 1}-D but found {key_padding_mask.dim()}-D tensor instead",
        )
    if attn_mask is not None:
        _check(
            attn_mask.dim() in (2, 3),
            f"For {kind} ({dims}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D but "
            f"found {attn_mask.dim()}-D tensor instead",
        )
        if attn_mask.dim() == 3 and not batched:
            expected = (num_heads, query.shape[0], key.shape[0])
            _check(
                tuple(attn_mask.shape) == expected,
                f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}",
            )
    return batched


def _in_projection_packed(q, k, v, w, b=None):
    """Queries, keys and values from one weight (3 E, E); one product where inputs are equal."""
    size = q.size(-1)
    if k is v:
        if q is k:
            return F.linear(q, w, b).chunk(3, -1)
        w_q, w_kv = w.split([size, size * 2])
        b_q, b_kv = (None, None) if b is None else b.split([size, size * 2])
        return (F.linear(q, w_q, b_q), *F.linear(k, w_kv, b_kv).chunk(2, -1))
    biases = [None] * 3 if b is None else b.chunk(3)
    parts = zip((q, k, v), w.chunk(3), biases, strict=True)
    return tuple(F.linear(x, weight, bias) for x, weight, bias in parts)


def _attention_mask(attn_mask, lengths, num_heads, batch):
    """The attention mask as 3-d, its shape checked."""
    if attn_mask is None:
        return None
    if attn_mask.dim() == 2:
        if tuple(attn_mask.shape) != lengths:
            raise RuntimeError(
                f"The shape of the 2D attn_mask is {attn_mask.shape}, but should be {lengths}."
            )
        return attn_mask.unsqueeze(0)
    expected = (batch * num_heads, *lengths)
    if tuple(attn_mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the 3D attn_mask is {attn_mask.shape}, but should be {expected}."
        )
    return attn_mask


def _padded(mask):
    """A mask with one more key, which everyone may see."""
    return None if mask is None else F.pad(mask, (0, 1))


def _split_heads(x, heads, head_dim):
    """(L, N, E) to (N heads, L, head_dim)."""
    return x.reshape(x.shape[0], -1, head_dim).transpose(0, 1)


def _check_static(given, name, batch_heads, head_dim):
    """A key or value given ready made has the right sizes."""
    for dim, expected in ((0, batch_heads), (2, head_dim)) if given is not None else ():
        _check(
            given.size(dim) == expected,
            f"expecting {name}.size({dim}) of {expected}, but got {given.size(dim)}",
        )


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
    """Project (L, N, E) queries, keys and values, attend in every head, project back."""
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = _with_batch(query, key, value)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    batch, embed = query.shape[1:]
    head_dim = _head_size(embed, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    # The causal kernel does the same as a causal mask when no weights are asked for.
    causal = is_causal and key_padding_mask is None and not need_weights
    if causal:
        attn_mask = None
    attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
    lengths = (query.shape[0], key.shape[0])
    attn_mask = _attention_mask(attn_mask, lengths, num_heads, batch)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias, separate)
    masks = [attn_mask, key_padding_mask]
    if bias_k is not None and bias_v is not None:
        _check(static_k is None, "bias cannot be added to static key.")
        _check(static_v is None, "bias cannot be added to static value.")
        k = torch.cat([k, bias_k.repeat(1, batch, 1)])
        v = torch.cat([v, bias_v.repeat(1, batch, 1)])
        masks = [_padded(mask) for mask in masks]
    heads = batch * num_heads
    q = _split_heads(q, num_heads, head_dim)
    k = _split_heads(k, num_heads, head_dim) if static_k is None else static_k
    v = _split_heads(v, num_heads, head_dim) if static_v is None else static_v
    _check_static(static_k, "static_k", heads, head_dim)
    _check_static(static_v, "static_v", heads, head_dim)
    if add_zero_attn:
        zero = k.new_zeros((heads, 1, head_dim))
        k, v = torch.cat([k, zero], 1), torch.cat([v, zero], 1)
        masks = [_padded(mask) for mask in masks]
    mask = _merged_mask(*masks, batch, num_heads, k.size(1))
    attend = _attend_with_weights if need_weights else _attend
    dropout = dropout_p if training else 0.0
    output, weights = attend(q, k, v, mask, dropout, batch, num_heads, causal)
    output = F.linear(output, out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if batched:
        return output, weights
    return output.squeeze(1), None if weights is None else weights.squeeze(0)


def _head_size(embed, expected, num_heads):
    """The size of one head, checked."""
    _check(embed == expected, f"was expecting embedding dimension of {expected}, but got {embed}")
    _check(embed % num_heads == 0, f"embed_dim {embed} not divisible by num_heads {num_heads}")
    return embed // num_heads


def _projected(query, key, value, weight, bias, separate):
    """Queries, keys and values: by one weight for all, or by three `separate` ones."""
    if separate is None:
        _check(
            key.shape == value.shape,
            f"key shape {key.shape} does not match value shape {value.shape}",
        )
        return _in_projection_packed(query, key, value, weight, bias)
    for name, own in zip("qkv", separate, strict=True):
        _check(own is not None, f"use_separate_proj_weight is True but {name}_proj_weight is None")
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return _in_projection(query, key, value, *separate, *biases)


def _in_projection(q, k, v, w_q, w_k, w_v, b_q=None, b_k=None, b_v=None):
    """Queries, keys and values from a weight and a bias each."""
    _check(
        k.shape[:2] == v.shape[:2],
        f"key's sequence and batch dims {k.shape[:2]} do not match value's {v.shape[:2]}",
    )
    return F.linear(q, w_q, b_q), F.linear(k, w_k, b_k), F.linear(v, w_v, b_v)


def _with_batch(query, key, value):
    """Inputs with a batch of one; equal inputs stay one object."""
    new_query = query.unsqueeze(1)
    new_key = new_query if key is query else key.unsqueeze(1)
    new_value = new_key if value is key else value.unsqueeze(1)
    return new_query, new_key, new_value


def _merged_mask(attn_mask, key_padding_mask, batch, heads, source):
    """Both masks in one of shape (N heads or 1, L or 1, S)."""
    if key_padding_mask is None:
        return attn_mask
    _check(
        tuple(key_padding_mask.shape) == (batch, source),
        f"expecting key_padding_mask shape of {(batch, source)}, but got {key_padding_mask.shape}",
    )
    padding = key_padding_mask.reshape(batch, 1, 1, source)
    padding = padding.expand(-1, heads, -1, -1).reshape(batch * heads, 1, source)
    return padding if attn_mask is None else attn_mask + padding


def _attend_with_weights(q, k, v, mask, dropout, batch, heads, causal):
    """(output (L, N, E), weights (N, heads, L, S)); dropout acts on the weights."""
    scores = torch.bmm(q * math.sqrt(1.0 / q.shape[-1]), k.transpose(-2, -1))
    if mask is not None:
        scores = scores + mask
    weights = F.softmax(scores, -1)
    if dropout > 0.0:
        weights = F.dropout(weights, dropout)
    output = torch.bmm(weights, v).transpose(0, 1)
    length, source = q.shape[1], k.shape[1]
    output = output.reshape(length, batch, -1)
    return output, weights.reshape(batch, heads, length, source)


def _attend(q, k, v, mask, dropout, batch, heads, causal):
    """(output (L, N, E), None) by the fused operator."""
    length, head_dim = q.shape[1], q.shape[2]
    if mask is not None:
        if mask.size(0) == 1 and mask.dim() == 3:
            mask = mask.unsqueeze(0)
        else:
            mask = mask.reshape(batch, heads, -1, k.shape[1])
    parts = (x.reshape(batch, heads, -1, head_dim) for x in (q, k, v))
    output = F.scaled_dot_product_attention(*parts, mask, dropout, causal)
    return output.permute(2, 0, 1, 3).reshape(length, batch, heads * head_dim), None
