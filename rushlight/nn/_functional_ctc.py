"""Connectionist temporal classification, and cross entropy of a linear layer."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from . import functional as F
from ._functional_reduction import chosen

__all__ = ["LinearCrossEntropyOptions", "ctc_loss", "linear_cross_entropy"]

# Stands for log 0: finite, so that sums of it have gradients, and far below any log-probability.
_NEVER = -1e30


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
    is that of log-probabilities that come out of log_softmax.
    """
    reduction = chosen(reduction)
    single = log_probs.dim() == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
    times, batch, classes = log_probs.shape
    in_lengths = _lengths(input_lengths)
    out_lengths = _lengths(target_lengths)
    _check(log_probs, targets, in_lengths, out_lengths, blank)
    labels = _padded(targets, out_lengths, batch).to(log_probs.device)
    per_sample = _forward(log_probs, labels, in_lengths, out_lengths, blank)
    loss = _finish(per_sample, log_probs, in_lengths, zero_infinity)
    if reduction == "mean":
        counts = torch.tensor(out_lengths, dtype=loss.dtype, device=loss.device).clamp_min(1)
        return (loss / counts).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss


def _lengths(lengths):
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point():
            raise RuntimeError("input_lengths and target_lengths must be integral")
        return lengths.reshape(-1).tolist()
    result = list(lengths)
    if any(isinstance(n, float) for n in result):
        raise TypeError(f"ctc_loss(): lengths must be integers: got {result}")
    return [int(n) for n in result]


def _check(log_probs, targets, in_lengths, out_lengths, blank):
    times, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, lengths in (("input_lengths", in_lengths), ("target_lengths", out_lengths)):
        if len(lengths) != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    if any(n < 0 for n in in_lengths + out_lengths):
        raise RuntimeError("ctc_loss: lengths must not be negative")
    longest = max(in_lengths, default=0)
    if longest > times:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {times}, but got value {longest} "
            "(while checking arguments for ctc_loss_allocate_outputs)"
        )
    if targets.dim() == 1:
        if targets.shape[0] != sum(out_lengths):
            raise RuntimeError(
                f"Expected tensor to have size {sum(out_lengths)} at dimension 0, but got size "
                f"{targets.shape[0]} for argument #2 'targets' (while checking arguments for "
                "ctc_loss_allocate_outputs)"
            )
        return
    needed = max(out_lengths, default=0)
    if targets.dim() != 2 or targets.shape[0] != batch or targets.shape[1] < needed:
        raise RuntimeError(
            f"Expected tensor to have size at least {needed} at dimension 1, but got size "
            f"{targets.shape[-1]} for argument #2 'targets' (while checking arguments for "
            "ctc_loss_allocate_outputs)"
        )


def _padded(targets, lengths, batch):
    """(batch, longest) labels, short rows filled up with 0."""
    width = max(lengths, default=0)
    rows = torch.zeros((batch, width), dtype=torch.int64)
    start = 0
    for i, n in enumerate(lengths):
        if targets.dim() == 1:
            rows[i, :n] = targets[start : start + n].to(torch.int64)
            start += n
        else:
            rows[i, :n] = targets[i, :n].to(torch.int64)
    return rows


def _forward(log_probs, labels, in_lengths, out_lengths, blank):
    """The log-probability of the labels of every sample, by the forward recursion."""
    times, batch, _ = log_probs.shape
    states = 2 * labels.shape[1] + 1
    extended = torch.full((batch, states), blank, dtype=torch.int64, device=log_probs.device)
    extended[:, 1::2] = labels
    # A step may skip a blank between two labels that differ.
    skip = torch.zeros((batch, states), dtype=torch.bool, device=log_probs.device)
    if states > 2:
        skip[:, 2:] = (extended[:, 2:] != blank) & (extended[:, 2:] != extended[:, :-2])
    never = log_probs.new_full((batch, states + 2), _NEVER)
    places = torch.arange(states, device=log_probs.device)
    alpha = never[:, 2:]
    ends = torch.tensor(in_lengths, device=log_probs.device).unsqueeze(1)
    for t in range(times):
        emitted = log_probs[t].gather(1, extended).clamp_min(_NEVER)
        if t == 0:
            new = torch.where(places < 2, emitted, never[:, 2:])
        else:
            shifted = torch.cat((never[:, :2], alpha), 1)
            two_back = torch.where(skip, shifted[:, :-2], never[:, 2:])
            paths = torch.stack((alpha, shifted[:, 1:-1], two_back))
            new = (torch.logsumexp(paths, 0) + emitted).clamp_min(_NEVER)
        alpha = torch.where(ends > t, new, alpha)
    last = torch.tensor([2 * n for n in out_lengths], device=log_probs.device).unsqueeze(1)
    final = alpha.gather(1, torch.cat((last, (last - 1).clamp_min(0)), 1))
    # Without labels the only end is the blank; without time steps the only word is the empty one.
    no_label = torch.tensor([[False, n == 0] for n in out_lengths], device=log_probs.device)
    final = final.masked_fill(no_label, _NEVER)
    total = torch.logsumexp(final, 1)
    empty = torch.tensor([t == 0 and n == 0 for t, n in zip(in_lengths, out_lengths, strict=True)])
    return total.masked_fill(empty.to(log_probs.device), 0.0)


def _finish(total, log_probs, in_lengths, zero_infinity):
    """Minus the log-probability, with the gradient of a softmax that sums to one."""
    impossible = total < _NEVER / 2
    loss = -total
    if log_probs.requires_grad and torch.is_grad_enabled():
        steps = torch.arange(log_probs.shape[0], device=log_probs.device).unsqueeze(1)
        used = steps < torch.tensor(in_lengths, device=log_probs.device)
        mass = (log_probs.exp() * used.unsqueeze(2).to(log_probs.dtype)).sum((0, 2))
        loss = loss + (mass - mass.detach())
    return loss.masked_fill(impossible, 0.0 if zero_infinity else float("inf"))


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
