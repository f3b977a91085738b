"""Random activations and the dropout family, in the order of draws of PyTorch."""

from __future__ import annotations

import math
import warnings

import rushlight as torch
from rushlight import Tensor

from . import functional as F

__all__ = [
    "alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
    "gumbel_softmax", "rrelu", "rrelu_",
]  # fmt: skip

# Minus the value that SELU saturates at (Klambauer et al. 2017).
_ALPHA = 1.7580993408473766


def _check(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _store(input, result, inplace):
    return input.copy_(result) if inplace else result


def _channel_shape(input):
    """One value per sample and channel."""
    if input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *[1] * (input.dim() - 2))


def _feature_dropout(input, p, training, inplace):
    if p == 0 or not training or input.numel() == 0:
        return input
    if p == 1:
        return _store(input, input * 0, inplace)
    noise = input.new_empty(_channel_shape(input)).bernoulli_(1 - p).div_(1 - p)
    return _store(input, input * noise, inplace)


def _dropout_nd(input, p, training, inplace, n):
    _check(p)
    dim, name = input.dim(), f"dropout{n}d"
    low, high = n + 1, n + 2
    if dim not in (low, high):
        text = (
            f"{name}: Received a {dim}-D input to {name}, which is deprecated and will result in "
            "an error in a future release. To retain the behavior and silence this warning, "
            f"please use dropout instead. Note that {name} exists to provide channel-wise "
            f"dropout on inputs with {n} spatial dimensions, a channel dimension, and an "
            f"optional batch dimension (i.e. {low}D or {high}D inputs)."
        )
        warnings.warn(text, stacklevel=3)
    single = dim == low
    result = _feature_dropout(input.unsqueeze(0) if single else input, p, training, False)
    if single:
        result = result.squeeze(0)
    return _store(input, result, inplace)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    _check(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial "
            "dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D "
            "inputs)."
        )
    return _dropout_nd(input, p, training, inplace, 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, H, W); a 3-d input is taken as (N, C, L)."""
    _check(p)
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D "
            "dropout behavior is desired - input is interpreted as shape (N, C, L), where C is "
            "the channel dim. This behavior will change in a future release to interpret the "
            "input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
        return _feature_dropout(input, p, training, inplace)
    return _dropout_nd(input, p, training, inplace, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    return _dropout_nd(input, p, training, inplace, 3)


def _alpha_dropout(input, p, training, inplace, shape):
    _check(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    if p == 1:
        return _store(input, input * 0, inplace)
    a = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
    if shape is None:
        noise = torch.empty_like(input).bernoulli_(1 - p)
    else:
        noise = input.new_empty(shape).bernoulli_(1 - p)
    shift = (noise - 1) * (_ALPHA * a) + _ALPHA * a * p
    return _store(input, input * (noise * a) + shift, inplace)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps zero mean and unit variance."""
    return _alpha_dropout(input, p, training, inplace, None)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Alpha dropout of whole channels."""
    _check(p)
    shape = _channel_shape(input) if p != 0 and training and input.numel() else None
    return _alpha_dropout(input, p, training, inplace, shape)


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
    drawn = input <= 0
    count = int(drawn.sum())
    low, high = (torch.tensor(x, dtype=input.dtype).double() for x in (lower, upper))
    slopes = torch.rand(count, dtype=torch.float64) * (high - low) + low
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
