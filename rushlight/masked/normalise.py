"""Softmax and its kin over the elements a mask selects, and sums of logarithms of pairs."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .common import filled, one_dim, takes_masked_tensors
from .reduce import norm


@takes_masked_tensors
def softmax(input: Tensor, dim: int, *, dtype=None, mask: Tensor | None = None) -> Tensor:
    """Positive numbers that sum to one along `dim`; 0 where the mask says False."""
    d = one_dim(input, dim)
    return torch.nn.functional.softmax(
        filled("softmax", input, mask), d, dtype=dtype or input.dtype
    )


@takes_masked_tensors
def log_softmax(input: Tensor, dim: int, *, dtype=None, mask: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`."""
    d = one_dim(input, dim)
    return torch.nn.functional.log_softmax(
        filled("log_softmax", input, mask), d, dtype=dtype or input.dtype
    )


@takes_masked_tensors
def softmin(input: Tensor, dim: int, *, dtype=None, mask: Tensor | None = None) -> Tensor:
    """The softmax of the negated input."""
    d = one_dim(input, dim)
    return torch.nn.functional.softmin(
        filled("softmin", input, mask), d, dtype=dtype or input.dtype
    )


@takes_masked_tensors
def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype=None, mask=None
) -> Tensor:
    """The input over its norm along `dim`, or over `eps` where that is larger."""
    d = one_dim(input, dim)
    dtype = dtype or input.dtype
    length = norm(input, ord, d, keepdim=True, dtype=dtype, mask=mask)
    values = filled("normalize", input, mask)
    return values / torch.maximum(length, torch.full_like(length, eps))


def logaddexp(
    input: Tensor, other: Tensor, *, dtype=None, input_mask=None, other_mask=None
) -> Tensor:
    """log(exp(input) + exp(other)), where an unselected element adds nothing."""
    from .maskedtensor import MaskedTensor

    if isinstance(input, MaskedTensor):
        input_mask, input = input.get_mask() if input_mask is None else input_mask, input._plain()
    if isinstance(other, MaskedTensor):
        other_mask, other = other.get_mask() if other_mask is None else other_mask, other._plain()
    dtype = dtype or input.dtype
    return torch.logaddexp(
        filled("logaddexp", input, input_mask), filled("logaddexp", other, other_mask)
    ).to(dtype)
