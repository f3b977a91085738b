"""Covariances and correlations of variables (rows) observed several times (columns)."""

from __future__ import annotations

import warnings

from .. import _C
from ..op import public
from ._lanes import some


@public("torch.cov Tensor.cov")
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of the rows; a 1-d input is one variable and gives a number.

    fweights count how often each column was seen, aweights how much it weighs.
    """
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype is _C.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input.reshape(1, -1) if input.ndim < 2 else input
    count = rows.shape[1]
    weights = _weights(fweights, aweights, count)
    if weights is None:
        total = count
        mean = rows.sum(1, keepdim=True) / total if count else rows.sum(1, keepdim=True) / 0.0
    else:
        total = weights.sum()
        if count and float(total) == 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = (rows * weights).sum(1, keepdim=True) / total
    free = total - correction
    if aweights is not None and correction != 0:
        free = total - correction * (weights * aweights).sum() / total
    if not isinstance(free, (int, float)):
        free = free.clamp(min=0)
    elif free <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0: correction must be less than the observations",
            UserWarning,
            stacklevel=2,
        )
        free = 0
    centred = rows - mean
    other = centred if weights is None else centred * weights
    return ((centred @ other.mH) / _divisor(free, centred)).squeeze()


def _divisor(free, like):
    """The degrees of freedom as a tensor: a number would raise for zero, a tensor gives inf."""
    return like.new_full((), free) if isinstance(free, (int, float)) else free


def _weights(fweights, aweights, count):
    """The product of both weights, checked; None when there are none."""
    for name, weights, whole in (("fweights", fweights, True), ("aweights", aweights, False)):
        if weights is None:
            continue
        if weights.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
                f"{weights.ndim} dimensions"
            )
        integral = not (weights.is_floating_point() or weights.is_complex())
        wrong = not integral or weights.dtype is _C.bool
        if wrong if whole else not weights.is_floating_point():
            kind = "integral" if whole else "floating point"
            raise RuntimeError(
                f"cov(): expected {name} to have {kind} dtype but got {name} with "
                f"{weights.dtype} dtype"
            )
        if weights.numel() != count:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the "
                f"input but got {weights.numel()} != {count}"
            )
        if count and some(weights < 0):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


@public("torch.corrcoef Tensor.corrcoef")
def corrcoef(input):
    """The correlation coefficients of the rows; a 1-d input gives the number one."""
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviation = c.diagonal().real.sqrt() if c.is_complex() else c.diagonal().sqrt()
    c = c / deviation.unsqueeze(-1) / deviation.unsqueeze(0)
    if c.is_complex():
        from .. import complex as join

        return join(c.real.clip(-1, 1), c.imag.clip(-1, 1))
    return c.clip(-1, 1)
