"""Reductions and running results over the elements a mask selects.

A result over no selected element is the identity of the operation: 0 for sums, 1 for products, the
largest or smallest number for extremes, nan for means.
"""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .common import dims_of, filled, one_dim, selected, takes_masked_tensors


def _sum_dtype(input, dtype):
    if dtype is not None:
        return dtype
    whole = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return torch.int64 if whole else input.dtype


@takes_masked_tensors
def sum(  # noqa: A001
    input: Tensor, dim=None, *, keepdim=False, dtype=None, mask: Tensor | None = None
) -> Tensor:
    """The sum over `dim`; integers are summed as int64."""
    dtype = _sum_dtype(input, dtype)
    dims = dims_of(input, dim)
    values = filled("sum", input, mask)
    return values.sum(dims, keepdim=bool(keepdim), dtype=dtype) if dims else values.to(dtype)


@takes_masked_tensors
def prod(
    input: Tensor, dim=None, *, keepdim=False, dtype=None, mask: Tensor | None = None
) -> Tensor:
    """The product over `dim`; integers are multiplied as int64."""
    dtype = _sum_dtype(input, dtype)
    values = filled("prod", input, mask).to(dtype)
    for d in reversed(dims_of(input, dim)):
        values = values.prod(d, keepdim=bool(keepdim))
    return values


@takes_masked_tensors
def cumsum(input: Tensor, dim: int, *, dtype=None, mask: Tensor | None = None) -> Tensor:
    """Running sums along `dim`."""
    d = one_dim(input, dim)
    return filled("sum", input, mask).cumsum(d, dtype=dtype or input.dtype)


@takes_masked_tensors
def cumprod(input: Tensor, dim: int, *, dtype=None, mask: Tensor | None = None) -> Tensor:
    """Running products along `dim`."""
    d = one_dim(input, dim)
    return filled("prod", input, mask).cumprod(d, dtype=dtype or input.dtype)


@takes_masked_tensors
def amax(
    input: Tensor, dim=None, *, keepdim=False, dtype=None, mask: Tensor | None = None
) -> Tensor:
    """The largest element over `dim`."""
    values = filled("amax", input, mask)
    return values.amax(dims_of(input, dim), bool(keepdim)).to(dtype or input.dtype)


@takes_masked_tensors
def amin(
    input: Tensor, dim=None, *, keepdim=False, dtype=None, mask: Tensor | None = None
) -> Tensor:
    """The smallest element over `dim`."""
    values = filled("amin", input, mask)
    return values.amin(dims_of(input, dim), bool(keepdim)).to(dtype or input.dtype)


@takes_masked_tensors
def argmax(
    input: Tensor, dim: int | None = None, *, keepdim=False, dtype=None, mask=None
) -> Tensor:
    """Where the largest element is along `dim`, in the dtype of the input unless told."""
    values = filled("argmax", input, mask)
    return values.argmax(dim, bool(keepdim)).to(dtype or input.dtype)


@takes_masked_tensors
def argmin(
    input: Tensor, dim: int | None = None, *, keepdim=False, dtype=None, mask=None
) -> Tensor:
    """Where the smallest element is along `dim`, in the dtype of the input unless told."""
    values = filled("argmin", input, mask)
    return values.argmin(dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input, dims, keepdim, mask):
    chosen = selected(input, mask)
    return chosen.sum(dims, keepdim=keepdim) if dims else chosen.to(torch.int64)


@takes_masked_tensors
def mean(
    input: Tensor, dim=None, *, keepdim=False, dtype=None, mask: Tensor | None = None
) -> Tensor:
    """The mean over `dim`; nan over no element."""
    wanted = dtype or input.dtype
    if not (wanted.is_floating_point or wanted.is_complex):
        raise ValueError(
            "mean(): Could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {wanted}"
        )
    dims, keepdim = dims_of(input, dim), bool(keepdim)
    total = sum(input, dims, keepdim=keepdim, dtype=wanted, mask=mask)
    return total / _count(input, dims, keepdim, mask)


@takes_masked_tensors
def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """The lower middle element along `dim`; nan over no element."""
    d = one_dim(input, dim)
    dtype = dtype or input.dtype
    if input.dtype.is_floating_point:
        return filled("median", input, mask).nanmedian(d, keepdim).values.to(dtype)
    if mask is not None and not selected(input, mask).any(d).all():
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    wide = input.to(torch.float64)
    return filled("median", wide, mask).nanmedian(d, keepdim).values.to(dtype)


@takes_masked_tensors
def norm(
    input: Tensor, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask: Tensor | None = None
) -> Tensor:
    """The vector norm of order `ord` over `dim`."""
    order = 2.0 if ord is None else float(ord)
    values = filled("norm", input, mask, order)
    dims = dims_of(input, dim)
    return torch.linalg.vector_norm(values, order, dims, bool(keepdim), dtype=dtype)


def _variance(input, dim, unbiased, correction, keepdim, dtype, mask, root):
    if unbiased is not None and correction is not None:
        raise ValueError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    if dtype is None:
        exact = input.dtype.is_floating_point or input.dtype.is_complex
        dtype = input.dtype if exact else torch.float32
    dims, keepdim = dims_of(input, dim), bool(keepdim)
    compute = dtype if dtype.itemsize > 2 else torch.float32
    x = input.to(compute)
    centre = sum(x, dims, mask=mask, keepdim=True) / _count(x, dims, True, mask)
    apart = x - centre
    squares = (apart * apart.conj()).real if apart.is_complex() else apart * apart
    total = sum(squares, dims, keepdim=keepdim, mask=mask)
    count = _count(x, dims, keepdim, mask) - correction
    out = total / count.clamp(min=0)
    out = out.sqrt() if root else out
    return out.to(dtype.to_real() if dtype.is_complex else dtype)


@takes_masked_tensors
def var(
    input: Tensor, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None
) -> Tensor:
    """The variance over `dim`; divides by the number of elements less `correction` (1)."""
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask, False)


@takes_masked_tensors
def std(
    input: Tensor, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None
) -> Tensor:
    """The square root of the variance over `dim`."""
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask, True)


@takes_masked_tensors
def logsumexp(input: Tensor, dim=None, *, keepdim: bool = False, dtype=None, mask=None) -> Tensor:
    """log of the sum of exponentials over `dim`."""
    values = filled("logsumexp", input, mask)
    return torch.logsumexp(values, dims_of(input, dim), keepdim).to(dtype or input.dtype)
