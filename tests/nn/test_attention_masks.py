"""Attention with masks as objects, changed scores and packed sequences, without the oracle."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.autograd import gradcheck
from rushlight.nn import functional as F
from rushlight.nn.attention import SDPAParams, SDPBackend, can_use_flash_attention, sdpa_kernel
from rushlight.nn.attention.bias import causal_lower_right, causal_upper_left
from rushlight.nn.attention.flex_attention import (
    AuxRequest,
    BlockMask,
    create_block_mask,
    flex_attention,
)
from rushlight.nn.attention.varlen import AuxRequest as VarlenRequest
from rushlight.nn.attention.varlen import varlen_attn, varlen_attn_out


def causal(b, h, q, kv):
    return q >= kv


def draws(*shapes, seed=0):
    torch.manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def test_plain_flex_attention_is_attention():
    q, k, v = draws((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))
    torch.testing.assert_close(flex_attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_a_block_mask_and_a_score_function_hide_the_same():
    q, k, v = draws((2, 2, 9, 4), (2, 2, 9, 4), (2, 2, 9, 4))
    mask = create_block_mask(causal, None, None, 9, 9, BLOCK_SIZE=(4, 2))
    hidden = flex_attention(q, k, v, lambda s, b, h, i, j: torch.where(i >= j, s, -torch.inf))
    want = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(flex_attention(q, k, v, block_mask=mask), want)
    torch.testing.assert_close(hidden, want)


def test_blocks_hide_where_no_function_does():
    counts = torch.tensor([[[1, 1]]], dtype=torch.int32)
    order = torch.tensor([[[[0, 1], [1, 0]]]], dtype=torch.int32)
    mask = BlockMask.from_kv_blocks(counts, order, BLOCK_SIZE=2)
    q, k, v = draws((1, 1, 4, 3), (1, 1, 4, 3), (1, 1, 4, 3))
    allowed = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)).bool()
    want = F.scaled_dot_product_attention(q, k, v, allowed)
    torch.testing.assert_close(flex_attention(q, k, v, block_mask=mask), want)


def test_gradients_reach_inputs_and_what_the_score_function_holds():
    q, k, v, bias = draws((1, 2, 3, 2), (1, 2, 4, 2), (1, 2, 4, 2), (2, 3, 4))
    leaves = [t.requires_grad_() for t in (q, k, v, bias)]
    mask = create_block_mask(lambda b, h, i, j: i + 1 >= j, 1, 1, 3, 4, BLOCK_SIZE=2)

    def attend(q, k, v, bias):
        return flex_attention(q, k, v, lambda s, b, h, i, j: s + bias[h, i, j], mask)

    assert gradcheck(attend, leaves)


def test_queries_that_see_nothing_give_zero_and_no_nan_gradient():
    q, k, v = (t.requires_grad_() for t in draws((1, 1, 4, 2), (1, 1, 4, 2), (1, 1, 4, 2)))
    mask = create_block_mask(lambda b, h, i, j: i > 1, 1, 1, 4, 4, BLOCK_SIZE=2)
    output, aux = flex_attention(q, k, v, block_mask=mask, return_aux=AuxRequest(True, True))
    output.sum().backward()
    assert output[0, 0, :2].eq(0).all()
    assert aux.lse[0, 0, :2].eq(-torch.inf).all() and aux.lse[0, 0, 2:].isfinite().all()
    assert all(t.grad.isfinite().all() for t in (q, k, v))


def test_flex_attention_refuses_what_does_not_fit():
    q, k, v = draws((1, 2, 4, 2), (1, 1, 4, 2), (1, 1, 4, 2))
    with pytest.raises(ValueError, match="enable_gqa"):
        flex_attention(q, k, v)
    with pytest.raises(NotImplementedError, match="4D"):
        flex_attention(q[0], k[0], v[0])
    with pytest.raises(ValueError, match="same dtype"):
        flex_attention(q, k.float(), v, enable_gqa=True)
    with pytest.raises(ValueError, match="create a new block mask"):
        small = create_block_mask(causal, None, None, 2, 2, BLOCK_SIZE=2)
        flex_attention(q, k, v, block_mask=small, enable_gqa=True)
    with pytest.raises(ValueError, match="head dimension"):
        many = create_block_mask(causal, 1, 3, 4, 4, BLOCK_SIZE=2)
        flex_attention(q, k, v, block_mask=many, enable_gqa=True)


def test_masks_as_objects_are_the_masks_that_they_show():
    q, k, v = draws((2, 3, 4), (2, 5, 4), (2, 5, 4))
    for bias in (causal_upper_left(3, 5), causal_lower_right(3, 5)):
        want = F.scaled_dot_product_attention(q, k, v, bias._materialize())
        torch.testing.assert_close(F.scaled_dot_product_attention(q, k, v, bias), want)


def test_a_mask_and_is_causal_exclude_each_other():
    (q,) = draws((1, 3, 2))
    with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set"):
        F.scaled_dot_product_attention(q, q, q, torch.ones(3, 3).bool(), is_causal=True)


LENGTHS_Q, LENGTHS_K = (3, 1, 4), (2, 5, 4)


def packed():
    q, k, v = draws((8, 4, 6), (11, 2, 6), (11, 2, 6))
    starts = [
        torch.tensor([0, *torch.tensor(n).cumsum(0).tolist()], dtype=torch.int32)
        for n in (LENGTHS_Q, LENGTHS_K)
    ]
    return q, k, v, *starts


def one_by_one(q, k, v, mask=None):
    """Each sequence by itself, heads in front."""
    parts = []
    for a, b, c in zip(q.split(LENGTHS_Q), k.split(LENGTHS_K), v.split(LENGTHS_K), strict=True):
        a, b, c = (t.transpose(0, 1)[None] for t in (a, b, c))
        own = None if mask is None else mask(a.shape[2], b.shape[2])
        out = F.scaled_dot_product_attention(a, b, c, own, enable_gqa=True)
        parts.append(out[0].transpose(0, 1))
    return torch.cat(parts)


def test_packed_sequences_attend_within_themselves():
    q, k, v, starts_q, starts_k = packed()
    got = varlen_attn(q, k, v, starts_q, starts_k, 4, 5, enable_gqa=True)
    torch.testing.assert_close(got, one_by_one(q, k, v))
    out = torch.empty_like(q)
    assert varlen_attn_out(out, q, k, v, starts_q, starts_k, 4, 5, enable_gqa=True) is out
    torch.testing.assert_close(out, got)


def test_windows_are_counted_from_the_end_of_a_sequence():
    q, k, v, starts_q, starts_k = packed()

    def window(length, source):
        i = torch.arange(length)[:, None] + source - length
        j = torch.arange(source)
        return (j >= i - 2) & (j <= i)

    got, lse = varlen_attn(
        q, k, v, starts_q, starts_k, 4, 5, window_size=(2, 0), enable_gqa=True,
        return_aux=VarlenRequest(lse=True),
    )  # fmt: skip
    want = one_by_one(q, k, v, window)
    seen = got.abs().sum((1, 2)) > 0
    assert seen.tolist() == [False] + [True] * 7  # the first query comes before the first key
    torch.testing.assert_close(got[seen], want[seen])
    assert lse.shape == (8, 4) and lse[0].eq(-torch.inf).all()


def test_pages_hold_the_keys_in_any_order():
    q, k, v, starts_q, _ = packed()
    k, v = k[:8], v[:8]
    pages = torch.tensor([[3, 0], [1, 2], [2, 1]], dtype=torch.int32)
    pool_k, pool_v = k.reshape(4, 2, 2, 6), v.reshape(4, 2, 2, 6)
    used = torch.tensor([3, 4, 1])
    got = varlen_attn(
        q, pool_k, pool_v, starts_q, None, 4, 4, enable_gqa=True, seqused_k=used,
        block_table=pages,
    )  # fmt: skip
    keys = [torch.cat([pool_k[p] for p in row])[:n] for row, n in zip(pages, used, strict=True)]
    values = [torch.cat([pool_v[p] for p in row])[:n] for row, n in zip(pages, used, strict=True)]
    parts = []
    for a, b, c in zip(q.split(LENGTHS_Q), keys, values, strict=True):
        a, b, c = (t.transpose(0, 1)[None] for t in (a, b, c))
        out = F.scaled_dot_product_attention(a, b, c, enable_gqa=True)
        parts.append(out[0].transpose(0, 1))
    torch.testing.assert_close(got, torch.cat(parts))
    with pytest.raises(ValueError, match="seqused_k"):
        varlen_attn(q, pool_k, pool_v, starts_q, None, 4, 4, enable_gqa=True, block_table=pages)


def test_heads_that_cannot_be_shared_are_refused():
    q, k, v, starts_q, starts_k = packed()
    with pytest.raises(ValueError, match="enable_gqa=True"):
        varlen_attn(q, k, v, starts_q, starts_k, 4, 5)
    with pytest.raises(ValueError, match="expected a multiple"):
        varlen_attn(q[:, :3], k, v, starts_q, starts_k, 4, 5, enable_gqa=True)


def test_kernels_for_gpus_do_not_take_host_tensors():
    (q,) = draws((1, 1, 2, 2))
    assert not can_use_flash_attention(SDPAParams(q, q, q, None, 0.0, False, False))
    with pytest.raises(AssertionError, match="got str"), sdpa_kernel("math"):
        raise ValueError("the block must not run")
    with sdpa_kernel(SDPBackend.MATH):
        assert F.scaled_dot_product_attention(q, q, q).shape == q.shape


def test_an_algorithm_that_runs_here_must_be_allowed():
    from rushlight.nn.attention import SDPBackend, sdpa_kernel

    q = torch.randn(1, 1, 4, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    for allowed in ([], [SDPBackend.EFFICIENT_ATTENTION], [SDPBackend.ERROR]):
        with sdpa_kernel(allowed), pytest.raises(RuntimeError, match="No viable backend"):
            attend(q, q, q)
    for allowed in (SDPBackend.MATH, [SDPBackend.FLASH_ATTENTION]):
        with sdpa_kernel(allowed):
            assert attend(q, q, q).shape == q.shape
    assert attend(q, q, q).shape == q.shape
