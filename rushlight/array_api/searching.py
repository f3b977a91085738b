"""Places of elements, order, and distinct values."""

from __future__ import annotations

from collections import namedtuple

import rushlight as torch

from .dtypes import pair

__all__ = [
    "argmax", "argmin", "argsort", "count_nonzero", "nonzero", "searchsorted", "sort", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip

UniqueAll = namedtuple("UniqueAll", "values indices inverse_indices counts")
UniqueCounts = namedtuple("UniqueCounts", "values counts")
UniqueInverse = namedtuple("UniqueInverse", "values inverse_indices")


def argmax(x, /, *, axis=None, keepdims=False):
    """Where the largest element is."""
    return torch.argmax(x, axis, keepdims)


def argmin(x, /, *, axis=None, keepdims=False):
    """Where the smallest element is."""
    return torch.argmin(x, axis, keepdims)


def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many elements differ from zero."""
    axes = tuple(range(x.ndim)) if axis is None else axis
    chosen = x != 0
    return chosen.sum(axes, keepdim=keepdims) if axes != () else chosen.to(torch.int64)


def nonzero(x, /):
    """Positions of the elements that differ from zero: one array per axis."""
    if x.ndim == 0:
        raise ValueError("nonzero: an array without axes has no positions")
    return torch.nonzero(x, as_tuple=True)


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    """Where each element of `x2` would be inserted into the sorted vector `x1`."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    x1, x2 = pair("searchsorted", x1, x2)
    sorter = None if sorter is None else sorter.to(torch.int64)
    return torch.searchsorted(x1, x2, side=side, sorter=sorter)


def where(condition, x1, x2, /):
    """`x1` where the condition holds, else `x2`; one of them may be a number."""
    return torch.where(condition, *pair("where", x1, x2))


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """The elements in order along an axis."""
    return torch.sort(x, dim=axis, descending=descending, stable=stable).values


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """The places the elements in order come from."""
    return torch.argsort(x, dim=axis, descending=descending, stable=stable)


def unique_values(x, /):
    """The distinct elements, sorted; every nan is distinct."""
    return torch.unique(x)


def unique_counts(x, /):
    """The distinct elements, and how often each occurs."""
    return UniqueCounts(*torch.unique(x, return_counts=True))


def unique_inverse(x, /):
    """The distinct elements, and for each element of `x` which of them it is."""
    return UniqueInverse(*torch.unique(x, return_inverse=True))


def unique_all(x, /):
    """Distinct elements, where each occurs first, which each element is, how often each occurs."""
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    order = torch.argsort(inverse.reshape(-1), stable=True)
    starts = torch.cumsum(counts, 0) - counts
    return UniqueAll(values, order[starts], inverse, counts)
