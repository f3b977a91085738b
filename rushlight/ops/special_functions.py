"""The error function, the gamma function and their kin."""

from __future__ import annotations

import math

from .._lazy import np
from ..op import op, public
from ._outputs import deliver

ROOT_PI = 1.7724538509055159


def each(function, x):
    """A Python function of one real, over an array."""
    return np.vectorize(function, otypes=[np.float64])(x).astype(np.result_type(x, np.float32))


def inverse_erf(y):
    """The inverse of erf by bisection."""
    if abs(y) >= 1:
        return math.copysign(math.inf, y) if abs(y) == 1 else math.nan
    low, high = -6.0, 6.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < y else (low, middle)
    return middle


def digamma_reference(x):
    """The recurrence up to a large argument, then the first terms of the asymptotic series."""
    if x <= 0:
        return -math.inf if x == 0 else math.nan
    total = 0.0
    while x < 100:
        total -= 1 / x
        x += 1
    return total + math.log(x) - 1 / (2 * x) - 1 / (12 * x * x) + 1 / (120 * x**4)


@op("torch.erf torch.erf_ Tensor.erf Tensor.erf_ special.erf", promote="float", pointwise=1)
class erf:
    """The error function."""

    def forward(input):
        return each(math.erf, input)

    def grad_input(g, input):
        return g * (input * -input).exp() * (2 / ROOT_PI)

    def samples(make):
        yield (make(3, 5),)


@op("torch.erfc torch.erfc_ Tensor.erfc Tensor.erfc_ special.erfc", promote="float", pointwise=1)
class erfc:
    """`1 - erf(x)`, without cancellation."""

    def forward(input):
        return each(math.erfc, input)

    def grad_input(g, input):
        return g * (input * -input).exp() * (-2 / ROOT_PI)

    def samples(make):
        yield (make(3, 5),)


@op("torch.erfinv Tensor.erfinv Tensor.erfinv_ special.erfinv", promote="float", pointwise=1)
class erfinv:
    """The inverse of `erf`, for |x| <= 1."""

    def forward(input):
        return each(inverse_erf, input)

    def grad_input(g, out):
        return g * (out * out).exp() * (ROOT_PI / 2)

    def samples(make):
        yield (make(3, 5, low=-0.9, high=0.9),)


@op("torch.lgamma Tensor.lgamma Tensor.lgamma_ special.gammaln", promote="float", pointwise=1)
class lgamma:
    """The logarithm of the absolute value of the gamma function."""

    def forward(input):
        return each(math.lgamma, input)

    def grad_input(g, input):
        return g * input.digamma()

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op(
    "torch.digamma Tensor.digamma Tensor.digamma_ special.digamma special.psi",
    promote="float",
    pointwise=1,
)
class digamma:
    """The derivative of `lgamma`."""

    def forward(input):
        return each(digamma_reference, input)

    def grad_input(g, input):
        return g * polygamma_of(input, 1)

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op("Tensor.polygamma Tensor.polygamma_", pointwise=1, promote="float", node="Polygamma")
class polygamma_of:
    """The derivative of order `n` of `digamma`."""

    def forward(input, n):
        def one(x):
            return (-1.0) ** (n + 1) * math.factorial(n) * hurwitz_reference(n + 1, x)

        return each(one if n else digamma_reference, input)

    def grad_input(g, input, n):
        return g * polygamma_of(input, n + 1)

    def samples(make):
        yield make(3, 5, low=0.2, high=2), 1
        yield make(3, 5, low=0.2, high=2), 2


def hurwitz_reference(s, q):
    """A long partial sum of `(q + k) ** -s` and the integral of the rest."""
    if s < 1:
        return math.nan
    if q <= 0 or s == 1:
        return math.inf
    n = 2000
    return sum((q + k) ** -s for k in range(n)) + (q + n - 0.5) ** (1 - s) / (s - 1)


@public("torch.polygamma special.polygamma")
def polygamma(n, input, *, out=None):
    """The derivative of order `n` >= 0 of `digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return polygamma_of(input, n) if out is None else polygamma_of(input, n, out=out)


@op("special.zeta", pointwise=2, promote="float", node="SpecialZeta")
class zeta:
    """Hurwitz's zeta function: the sum over k >= 0 of `(other + k) ** -input`."""

    def forward(input, other):
        got = np.vectorize(hurwitz_reference, otypes=[np.float64])(input, other)
        return got.astype(np.result_type(input, other, np.float32))

    def grad_other(g, input, other):
        return g * -input * zeta(input + 1, other)

    def samples(make):
        yield make(3, 5, low=2, high=4, grad=False), make(3, 5, low=0.5, high=3)


@public("torch.mvlgamma Tensor.mvlgamma special.multigammaln")
def mvlgamma(input, p, *, out=None):
    """The logarithm of the multivariate gamma function of dimension `p` >= 1."""
    if p < 1:
        raise RuntimeError("mvlgamma: p has to be greater than or equal to 1")
    from .. import arange

    steps = arange(p, device=input.device) * 0.5
    if input.is_floating_point():
        steps = steps.to(input.dtype)
    total = (input.unsqueeze(-1) - steps).lgamma().sum(-1)
    total = total + 0.25 * p * (p - 1) * math.log(math.pi)
    return deliver(total, out, castable=True)


@public("Tensor.mvlgamma_")
def mvlgamma_(input, p):
    """`mvlgamma`, in place."""
    return input.copy_(mvlgamma(input, p))
