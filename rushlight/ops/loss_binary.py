"""Losses of yes and no: binary cross entropy, of probabilities or of logits."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .loss import (
    REDUCTIONS,
    _reduce,
    _unreduced,
    chosen_reduction,
)


def _bce_samples(make):
    for reduction in REDUCTIONS:
        yield make(3, 4, low=0.1, high=0.9), make(3, 4, low=0.1, high=0.9), None, reduction


@op("", name="binary_cross_entropy")
class _binary_cross_entropy:
    """-(t log x + (1 - t) log(1 - x)), with logarithms of at least -100."""

    def forward(input, target, weight=None, reduction="mean"):
        with np.errstate(divide="ignore"):
            yes, no = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        loss = -target * yes - (1 - target) * no
        return _reduce(loss if weight is None else loss * weight, reduction)

    def grad_input(g, input, target, weight, reduction):
        if not _C.differentiates():
            return binary_cross_entropy_backward(g, input, target, weight, reduction)
        g = _unreduced(g if weight is None else g * weight, input.shape, reduction)
        return g * (input - target) / ((1 - input) * input).clamp(min=1e-12)

    def grad_target(g, input, weight, reduction):
        g = _unreduced(g if weight is None else g * weight, input.shape, reduction)
        return g * ((1 - input).log().clamp(min=-100) - input.log().clamp(min=-100))

    samples = _bce_samples


@op("", name="binary_cross_entropy_backward")
class binary_cross_entropy_backward:
    """The gradient of binary_cross_entropy with respect to its input."""

    def forward(g, input, target, weight, reduction):
        d = g * (input - target) / np.maximum((1 - input) * input, 1e-12)
        d = d if weight is None else d * weight
        return d / input.size if reduction == "mean" else d

    def samples(make):
        x, target = make(3, 4, low=0.1, high=0.9), make(3, 4, low=0.1, high=0.9)
        yield make(), x, target, None, "mean"


@public("F.binary_cross_entropy")
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Binary cross entropy of probabilities; both arguments lie in [0, 1]."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    if target.dtype != input.dtype:
        raise RuntimeError(
            f"binary_cross_entropy: found dtype {target.dtype} but expected {input.dtype} for the "
            "target; convert it"
        )
    return _binary_cross_entropy(input, target, weight, reduction)


@op("", name="binary_cross_entropy_with_logits")
class _bce_with_logits:
    """Binary cross entropy of sigmoid(input), finite for every finite input."""

    def forward(input, target, weight=None, pos_weight=None, reduction="mean"):
        soft = np.log1p(np.exp(-np.abs(input))) + np.maximum(-input, 0)
        q = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
        loss = (1 - target) * input + q * soft
        return _reduce(loss if weight is None else loss * weight, reduction)

    def grad_input(g, input, target, weight, pos_weight, reduction):
        if not _C.differentiates():
            return bce_with_logits_backward(g, input, target, weight, pos_weight, reduction)
        q = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
        g = _unreduced(g if weight is None else g * weight, input.shape, reduction)
        return g * ((1 - target) - q * (-input).sigmoid())

    def grad_target(g, input, weight, pos_weight, reduction):
        g = _unreduced(g if weight is None else g * weight, input.shape, reduction)
        if pos_weight is None:
            return g * -input
        soft = (-input.abs()).exp().log1p() + (-input).clamp(min=0)
        return g * ((pos_weight - 1) * soft - input)

    def samples(make):
        yield make(3, 4), make(3, 4, low=0.1, high=0.9)
        weights = make(4, low=0.5, grad=False)
        yield make(3, 4), make(3, 4, low=0.1, high=0.9), weights, weights, "sum"


@op("", name="binary_cross_entropy_with_logits_backward")
class bce_with_logits_backward:
    """The gradient of binary_cross_entropy_with_logits with respect to its input."""

    def forward(g, input, target, weight, pos_weight, reduction):
        q = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
        d = g * ((1 - target) - q / (1 + np.exp(input)))
        d = d if weight is None else d * weight
        return d / input.size if reduction == "mean" else d

    def samples(make):
        yield make(), make(3, 4), make(3, 4, low=0.1, high=0.9), None, None, "mean"


@public("F.binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
    pos_weight=None,
):
    """Binary cross entropy of logits; `pos_weight` weighs the positive class."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    if not target.is_floating_point():
        raise RuntimeError(
            "binary_cross_entropy_with_logits: result type Float can't be cast to the desired "
            f"output type of the target, {target.dtype}; convert it to {input.dtype}"
        )
    return _bce_with_logits(input, target, weight, pos_weight, reduction)
