"""Attention within sequences of different lengths that lie one behind the other."""

from __future__ import annotations

from typing import NamedTuple

import rushlight as torch
from rushlight import Tensor

__all__ = ["AuxRequest", "varlen_attn", "varlen_attn_out"]


class AuxRequest(NamedTuple):
    """What varlen_attn returns beside the output."""

    lse: bool = False


def varlen_attn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Tensor | None = None,
    block_table: Tensor | None = None,
    num_splits: int | None = None,
):
    """Attention (Tq, Hq, D) of query (Tq, Hq, D) over key and value (Tk, Hkv, D), by sequence.

    cu_seq_q and cu_seq_k (N + 1,) say where the sequences begin. window_size: how many keys a
    query sees to its left and right, counted from the end of the sequence; -1 is no limit.
    seqused_k: only so many keys of each sequence count. block_table (N, pages): key and value
    are (pages, page, Hkv, D), and a row names the pages of a sequence. The log-sum-exp of the
    scores, if asked for, is (Tq, Hq).
    """
    _check(query, key, enable_gqa, seqused_k, block_table)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    starts_q = cu_seq_q.tolist()
    starts_k = starts_q if cu_seq_k is None else cu_seq_k.tolist()
    used = None if seqused_k is None else seqused_k.tolist()
    outputs, sums = [query[:0]], [query[:0, :, 0]]
    for i, (first, last) in enumerate(zip(starts_q, starts_q[1:], strict=False)):
        if block_table is not None:
            pages = block_table[i].to(torch.int64)
            k, v = key[pages].flatten(0, 1), value[pages].flatten(0, 1)
        else:
            k, v = (x[starts_k[i] : starts_k[i + 1]] for x in (key, value))
        if used is not None:
            k, v = k[: used[i]], v[: used[i]]
        output, lse = _one(query[first:last], k, v, scale, window_size)
        outputs.append(output)
        sums.append(lse)
    output = torch.cat(outputs)
    if return_aux is not None and return_aux.lse:
        return output, torch.cat([part.to(torch.float32) for part in sums])
    return output


def _check(query, key, enable_gqa, seqused_k, block_table):
    heads, own = query.shape[1], key.shape[-2]
    if heads != own and not enable_gqa:
        raise ValueError(
            f"varlen_attn: query and key have different numbers of heads: got {heads} and {own}, "
            "expected the same (or enable_gqa=True)"
        )
    if own == 0 or heads % own:
        raise ValueError(
            f"varlen_attn: heads cannot be shared: got {heads} for the query and {own} for the "
            "key, expected a multiple"
        )
    if block_table is not None and seqused_k is None:
        raise ValueError("varlen_attn: seqused_k is required when block_table is given")


def _one(query, key, value, scale, window):
    """(output, log-sum-exp) of one sequence."""
    precise = torch.float64 if query.dtype == torch.float64 else torch.float32
    groups = query.shape[1] // key.shape[1]
    q = query.transpose(0, 1).to(precise)
    k = key.transpose(0, 1).to(precise).repeat_interleave(groups, dim=0)
    v = value.transpose(0, 1).to(precise).repeat_interleave(groups, dim=0)
    scores = q @ k.transpose(1, 2) * scale
    shift = k.shape[1] - q.shape[1]
    distance = torch.arange(k.shape[1], device=q.device) - shift
    distance = distance - torch.arange(q.shape[1], device=q.device).unsqueeze(1)
    left, right = window
    hidden = torch.zeros_like(distance, dtype=torch.bool)
    if left >= 0:
        hidden = hidden | (distance < -left)
    if right >= 0:
        hidden = hidden | (distance > right)
    blind = hidden.all(-1, keepdim=True)
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = torch.softmax(scores.masked_fill(blind, 0.0), -1).masked_fill(blind, 0.0)
    lse = torch.logsumexp(scores, -1).transpose(0, 1)
    return (weights @ v).transpose(0, 1).to(query.dtype), lse


def varlen_attn_out(
    out: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Tensor | None = None,
    block_table: Tensor | None = None,
    num_splits: int | None = None,
):
    """`varlen_attn` into a given tensor."""
    result = varlen_attn(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k,
        return_aux=return_aux, scale=scale, window_size=window_size, enable_gqa=enable_gqa,
        seqused_k=seqused_k, block_table=block_table, num_splits=num_splits,
    )  # fmt: skip
    if isinstance(result, tuple):
        return out.copy_(result[0]), result[1]
    return out.copy_(result)
