"""Attention: tiles, masks, groups of heads, derivatives, and what the composition gives."""

from __future__ import annotations

import numpy as np
import pytest
from parity import oracle, pair, same

import rushlight as torch

BOUND = {"float64": 1e-11, "float32": 2e-5, "bfloat16": 3e-2, "float16": 4e-3}
# (batch, heads, queries, keys, depth): below, at and above the tiles' and panels' sizes.
SIZES = [
    (2, 3, 5, 7, 4),
    (1, 2, 130, 300, 16),
    (2, 2, 96, 256, 8),
    (1, 1, 1, 513, 8),
    (1, 2, 100, 290, 72),
]


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def run(m, q, k, v, **kwargs):
    return m.nn.functional.scaled_dot_product_attention(q, k, v, **kwargs)


def compare(arrays, dtype="float64", mask=None, **kwargs):
    results = []
    for i, m in ((0, oracle), (1, torch)):
        t = [pair(a, dtype, True)[i] for a in arrays]
        if mask is not None:
            kwargs["attn_mask"] = pair(mask, None if mask.dtype == bool else dtype)[i]
        out = run(m, *t, **kwargs)
        (out * out).sum().backward()
        results.append((out, *[x.grad for x in t]))
    for theirs, ours in zip(*results, strict=True):
        size = max(1.0, float(theirs.detach().abs().max()))
        same(theirs, ours, rtol=BOUND[dtype], atol=BOUND[dtype] * size)


def operands(b, h, queries, keys, depth):
    shapes = (b, h, queries, depth), (b, h, keys, depth), (b, h, keys, depth)
    return [normal(*s, seed=i) for i, s in enumerate(shapes)]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("causal", (False, True))
def test_tiles_agree(dtype, size, causal):
    compare(operands(*size), dtype, is_causal=causal)


@pytest.mark.parametrize("size", SIZES)
def test_masks_agree(size):
    b, h, queries, keys, _ = size
    keep = np.random.default_rng(3).random((queries, keys)) > 0.4
    keep[0] = False  # a row that sees nothing gives zeros
    compare(operands(*size), mask=keep)
    compare(operands(*size), mask=normal(b, 1, queries, keys))


def test_scale_other_value_depth_and_groups_of_heads():
    q, k, v = operands(2, 4, 6, 9, 8)
    compare([q, k, v], scale=0.3)
    compare([q, k, normal(2, 4, 9, 5)])
    compare([q, k[:, :2].copy(), v[:, :2].copy()], enable_gqa=True, is_causal=True)


def test_transposed_operands_are_read_in_place():
    t = [torch.from_numpy(a) for a in operands(2, 3, 20, 20, 8)]
    turned = [x.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for x in t]
    straight = [x.clone().requires_grad_() for x in t]
    for operand in (turned, straight):
        run(torch, *operand, is_causal=True).pow(2).sum().backward()
    for a, b in zip(turned, straight, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12, atol=1e-13)


def test_fused_agrees_with_its_composition():
    t = [torch.from_numpy(a) for a in operands(2, 3, 40, 50, 8)]
    three = [x[0] for x in t]  # three dims: composed
    fused = run(torch, *t)[0]
    np.testing.assert_allclose(run(torch, *three).numpy(), fused.numpy(), rtol=1e-11, atol=1e-13)


def test_second_derivative():
    t = [torch.from_numpy(a).requires_grad_() for a in operands(1, 2, 3, 4, 2)]
    f = lambda *x: run(torch, *x, is_causal=True)  # noqa: E731
    assert torch.autograd.gradcheck(f, t)
    assert torch.autograd.gradgradcheck(f, t)


def test_a_mask_that_requires_grad_gets_one():
    arrays = [*operands(1, 2, 3, 4, 2), normal(3, 4, seed=7)]
    grads = []
    for i, m in ((0, oracle), (1, torch)):
        q, k, v, mask = (pair(a, grad=True)[i] for a in arrays)
        run(m, q, k, v, attn_mask=mask).pow(2).sum().backward()
        grads.append(mask.grad)
    same(*grads, rtol=1e-10)


def test_huge_scores_stay_finite_and_nan_comes_through():
    q = torch.full((1, 1, 3, 4), 1e4)
    assert run(torch, q, q, q).isfinite().all()
    q[0, 0, 1, 2] = float("nan")
    one = torch.ones(1, 1, 3, 4)
    assert run(torch, q, one, one)[0, 0].isnan().all(1).tolist() == [False, True, False]


def test_dropout_keeps_the_expectation():
    torch.manual_seed(0)
    q, v = torch.zeros(1, 1, 1, 4), torch.ones(1, 1, 4000, 4)
    out = run(torch, q, torch.zeros(1, 1, 4000, 4), v, dropout_p=0.25)
    assert float(out.mean()) == pytest.approx(1, abs=0.05)
    assert 0 < float((out - 1).abs().max())


def test_the_node_is_pytorchs():
    q = torch.ones(1, 1, 3, 4, requires_grad=True)
    assert run(torch, q, q, q).grad_fn.name() == "ScaledDotProductFlashAttentionForCpuBackward0"


@pytest.mark.parametrize("f", (
    lambda m: run(m, m.ones(2, 3, 8, 4), m.ones(2, 3, 8, 4).double(), m.ones(2, 3, 8, 4)),
    lambda m: run(m, m.ones(8), m.ones(8), m.ones(8)),
    lambda m: run(m, m.ones(8, 4), m.ones(8, 4), m.ones(8, 4), attn_mask=m.ones(8, 8).int()),
))  # fmt: skip
def test_messages_are_pytorchs(f):
    words = []
    for m in (oracle, torch):
        with pytest.raises(RuntimeError) as caught:
            f(m)
        words.append(str(caught.value).splitlines()[0])
    assert words[0] == words[1]
