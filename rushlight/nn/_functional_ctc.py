"""Connectionist temporal classification, and cross entropy of a linear layer."""

from __future__ import annotations

import operator

import rushlight as torch
from rushlight import _C, Tensor

from ..ops.ctc import _ctc_loss
from ..ops.loss import chosen_reduction
from . import functional as F

__all__ = ["LinearCrossEntropyOptions", "ctc_loss", "linear_cross_entropy"]


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log-probability of all alignments of the targets (Graves et al. 2006).

    log_probs is (T, N, C) or (T, C); targets (N, S), or all in one row. As in PyTorch the gradient
    is that of log-probabilities that come out of log_softmax, and it has no derivative.
    """
    reduction = chosen_reduction(reduction)
    single = log_probs.dim() == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
    in_lengths = _lengths("input_lengths", input_lengths)
    out_lengths = _lengths("target_lengths", target_lengths)
    losses, _ = _ctc_loss(
        log_probs, targets, in_lengths, out_lengths, operator.index(blank), zero_infinity
    )
    if zero_infinity:
        losses = torch.where(losses == float("inf"), 0.0, losses)
    if reduction == "mean":
        if out_lengths and isinstance(out_lengths[0], Tensor):  # of lanes of vmap
            counts = torch.stack(out_lengths).clamp(min=1)
        else:
            counts = losses.new_tensor([max(n, 1) for n in out_lengths])
        return (losses / counts).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.squeeze(0) if single else losses


def _lengths(name, lengths):
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype is torch.bool:
            raise RuntimeError(f"{name} must be integral")
        lengths = lengths.reshape(-1)
        return lengths.tolist() if _C.level_of(lengths) is None else list(lengths.unbind(0))
    result = list(lengths)
    if any(isinstance(n, float) for n in result):
        raise TypeError(f"ctc_loss(): lengths must be integers: got {result}")
    return [int(n) for n in result]


class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` may split its work; the result is the same for all choices."""

    def __init__(
        self,
        allow_retain_graph: bool = False,
        batch_chunk_size: int | None = None,
        chunking_method: str | None = "auto",
        acc_policy: str = "auto",
        acc_dtype=None,
    ) -> None:
        if acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(
                "acc_policy must be one of 'accurate', 'balanced', 'compact', 'auto': got "
                f"{acc_policy!r}"
            )
        self.allow_retain_graph = allow_retain_graph
        self.batch_chunk_size = batch_chunk_size
        self.chunking_method = chunking_method
        self.acc_policy = acc_policy
        self.acc_dtype = acc_dtype

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"LinearCrossEntropyOptions({parts})"

    def __eq__(self, other):
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target)."""
    _check_linear(input, linear_weight, linear_bias, target, ignore_index)
    sizes = linear_weight.shape[:-1]
    bias = linear_bias
    if bias is not None and len(sizes) > 1:
        bias = bias.reshape(*bias.shape, *[1] * (len(sizes) - bias.dim())).expand(sizes)
        bias = bias.reshape(-1)
    logits = F.linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
    if len(sizes) > 1:
        logits = logits.reshape(*input.shape[:-1], *sizes)
    return F.cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )


def _check_linear(input, weight, bias, target, ignore_index):
    def refuse(text):
        raise RuntimeError(f"linear_cross_entropy: {text}")

    if input.dim() not in (1, 2):
        refuse(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if weight.dim() < 2:
        refuse(f"expected linear_weight with dimensionality at least 2, got {weight.dim()}")
    if input.shape[-1] != weight.shape[-1]:
        refuse(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    if ignore_index is not None and target.is_floating_point():
        refuse("ignore_index cannot be specified when target contains probabilities")
    if weight.dim() > 2 and input.dim() == 1:
        refuse(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires "
            f"batched input, (N, {input.shape[-1]}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )
    if bias is not None and bias.shape not in (weight.shape[:-1], weight.shape[:1]):
        refuse(f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}")
