"""What runs the operators of `_aten_below`: the forms that calls have below the tape."""

from __future__ import annotations

import math
from collections.abc import Callable


def _torch():
    import rushlight

    return rushlight


def _softmax(name: str) -> Callable:
    def call(input, dim, half_to_float):
        torch = _torch()
        dtype = torch.float32 if half_to_float else None
        return getattr(torch, name)(input, dim, dtype=dtype)

    return call


def _softmax_gradient(g, output, dim, input_dtype):
    found = (g - (g * output).sum(dim, keepdim=True)) * output
    return found.to(input_dtype)


def _log_softmax_gradient(g, output, dim, input_dtype):
    return (g - output.exp() * g.sum(dim, keepdim=True)).to(input_dtype)


def _to_copy(input, dtype=None, layout=None, device=None, pin_memory=None, waits=False, form=None):
    named = {"dtype": dtype, "device": device, "memory_format": form}
    named = {k: v for k, v in named.items() if v is not None}
    return input.to(copy=True, non_blocking=waits, **named)


def _threshold_gradient(g, input, threshold):
    return _torch().where(input <= threshold, _torch().zeros_like(g), g)


def _gelu_gradient(g, x, approximate="none"):
    torch = _torch()
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        t = torch.tanh(inner)
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return g * (0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density)


def _nll_loss_forward(input, target, weight, reduction, ignore_index):
    """The loss, and the sum of the weights of what counts (of a mean or a sum)."""
    torch = _torch()
    kind = ("none", "mean", "sum")[reduction]
    loss = torch.nn.functional.nll_loss(
        input, target, weight, ignore_index=ignore_index, reduction=kind
    )
    if reduction == 0:
        return loss, torch.zeros((), dtype=input.dtype, device=input.device)
    counted = target[target != ignore_index]
    total = weight[counted].sum() if weight is not None else counted.numel() * torch.ones(())
    return loss, total.to(input.dtype)


def _attention(query, key, value, dropout_p=0.0, is_causal=False, attn_mask=None, scale=None):
    """Attention, and the logarithm of the sum of the exponentials of its scores."""
    torch = _torch()
    output = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale
    )
    scores = query @ key.transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    if attn_mask is not None:
        scores = scores + attn_mask
    return output, scores.logsumexp(-1)


def _pooled(spatial: int) -> Callable:
    def call(input, output_size):
        function = getattr(_torch().nn.functional, f"adaptive_avg_pool{spatial}d")
        return function(input, output_size)

    return call


ADAPTERS: dict[str, Callable] = {
    "zero": lambda x: _torch().zeros_like(x),
    "lift_fresh": lambda x: x,
    "_unsafe_view": lambda x, size: x.reshape(size),
    "_local_scalar_dense": lambda x: x.item(),
    "_to_copy": _to_copy,
    "_adaptive_avg_pool2d": _pooled(2),
    "_adaptive_avg_pool3d": _pooled(3),
    "_softmax": _softmax("softmax"),
    "_log_softmax": _softmax("log_softmax"),
    "_softmax_backward_data": _softmax_gradient,
    "_log_softmax_backward_data": _log_softmax_gradient,
    "sigmoid_backward": lambda g, output: g * ((1 - output) * output).conj(),
    "tanh_backward": lambda g, output: g * (1 - output * output).conj(),
    "threshold_backward": _threshold_gradient,
    "gelu_backward": _gelu_gradient,
    "nll_loss_forward": _nll_loss_forward,
    "nll_loss2d_forward": _nll_loss_forward,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
}
