"""Losses: how they are reduced, and the distances between input and target."""

from __future__ import annotations

import warnings

from .. import _C
from .._lazy import np
from ..op import op, public

REDUCTIONS = ("none", "mean", "sum")


def legacy_reduction(size_average, reduce, emit_warning=True):
    """The reduction that the old arguments `size_average` and `reduce` mean."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    name = "none" if not reduce else "mean" if size_average else "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{name}' instead.",
            stacklevel=4,
        )
    return name


def chosen_reduction(reduction, size_average=None, reduce=None):
    """The reduction asked for in the new or the old way, checked."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return check_reduction(reduction)


def check_reduction(reduction):
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduce_loss(loss, reduction):
    """A loss of single elements, averaged or added up."""
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _reduce(loss, reduction):
    return reduce_loss(np.asarray(loss), reduction)


def _unreduced(g, shape, reduction):
    """The gradient of single elements from that of the reduced loss."""
    return g / shape.numel() if reduction == "mean" else g


def _pair_samples(make):
    for reduction in REDUCTIONS:
        yield make(3, 5), make(3, 5), reduction


def _warn_sizes(input, target):
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def _squared_gradient(g, input, target, reduction):
    if _C.differentiates():
        difference = input - target
        return difference * (2 * _unreduced(g, difference.shape, reduction))
    return mse_loss_backward(g, input, target, reduction)


@op("", name="mse_loss")
class _mse_loss:
    """The squared difference, averaged, added up or element by element."""

    def forward(input, target, reduction="mean"):
        return _reduce((input - target) ** 2, reduction)

    def grad_input(g, input, target, reduction):
        return _squared_gradient(g, input, target, reduction)

    def grad_target(g, input, target, reduction):
        return -_squared_gradient(g, input, target, reduction)

    samples = _pair_samples


@op("", name="mse_loss_backward")
class mse_loss_backward:
    """The gradient of mse_loss with respect to its input."""

    def forward(g, input, target, reduction):
        d = 2 * (input - target) * g
        return d / d.size if reduction == "mean" else d

    def samples(make):
        yield make(), make(3, 5), make(3, 5), "mean"


def _weighted(loss, weight, reduction):
    if weight.shape != loss.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduce_loss(loss, reduction)


@public("F.mse_loss")
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The mean squared error; `reduction` is "mean", "sum" or "none"."""
    if input.shape != target.shape:
        _warn_sizes(input, target)
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(reduction, size_average, reduce)
    if weight is not None:
        return _weighted(_mse_loss(input, target, "none"), weight, check_reduction(reduction))
    return _mse_loss(input, target, reduction)


@public("F.l1_loss")
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The mean absolute error; `reduction` is "mean", "sum" or "none"."""
    if input.shape != target.shape:
        _warn_sizes(input, target)
    reduction = chosen_reduction(reduction, size_average, reduce)
    loss = (input - target).abs()
    return reduce_loss(loss, reduction) if weight is None else _weighted(loss, weight, reduction)
