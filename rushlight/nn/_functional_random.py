"""Random activations, with the draws of PyTorch in their order."""

from __future__ import annotations

import warnings

import rushlight as torch
from rushlight import Tensor

from . import functional as F

__all__ = ["gumbel_softmax", "rrelu", "rrelu_"]


def _store(input, result, inplace):
    return input.copy_(result) if inplace else result


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky ReLU whose slope is drawn per element in training, else the middle of the range."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return F.leaky_relu(input, (lower + upper) / 2, inplace)
    if input.is_meta:
        return _store(input, input * input.detach(), inplace)
    drawn = input <= 0
    count = int(drawn.sum())
    low, high = (input.new_tensor(x).double() for x in (lower, upper))
    slopes = torch.rand(count, dtype=torch.float64, device=input.device) * (high - low) + low
    factor = torch.ones_like(input, requires_grad=False)
    factor = factor.masked_scatter(drawn, slopes.to(input.dtype).to(input.device))
    return _store(input, input * factor, inplace)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, True)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Sample from the relaxed categorical distribution (Jang et al. 2017).

    With `hard` the result is one-hot and the gradient that of the relaxed sample.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -torch.empty_like(logits, requires_grad=False).exponential_().log()
    soft = F.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = torch.zeros_like(soft, requires_grad=False).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
