"""Sums, extremes, means and running sums."""

from __future__ import annotations

import rushlight as torch

__all__ = [
    "all", "any", "cumulative_prod", "cumulative_sum", "max", "mean", "min", "prod", "std", "sum",
    "var",
]  # fmt: skip


def _axes(x, axis):
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _wide(x, dtype):
    """(dtype to compute in, dtype of the result) of a sum or product."""
    if dtype is not None:
        return dtype, dtype
    if x.dtype.is_floating_point or x.dtype.is_complex:
        return x.dtype, x.dtype
    signed = x.dtype.is_signed or x.dtype is torch.bool
    return torch.int64, torch.int64 if signed else torch.uint64


def sum(x, /, *, axis=None, dtype=None, keepdims=False):  # noqa: A001
    """The sum; small integers are summed in 64 bits of their own kind."""
    compute, dtype = _wide(x, dtype)
    axes = _axes(x, axis)
    values = x.to(compute)
    return (values.sum(axes, keepdim=keepdims) if axes else values).to(dtype)


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """The product; small integers are multiplied in 64 bits of their own kind."""
    compute, dtype = _wide(x, dtype)
    values = x.to(compute)
    for a in sorted((a % x.ndim for a in _axes(x, axis)), reverse=True):
        values = values.prod(a, keepdim=keepdims)
    return values.to(dtype)


def max(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """The largest element."""
    return torch.amax(x, _axes(x, axis), keepdims)


def min(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """The smallest element."""
    return torch.amin(x, _axes(x, axis), keepdims)


def mean(x, /, *, axis=None, keepdims=False):
    """The mean."""
    axes = _axes(x, axis)
    return x.mean(axes, keepdim=keepdims) if axes else x.clone()


def var(x, /, *, axis=None, correction=0.0, keepdims=False):
    """The variance: divides by the number of elements less `correction`."""
    return _spread(torch.var, x, axis, correction, keepdims)


def std(x, /, *, axis=None, correction=0.0, keepdims=False):
    """The square root of the variance."""
    return _spread(torch.std, x, axis, correction, keepdims)


def _spread(compute, x, axis, correction, keepdims):
    axes = _axes(x, axis)
    if not axes:
        return torch.zeros_like(x) if x.ndim or correction == 0 else torch.full_like(x, torch.nan)
    return compute(x, axes, correction=correction, keepdim=keepdims)


def all(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """Whether every element is not zero."""
    axes = _axes(x, axis)
    return torch.all(x.to(torch.bool), axes, keepdim=keepdims) if axes else x != 0


def any(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """Whether some element is not zero."""
    axes = _axes(x, axis)
    return torch.any(x.to(torch.bool), axes, keepdim=keepdims) if axes else x != 0


def _running(compute, x, axis, dtype, include_initial, first):
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"axis must be given for an array with {x.ndim} axes")
        axis = 0
    wide, dtype = _wide(x, dtype)
    out = compute(x.to(wide), axis).to(dtype)
    if not include_initial:
        return out
    shape = list(x.shape)
    shape[axis] = 1
    return torch.cat([torch.full(shape, first, dtype=dtype), out], axis)


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running sums along an axis; `include_initial` puts a zero first."""
    return _running(torch.cumsum, x, axis, dtype, include_initial, 0)


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running products along an axis; `include_initial` puts a one first."""
    return _running(torch.cumprod, x, axis, dtype, include_initial, 1)
