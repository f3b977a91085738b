"""Masks, identities and dims: what the operations of torch.masked share."""

from __future__ import annotations

import functools
import math

import rushlight as torch

_ZERO = {"sum", "cumsum", "norm", "normalize", "var", "std", "mean"}
_ONE = {"prod", "cumprod"}
_LARGEST = {"amin", "argmin", "softmin"}


def identity(name, dtype, order=None):
    """The number that changes nothing where `name` meets it."""
    if name in _ONE:
        return 1
    if name in _ZERO:
        return math.inf if order == -math.inf and name == "norm" else 0
    if name == "median":
        return math.nan
    if dtype.is_complex or dtype is torch.bool:
        raise NotImplementedError(f"identity of {name} on {dtype} input")
    if dtype.is_floating_point:
        return math.inf if name in _LARGEST else -math.inf
    limits = torch.iinfo(dtype)
    return limits.max if name in _LARGEST else limits.min


def selected(input, mask):
    """The mask as bools in the shape of `input`; all of it without a mask."""
    if mask is None:
        return torch.ones(input.shape, dtype=torch.bool, device=input.device)
    if len(mask.shape) > input.dim():
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the "
            "input)"
        )
    return mask.to(torch.bool).broadcast_to(input.shape)


def filled(name, input, mask, order=None):
    """The input, with the identity of `name` where the mask says False."""
    if mask is None:
        return input
    number = identity(name, input.dtype, order)
    return torch.where(selected(input, mask), input, input.new_tensor(number))


def dims_of(input, dim):
    """The dims to reduce, counted from the front; all of them for None and ()."""
    n = max(input.dim(), 1)
    if dim is None or (not isinstance(dim, int) and not tuple(dim)):
        return tuple(range(input.dim()))
    found = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -n <= d < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})"
            )
        if d % n in found:
            raise RuntimeError(f"dim={d % n} appears multiple times in the list of dims")
        found.append(d % n)
    return tuple(sorted(found))


def one_dim(input, dim):
    """A dim counted from the front."""
    return dims_of(input, int(dim))[0]


def takes_masked_tensors(function):
    """Let a MaskedTensor bring its own mask, and answer with one of what remains selected."""

    @functools.wraps(function)
    def apply(input, *args, mask=None, **kwargs):
        from .maskedtensor import MaskedTensor

        if not isinstance(input, MaskedTensor):
            return function(input, *args, mask=mask, **kwargs)
        own = input.get_mask()
        data = function(input._plain(), *args, mask=own if mask is None else mask, **kwargs)
        kept = own
        if kept.shape != data.shape:
            dim = args[0] if args else kwargs.get("dim")
            dims = dims_of(own, dim)
            keepdim = kwargs.get("keepdim", False)
            kept = own.any(dims, keepdim=keepdim) if dims else own
        return MaskedTensor(data, kept)

    return apply
