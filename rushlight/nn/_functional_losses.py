"""Losses written from other operators."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import rushlight as torch
from rushlight import Tensor

from ..ops._lanes import some
from ..ops.loss import REDUCTIONS, chosen_reduction, legacy_reduction, reduce_loss
from ..ops.loss_elements import huber
from . import functional as F

__all__ = [
    "cosine_embedding_loss", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss",
    "kl_div", "margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _same_size(input, target):
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """0.5 d^2 / beta where d = |input - target| is below beta, else d - 0.5 beta."""
    _same_size(input, target)
    reduction = chosen_reduction(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduce_loss((input - target).abs(), reduction)
    loss = huber(input, target, beta)
    return reduce_loss(loss if beta == 1 else loss / beta, reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """0.5 d^2 where d = |input - target| is at most delta, else delta (d - 0.5 delta)."""
    _same_size(input, target)
    reduction = chosen_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is not None and weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    loss = huber(input, target, delta)
    return reduce_loss(loss if weight is None else loss * weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log target - input); "batchmean" divides by the batch size only."""
    if size_average is None and reduce is None:
        if reduction == "mean":
            warnings.warn(
                "reduction: 'mean' divides the total loss by both the batch size and the support "
                "size.'batchmean' divides only by the batch size, and aligns with the KL div "
                "math definition.'mean' will be changed to behave the same as 'batchmean' in the "
                "next major release.",
                stacklevel=2,
            )
        per_batch = reduction == "batchmean"
        reduction = "sum" if per_batch else chosen_reduction(reduction)
    else:
        per_batch, reduction = False, legacy_reduction(size_average, reduce)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = torch.xlogy(target, target) - target * input
    loss = reduce_loss(loss, reduction)
    return loss / input.size(0) if per_batch and input.dim() != 0 else loss


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target input; with `full` the Stirling term is added where target > 1."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    reduction = chosen_reduction(reduction)
    if log_input:
        loss = input.exp() - target * input
    else:
        loss = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduce_loss(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """0.5 (log var + (input - target)^2 / var), the variance at least eps."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * torch.ones_like(input)
    elif some(var < 0):
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not (
            input.dim() == var.dim()
            and sum(a != b for a, b in zip(input.size(), var.size(), strict=True)) == 1
            and any(a != b and b == 1 for a, b in zip(input.size(), var.size(), strict=True))
        ):
            raise ValueError("var is of incorrect size")
    if reduction not in REDUCTIONS:
        raise ValueError(reduction + " is not valid")
    var = var.clone()
    with torch.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (torch.log(var) + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduce_loss(loss, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input for target 1, max(0, margin - input) for target -1; other targets get both."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    zeros = torch.zeros_like(input)
    apart = torch.where(target != 1, (margin - input).clamp_min(0), zeros)
    return reduce_loss(apart + torch.where(target != -1, input, zeros), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos for target 1, max(0, cos - margin) for target -1."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    dims = target.dim()
    if dims > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != dims + 1 or input2.dim() != dims + 1:
        raise RuntimeError(
            f"{dims}D target tensor expects {dims + 1}D input tensors, but found inputs with "
            f"sizes {list(input1.size())} and {list(input2.size())}."
        )
    tiny = 1e-12
    product = (input1 * input2).sum(dims)
    squares = ((input1 * input1).sum(dims) + tiny) * ((input2 * input2).sum(dims) + tiny)
    cos = product / squares.sqrt()
    zeros = torch.zeros_like(cos)
    together = torch.where(target == 1, 1 - cos, zeros)
    apart = torch.where(target == -1, (cos - margin).clamp_min(0), zeros)
    return reduce_loss(together + apart, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target (input1 - input2) + margin)."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduce_loss((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target input))."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    return reduce_loss((-input * target).exp().log1p(), reduction)


def _scalar_name(tensor):
    """The name of a dtype as typed tensors spell it."""
    names = {"float32": "Float", "float64": "Double", "int32": "Int", "float16": "Half"}
    name = str(tensor.dtype).split(".")[-1]
    return names.get(name, name.capitalize())


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the classes of max(0, margin - input[target] + input[class])^p."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    single = input.dim() <= 1
    rows = input.reshape(1, -1) if single else input
    labels = target.reshape(-1)
    if input.dim() > 2 or rows.numel() == 0 and rows.shape[-1] == 0:
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.size())}"
        )
    if target.dim() > 1 or labels.shape[0] != rows.shape[0]:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of "
            f"input samples (batch size). Expected target size [{rows.shape[0]}], but got "
            f"{list(target.size())}. Input has shape {list(input.size())}."
        )
    classes = rows.shape[1]
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(
            f"multi_margin_loss: inconsistent weight size, expected {classes} but got "
            f"{list(weight.shape)}"
        )
    if target.dtype != torch.int64:
        raise RuntimeError(
            f"multi_margin_loss: expected scalar type Long but found {_scalar_name(target)}"
        )
    if labels.numel() and some((labels < 0) | (labels >= classes)):
        raise RuntimeError("target out of range")
    column = labels.unsqueeze(1)
    excess = margin - rows.gather(1, column) + rows
    excess = excess.masked_fill(~(excess > 0), 0)
    if p == 2:
        excess = excess * excess
    if weight is not None:
        excess = excess * weight[labels].unsqueeze(1)
    others = torch.ones_like(rows).scatter(1, column, 0.0)
    loss = (excess * others).sum(1) / classes
    return reduce_loss(loss.squeeze(0) if single and target.dim() == 0 else loss, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge between each label before the first -1 of a row and each class that is none."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if input.dim() > 2 or input.shape[-1:] == (0,):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.size())}"
        )
    if target.size() != input.size():
        raise RuntimeError(
            f"inconsistent target size: {list(target.size())} for input of size: "
            f"{list(input.size())}"
        )
    single = input.dim() <= 1
    rows = input.reshape(1, -1) if single else input
    labels = target.reshape(rows.shape)
    classes = rows.shape[1]
    if labels.numel() and some((labels < -1) | (labels >= classes)):
        raise RuntimeError("multilabel_margin_loss: target out of range")
    given = (labels >= 0).to(torch.int64).cumprod(1).to(torch.bool)
    places = torch.where(given, labels, torch.zeros_like(labels))
    is_label = torch.zeros_like(rows).scatter_add(1, places, given.to(rows.dtype)) > 0
    # (row, label, class): how far each other class comes too near to each label
    excess = 1 - rows.gather(1, places).unsqueeze(2) + rows.unsqueeze(1)
    counted = given.unsqueeze(2) & ~is_label.unsqueeze(1) & (excess > 0)
    loss = excess.masked_fill(~counted, 0).sum((1, 2)) / classes
    return reduce_loss(loss.squeeze(0) if single else loss, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of logits, averaged over the last dimension."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    loss = -(target * F.logsigmoid(input) + (1 - target) * F.logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    dim = input.dim() - 1
    return reduce_loss(loss.sum(dim) / input.size(dim), reduction)


def _same_dims(anchor, positive, negative):
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and "
            f"negative {negative.dim()}D inputs"
        )


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, |anchor - positive| - |anchor - negative| + margin) under the p-norm."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _same_dims(anchor, positive, negative)
    near = F.pairwise_distance(anchor, positive, p, eps)
    far = F.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = torch.minimum(far, F.pairwise_distance(positive, negative, p, eps))
    return reduce_loss((margin + near - far).clamp_min(0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The triplet loss under any distance; the Euclidean one when none is given."""
    reduction = chosen_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _same_dims(anchor, positive, negative)
    distance = F.pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return reduce_loss((margin + near - far).clamp_min(0), reduction)
