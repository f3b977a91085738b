"""What runs the operators of `_aten_below`: the forms that calls have below the tape."""

from __future__ import annotations

from collections.abc import Callable

from .. import float32, zeros_like
from ..nn import functional as F  # noqa: N812 (the name that everybody gives it)
from ..op import operators
from ._adapters import _nll_loss


def _widening(function: Callable) -> Callable:
    def call(input, dim, half_to_float):
        return function(input, dim, dtype=float32 if half_to_float else None)

    return call


def _narrowing(gradient: Callable) -> Callable:
    return lambda g, output, dim, input_dtype: gradient(g, output, dim).to(input_dtype)


def _to_copy(input, dtype=None, layout=None, device=None, pin_memory=None, waits=False, form=None):
    named = {"dtype": dtype, "device": device, "memory_format": form}
    named = {k: v for k, v in named.items() if v is not None}
    return input.to(copy=True, non_blocking=waits, **named)


def _gelu_gradient(g, input, approximate="none"):
    kind = "gelu_tanh_backward" if approximate == "tanh" else "gelu_backward"
    return operators[kind](g, input)


def _nll_loss_forward(input, target, weight, reduction, ignore_index):
    """The loss, and the sum of the weights of what counts (of a mean or a sum)."""
    loss = _nll_loss(input, target, weight, reduction, ignore_index)
    if not reduction:
        return loss, input.new_zeros(())
    counted = target != ignore_index
    if weight is not None:
        counted = weight[target.masked_fill(~counted, 0)] * counted
    return loss, counted.sum().to(input.dtype)


def _attention(query, key, value, dropout_p=0.0, is_causal=False, attn_mask=None, scale=None):
    """Attention, and the logarithm of the sum of the exponentials of its scores."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return operators["sdpa_flash"](query, key, value, attn_mask, is_causal, scale)


ADAPTERS: dict[str, Callable] = {
    "zero": zeros_like,
    "lift_fresh": lambda x: x,
    "_unsafe_view": lambda x, size: x.reshape(size),
    "_local_scalar_dense": lambda x: x.item(),
    "_to_copy": _to_copy,
    "_adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "_adaptive_avg_pool3d": F.adaptive_avg_pool3d,
    "_softmax": _widening(F.softmax),
    "_log_softmax": _widening(F.log_softmax),
    "_softmax_backward_data": _narrowing(operators["softmax_backward"]),
    "_log_softmax_backward_data": _narrowing(operators["log_softmax_backward"]),
    "sigmoid_backward": operators["sigmoid_backward"],
    "tanh_backward": operators["tanh_backward"],
    "threshold_backward": operators["threshold_backward"],
    "gelu_backward": _gelu_gradient,
    "nll_loss_forward": _nll_loss_forward,
    "nll_loss2d_forward": _nll_loss_forward,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
}
