"""Circular and hyperbolic functions."""

from __future__ import annotations

import math

from .._lazy import np
from ..op import conj, op


@op("torch.sin torch.sin_ Tensor.sin Tensor.sin_", promote="float", pointwise=1)
class sin:
    """The sine."""

    def forward(input):
        return np.sin(input)

    def grad_input(g, input):
        return g * conj(input.cos())

    def samples(make):
        yield (make(3, 5),)


@op("torch.cos torch.cos_ Tensor.cos Tensor.cos_", promote="float", pointwise=1)
class cos:
    """The cosine."""

    def forward(input):
        return np.cos(input)

    def grad_input(g, input):
        return g * -conj(input.sin())

    def samples(make):
        yield (make(3, 5),)


@op("torch.tan torch.tan_ Tensor.tan Tensor.tan_", promote="float", pointwise=1)
class tan:
    """The tangent."""

    def forward(input):
        return np.tan(input)

    def grad_input(g, out):
        return g * conj(1 + out * out)

    def samples(make):
        yield (make(3, 5),)


@op(
    "torch.asin torch.asin_ Tensor.asin Tensor.asin_ torch.arcsin torch.arcsin_ Tensor.arcsin "
    "Tensor.arcsin_",
    promote="float",
    pointwise=1,
)
class asin:
    """The inverse sine, in [-pi/2, pi/2]."""

    def forward(input):
        return np.arcsin(input)

    def grad_input(g, input):
        return g * conj((1 - input * input).rsqrt())

    def samples(make):
        yield (make(3, 5, low=-0.9, high=0.9),)


@op(
    "torch.acos torch.acos_ Tensor.acos Tensor.acos_ torch.arccos torch.arccos_ Tensor.arccos "
    "Tensor.arccos_",
    promote="float",
    pointwise=1,
)
class acos:
    """The inverse cosine, in [0, pi]."""

    def forward(input):
        return np.arccos(input)

    def grad_input(g, input):
        return g * -conj((1 - input * input).rsqrt())

    def samples(make):
        yield (make(3, 5, low=-0.9, high=0.9),)


@op(
    "torch.atan torch.atan_ Tensor.atan Tensor.atan_ torch.arctan torch.arctan_ Tensor.arctan "
    "Tensor.arctan_",
    promote="float",
    pointwise=1,
)
class atan:
    """The inverse tangent, in (-pi/2, pi/2)."""

    def forward(input):
        return np.arctan(input)

    def grad_input(g, input):
        return g / conj(input * input + 1)

    def samples(make):
        yield (make(3, 5),)


def _over_square(part, input, other):
    """`part / (input^2 + other^2)`, zero at the origin."""
    square = input * input + other * other
    return (part / square).masked_fill(square == 0, 0)


@op(
    "torch.atan2 Tensor.atan2 Tensor.atan2_ torch.arctan2 Tensor.arctan2 Tensor.arctan2_",
    node="Atan2Backward0",
    promote="float",
    pointwise=2,
    numbers="",
)
class atan2:
    """The angle of the point (other, input), in (-pi, pi]."""

    def forward(input, other):
        return np.arctan2(input, other)

    def grad_input(g, input, other):
        return g * _over_square(other, input, other)

    def grad_other(g, input, other):
        return g * _over_square(-input, input, other)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3), make(3)


@op("torch.sinc torch.sinc_ Tensor.sinc Tensor.sinc_ special.sinc", promote="float", pointwise=1)
class sinc:
    """`sin(pi x) / (pi x)`, one at zero."""

    def forward(input):
        return np.sinc(input)

    def grad_input(g, input):
        t = input * math.pi
        slope = (t.cos() * t - t.sin()) / (t * input)
        return g * conj(slope.masked_fill(input == 0, 0))

    def samples(make):
        yield (make(3, 5),)


@op("torch.sinh torch.sinh_ Tensor.sinh Tensor.sinh_", promote="float", pointwise=1)
class sinh:
    """The hyperbolic sine."""

    def forward(input):
        return np.sinh(input)

    def grad_input(g, input):
        return g * conj(input.cosh())

    def samples(make):
        yield (make(3, 5),)


@op("torch.cosh torch.cosh_ Tensor.cosh Tensor.cosh_", promote="float", pointwise=1)
class cosh:
    """The hyperbolic cosine."""

    def forward(input):
        return np.cosh(input)

    def grad_input(g, input):
        return g * conj(input.sinh())

    def samples(make):
        yield (make(3, 5),)


@op(
    "torch.asinh torch.asinh_ Tensor.asinh Tensor.asinh_ torch.arcsinh torch.arcsinh_ "
    "Tensor.arcsinh Tensor.arcsinh_",
    promote="float",
    pointwise=1,
)
class asinh:
    """The inverse hyperbolic sine."""

    def forward(input):
        return np.arcsinh(input)

    def grad_input(g, input):
        return g * conj((input * input + 1).rsqrt())

    def samples(make):
        yield (make(3, 5),)


@op(
    "torch.acosh torch.acosh_ Tensor.acosh Tensor.acosh_ torch.arccosh torch.arccosh_ "
    "Tensor.arccosh Tensor.arccosh_",
    promote="float",
    pointwise=1,
)
class acosh:
    """The inverse hyperbolic cosine, for x >= 1."""

    def forward(input):
        return np.arccosh(input)

    def grad_input(g, input):
        if input.is_complex():
            return g * conj((input + 1).rsqrt() * (input - 1).rsqrt())
        return g * (input * input - 1).rsqrt()

    def samples(make):
        yield (make(3, 5, low=1.1, high=3),)


@op(
    "torch.atanh torch.atanh_ Tensor.atanh Tensor.atanh_ torch.arctanh torch.arctanh_ "
    "Tensor.arctanh Tensor.arctanh_",
    promote="float",
    pointwise=1,
)
class atanh:
    """The inverse hyperbolic tangent, for |x| < 1."""

    def forward(input):
        return np.arctanh(input)

    def grad_input(g, input):
        return g / conj(1 - input * input)

    def samples(make):
        yield (make(3, 5, low=-0.9, high=0.9),)


@op("torch.tanh torch.tanh_ Tensor.tanh Tensor.tanh_ F.tanh", promote="float", pointwise=1)
class tanh:
    """The hyperbolic tangent."""

    def forward(input):
        return np.tanh(input)

    def grad_input(g, out):
        return tanh_backward(g, out)

    def samples(make):
        yield (make(3, 5),)


@op("", pointwise=2)
class tanh_backward:
    """The gradient of tanh from its output."""

    def forward(grad_output, output):
        return grad_output * np.conj(1 - output * output)

    def grad_grad_output(g, output):
        return g * conj(1 - output * output)

    def grad_output(g, grad_output, output):
        return g * conj(grad_output) * (output * -2)

    def samples(make):
        yield make(3, 5), make(3, 5)
