"""The normal distribution, entropy and the incomplete gamma functions."""

from __future__ import annotations

import math

from .._lazy import np
from ..op import op
from .special_functions import ROOT_PI, each, inverse_erf

ROOT_2 = 1.4142135623730951


def gamma_reference(a, x):
    """The power series of the lower part (DLMF 8.7.1)."""

    def one(a, x):
        if a <= 0 or x <= 0:
            return 0.0 if a > 0 and x == 0 else 1.0 if a == 0 and x > 0 else math.nan
        term = total = 1 / a
        for n in range(1, 500):
            term *= x / (a + n)
            total += term
        return total * math.exp(a * math.log(x) - x - math.lgamma(a))

    got = np.vectorize(one, otypes=[np.float64])(a, x)
    return got.astype(np.result_type(a, x, np.float32))


def gamma_density(a, x):
    """The derivative of the lower part by its second argument."""
    return (-x + (a - 1) * x.log() - a.lgamma()).exp()


def log1p_of(x):
    """`log1p` of a tensor or a number."""
    return math.log1p(x) if isinstance(x, (int, float)) else x.log1p()


@op("special.ndtr", pointwise=1, promote="float")
class ndtr:
    """The normal distribution's probability below `x`."""

    def forward(input):
        return each(lambda x: math.erfc(-x / ROOT_2) / 2, input)

    def grad_input(g, input):
        return g * (input * input * -0.5).exp() * 0.3989422804014327

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.log_ndtr", pointwise=1, promote="float", node="SpecialLogNdtr")
class log_ndtr:
    """The logarithm of `ndtr`, without underflow."""

    def forward(input):
        return each(lambda x: math.log(math.erfc(-x / ROOT_2) / 2), input)

    def grad_input(g, input):
        return g / erfcx(input * (-1 / ROOT_2)) * (ROOT_2 / ROOT_PI)

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.ndtri", pointwise=1, promote="float", node="SpecialNdtri")
class ndtri:
    """The normal distribution's quantile: the inverse of `ndtr`."""

    def forward(input):
        return each(lambda p: ROOT_2 * inverse_erf(2 * p - 1), input)

    def grad_input(g, out):
        return g * (out * out * 0.5).exp() * (ROOT_2 * ROOT_PI)

    def samples(make):
        yield (make(3, 5, low=0.05, high=0.95),)


@op("special.erfcx", pointwise=1, promote="float", node="SpecialErfcx")
class erfcx:
    """`exp(x * x) * erfc(x)`, without overflow for positive `x`."""

    def forward(input):
        return each(lambda x: math.exp(x * x) * math.erfc(x), input)

    def grad_input(g, input, out):
        return g * (2 * input * out - 2 / ROOT_PI)

    def samples(make):
        yield (make(3, 5, low=-2, high=4),)


@op("special.entr", pointwise=1, promote="float", node="SpecialEntr")
class entr:
    """`-x * log(x)`; zero at zero, minus infinity below."""

    def forward(input):
        x = input * 1.0
        return -x * np.log(np.where(x == 0, 1, x))

    def grad_input(g, input):
        return g * (-(input.log()) - 1)

    def samples(make):
        yield (make(3, 5, low=0.1, high=3),)


@op("special.xlog1py", pointwise=2, promote="float", node="SpecialXlog1Py")
class xlog1py:
    """`input * log1p(other)`, zero where `input` is zero; NaN where `other` is."""

    def forward(input, other):
        return input * np.log1p(1.0 * np.where((input == 0) & ~np.isnan(other), 0, other))

    def grad_input(g, input, other):
        return (g * log1p_of(other)).masked_fill((input == 0) & (other <= -1), 0)

    def grad_other(g, input, other):
        return g * input / (other + 1)

    def samples(make):
        yield make(3, 5), make(3, 5, low=-0.5)


@op(
    "torch.igamma Tensor.igamma Tensor.igamma_ special.gammainc",
    pointwise=2,
    promote="float",
    numbers="",
)
class igamma:
    """The regularised lower incomplete gamma function P(input, other)."""

    def forward(input, other):
        return gamma_reference(input, other)

    def grad_other(g, input, other):
        return g * gamma_density(input, other)

    def samples(make):
        yield make(3, 5, low=0.5, high=4, grad=False), make(3, 5, low=0.2, high=5)


@op(
    "torch.igammac Tensor.igammac Tensor.igammac_ special.gammaincc",
    pointwise=2,
    promote="float",
    numbers="",
)
class igammac:
    """The regularised upper incomplete gamma function Q(input, other)."""

    def forward(input, other):
        return 1 - gamma_reference(input, other)

    def grad_other(g, input, other):
        return -g * gamma_density(input, other)

    def samples(make):
        yield make(3, 5, low=0.5, high=4, grad=False), make(3, 5, low=0.2, high=5)
