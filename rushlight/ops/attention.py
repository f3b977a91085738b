"""Scaled dot-product attention: one fused operator, and its composition from others."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public


def _grouped(x, heads):
    """Key or value heads repeated to match the queries' (an array or a tensor)."""
    times = heads // x.shape[1]
    if times == 1:
        return x
    return np.repeat(x, times, 1)


def _scores(query, key, attn_mask, is_causal, scale):
    s = (query @ np.swapaxes(_grouped(key, query.shape[1]), -1, -2)) * scale
    if attn_mask is not None:
        s = np.where(attn_mask, s, -np.inf) if attn_mask.dtype == bool else s + attn_mask
    if is_causal:
        s = np.where(np.tri(s.shape[-2], s.shape[-1], dtype=bool), s, -np.inf)
    return s


@op("", outputs=("output", "logsumexp"), node="ScaledDotProductFlashAttentionForCpu",
    differentiable=("query", "key", "value"), grad_outputs=1)  # fmt: skip
class sdpa_flash:
    """softmax(scale query key^T + mask) value for (B, H, L, E) tensors, tile by tile.

    key and value may have fewer heads, each shared by a group of queries' heads; `logsumexp`
    (B, H, L) is what the gradient needs of the scores.
    """

    def forward(query, key, value, attn_mask, is_causal, scale):
        s = _scores(query, key, attn_mask, is_causal, scale)
        top = s.max(-1, keepdims=True)
        top = np.where(np.isneginf(top), 0, top)
        p = np.exp(s - top)
        total = p.sum(-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            lse = np.where(total == 0, np.inf, np.log(total) + top)[..., 0]
        p = p / np.where(total == 0, 1, total)
        out = p @ _grouped(value, query.shape[1])
        return out.astype(query.dtype), lse.astype(query.dtype)

    def backward(g, query, key, value, output, logsumexp, attn_mask, is_causal, scale, needs):
        g = g[0]
        if g is None:
            return None, None, None
        if _C.differentiates():
            return _composed_gradients(g, query, key, value, attn_mask, is_causal, scale)
        return sdpa_flash_backward(
            g, query, key, value, output, logsumexp, attn_mask, is_causal, scale
        )

    def samples(make):
        yield make(2, 3, 5, 4), make(2, 3, 7, 4), make(2, 3, 7, 4), None, False, 0.5
        yield make(2, 4, 130, 8), make(2, 2, 130, 8), make(2, 2, 130, 8), None, True, 0.3
        mask = make(1, 2, 5, 300, grad=False)
        yield make(1, 2, 5, 4), make(1, 2, 300, 4), make(1, 2, 300, 6), mask, False, 1


@op("", outputs="tuple")
class sdpa_flash_backward:
    """Gradients of attention for query, key and value, from the saved log-sum-exp."""

    def forward(grad, query, key, value, output, logsumexp, attn_mask, is_causal, scale):
        s = _scores(query, key, attn_mask, is_causal, scale)
        p = np.exp(s - logsumexp[..., None])
        heads, own = query.shape[1], key.shape[1]
        dp = grad @ np.swapaxes(_grouped(value, heads), -1, -2)
        ds = p * (dp - (grad * output).sum(-1, keepdims=True)) * scale

        def gathered(x):
            b, _, rows, cols = x.shape
            return x.reshape(b, own, heads // own, rows, cols).sum(2)

        return (
            (ds @ _grouped(key, heads)).astype(query.dtype),
            gathered(np.swapaxes(ds, -1, -2) @ query).astype(query.dtype),
            gathered(np.swapaxes(p, -1, -2) @ grad).astype(query.dtype),
        )

    def samples(make):
        dtype = make(1).dtype if make(1).dtype in _REAL else _C.float64
        g, q, k, v = (make(1, 2, 6, 4, grad=False, dtype=dtype) for _ in range(4))
        out, lse = sdpa_flash(q, k, v, None, False, 0.5)
        yield g, q, k, v, out, lse, None, False, 0.5


def _composed_gradients(g, query, key, value, attn_mask, is_causal, scale):
    """The gradients in tensor operators, so that they can be differentiated again."""
    heads, own = query.shape[1], key.shape[1]
    times = heads // own
    k = key.repeat_interleave(times, 1) if times > 1 else key
    v = value.repeat_interleave(times, 1) if times > 1 else value
    p = _probabilities(query, k, attn_mask, is_causal, scale)
    gp = g @ v.transpose(-1, -2)
    gs = p * (gp - (gp * p).sum(-1, keepdim=True)) * scale
    gk = gs.transpose(-1, -2) @ query
    gv = p.transpose(-1, -2) @ g
    if times > 1:
        gk = gk.unflatten(1, (own, times)).sum(2)
        gv = gv.unflatten(1, (own, times)).sum(2)
    return gs @ k, gk, gv


def _causal_mask(rows, cols, device=None):
    from .. import ones

    return ones(rows, cols, dtype=_C.bool, device=device).tril()


def _probabilities(query, key, attn_mask, is_causal, scale):
    """softmax of the masked scores; a row whose every key is masked is zero."""
    root = abs(scale) ** 0.5
    signed = -root if scale < 0 else root
    s = (query * signed) @ (key * root).transpose(-1, -2)
    if is_causal:
        above = _causal_mask(s.shape[-2], s.shape[-1]).logical_not()
        s = s.masked_fill(above, float("-inf"))
    if attn_mask is None:
        return s.softmax(-1)
    if attn_mask.dtype is _C.bool:
        s = s.masked_fill(attn_mask.logical_not(), float("-inf"))
    else:
        s = s + attn_mask
    if s.shape[-1] == 0:
        return s
    hidden = (s == float("-inf")).all(-1, keepdim=True)
    return s.masked_fill(hidden, 0.0).softmax(-1).masked_fill(hidden, 0.0)


def _check(query, key, value, attn_mask, dropout_p, is_causal):
    if not (query.dtype is key.dtype is value.dtype):
        q, k, v = (_short_name(t.dtype) for t in (query, key, value))
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{q} key.dtype: {k} and value.dtype: {v} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got "
            f"query.dim: {query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if attn_mask is not None:
        if is_causal:
            raise RuntimeError(
                "scaled_dot_product_attention: Explicit attn_mask should not be set when "
                "is_causal=True"
            )
        if attn_mask.dtype not in (_C.bool, query.dtype, _C.float32):
            raise RuntimeError(
                "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
                f"attn_mask.dtype: {_short_name(attn_mask.dtype)} and  query.dtype: "
                f"{_short_name(query.dtype)} instead."
            )
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")


def _short_name(dtype):
    name = str(dtype).split(".")[-1]
    return {
        "float32": "float", "float64": "double", "int32": "int", "int64": "long int",
        "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    }.get(name, name)  # fmt: skip


def _fits_fused(query, key, value, attn_mask, dropout_p):
    if dropout_p or query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        return False
    if query.dtype not in _REAL or 0 in (query.numel(), key.numel(), value.numel()):
        return False
    q, k, v = query.shape, key.shape, value.shape
    if q[3] != k[3] or k[:3] != v[:3] or q[0] != k[0]:
        return False
    # The fused operator has no gradient of its mask.
    return attn_mask is None or not (
        attn_mask.requires_grad or _C.is_live(attn_mask) or _C.transforms()
    )


_REAL = (_C.float32, _C.float64, _C.bfloat16, _C.float16)


_forbidden = False


def allow(enabled: bool) -> None:
    """Say whether an algorithm is left that runs on the CPU (torch.backends.cuda)."""
    global _forbidden
    _forbidden = not enabled


@public("F.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None,
    enable_gqa=False,
):  # fmt: skip
    """Weigh values (..., S, Ev) by softmax(query (..., L, E) key (..., S, E)^T scale + mask).

    attn_mask: bool (True takes part) or added to the scores, broadcast to (..., L, S).
    scale: 1 / sqrt(E) by default. enable_gqa: key and value have fewer heads, shared in groups.
    """
    _check(query, key, value, attn_mask, dropout_p, is_causal)
    if _forbidden:
        raise RuntimeError(
            "No viable backend for scaled_dot_product_attention was found. This is likely due to "
            "turning off both the math kernel and the fused kernels."
        )
    if scale is None:
        scale = query.shape[-1] ** -0.5 if query.shape[-1] else 1.0
    heads = query.shape[-3] if query.ndim > 2 else 1
    if enable_gqa and query.ndim > 2:
        own = key.shape[-3]
        if own == 0 or value.shape[-3] == 0 or heads % own or heads % value.shape[-3]:
            raise RuntimeError(
                "Number of heads in key and value must divide the number of heads in "
                f"query: got {own} and {value.shape[-3]} for {heads}"
            )
    same_heads = query.ndim > 2 and heads == key.shape[-3]
    if (enable_gqa or same_heads) and _fits_fused(query, key, value, attn_mask, dropout_p):
        if attn_mask is not None:
            attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
        return sdpa_flash(query, key, value, attn_mask, is_causal, scale)[0]
    if enable_gqa and query.ndim > 2:
        key = key.repeat_interleave(heads // key.shape[-3], -3)
        value = value.repeat_interleave(heads // value.shape[-3], -3)
    p = _probabilities(query, key, attn_mask, is_causal, scale)
    if dropout_p:
        from .. import dropout

        p = dropout(p, dropout_p, True)
    return p @ value
