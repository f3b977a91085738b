"""Activations that are their input times a gate: SiLU, Mish, GELU, GLU and their kin."""

from __future__ import annotations

import math

from .._lazy import np
from ..op import op, public
from .activation import run, wide_samples
from .activation_gradients import (
    gated_backward,
    gelu_backward,
    gelu_tanh_backward,
    hardsigmoid_backward,
    hardswish_backward,
    mish_backward,
    silu_backward,
)


@op("", pointwise=1, name="silu")
class swish:
    """`x * sigmoid(x)` (Elfwing and others 2017)."""

    def forward(input):
        return input / (1 + np.exp(-input))

    def grad_input(g, input):
        return silu_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=1, name="mish")
class mish_elements:
    """`x * tanh(softplus(x))` (Misra 2019)."""

    def forward(input):
        return input * np.tanh(np.log1p(np.exp(input)))

    def grad_input(g, input):
        return mish_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=1, name="gelu")
class gelu_exact:
    """`x` times the normal distribution's probability below `x` (Hendrycks and Gimpel 2016)."""

    def forward(input):
        erf = np.vectorize(math.erf, otypes=[input.dtype])
        return input * (0.5 + 0.5 * erf(input * 0.7071067811865476))

    def grad_input(g, input):
        return gelu_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=1, node="Gelu")
class gelu_tanh:
    """`gelu` with the error function approximated through tanh."""

    def forward(input):
        inner = 0.7978845608028654 * (input + 0.044715 * input**3)
        return 0.5 * input * (1 + np.tanh(inner))

    def grad_input(g, input):
        return gelu_tanh_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=1, name="hardsigmoid")
class hard_gate:
    """`(x + 3) / 6` brought into [0, 1]."""

    def forward(input):
        return np.clip(input + 3, 0, 6) / 6

    def grad_input(g, input):
        return hardsigmoid_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=1, name="hardswish")
class hard_swish:
    """`x * hardsigmoid(x)`."""

    def forward(input):
        return input * np.clip(input + 3, 0, 6) / 6

    def grad_input(g, input):
        return hardswish_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=2, node="Glu")
class gated:
    """`first` times the sigmoid of `second`."""

    def forward(first, second):
        return first / (1 + np.exp(-second))

    def grad_first(g, second):
        return gated(g, second)

    def grad_second(g, first, second):
        return gated_backward(g, first, second)

    def samples(make):
        yield make(3, 5), make(3, 5)


@public("F.silu")
def silu(input, inplace: bool = False):
    """`x * sigmoid(x)`."""
    return run(swish, input, inplace)


@public("F.mish")
def mish(input, inplace: bool = False):
    """`x * tanh(softplus(x))`."""
    return run(mish_elements, input, inplace)


@public("F.gelu")
def gelu(input, *, approximate: str = "none"):
    """`x` times the normal distribution's probability below `x`.

    `approximate`: "none" for the error function, "tanh" for its approximation.
    """
    if approximate == "none":
        return gelu_exact(input)
    if approximate != "tanh":
        raise RuntimeError("approximate argument must be either none or tanh.")
    return gelu_tanh(input)


@public("F.hardsigmoid")
def hardsigmoid(input, inplace: bool = False):
    """`(x + 3) / 6` brought into [0, 1]."""
    return run(hard_gate, input, inplace)


@public("F.hardswish")
def hardswish(input, inplace: bool = False):
    """`x * hardsigmoid(x)`."""
    return run(hard_swish, input, inplace)


@public("F.glu")
def glu(input, dim: int = -1):
    """The first half along `dim` times the sigmoid of the second (Dauphin and others 2016)."""
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim % input.ndim} is size "
            f"{input.shape[dim]}"
        )
    return gated(*input.chunk(2, dim))
