"""Bessel functions and the Airy function."""

from __future__ import annotations

from .._lazy import np
from ..op import op


def like(got, x):
    """A result in the floating type of the operand."""
    return got.astype(np.result_type(x, np.float32))


def cosine_integral(x, integrand):
    """The mean of a periodic function over [0, pi]: Bessel's integral (DLMF 10.9.1, 10.32.3)."""
    t = (np.arange(400) + 0.5) * (np.pi / 400)
    return like(integrand(t, np.asarray(x, np.float64)[..., None]).mean(-1), x)


def bessel_y(x, order):
    """An integral over [0, pi] and one over a decaying tail (DLMF 10.9.7)."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    t, weights = (nodes + 1) / 2, weights / 2
    wide = np.asarray(x, np.float64)[..., None]
    first = np.sin(wide * np.sin(np.pi * t) - order * np.pi * t) @ weights
    s = t * 8
    growth = np.exp(order * s) + (-1) ** order * np.exp(-order * s)
    second = (growth * np.exp(-wide * np.sinh(s))) @ weights * 8
    return like(np.where(np.asarray(x) == 0, -np.inf, first - second / np.pi), x)


def bessel_k(x, order, scaled):
    """The integral of exp(-x cosh t) cosh(order t) (DLMF 10.32.9)."""
    t = (np.arange(4000) + 0.5) * (12 / 4000)
    wide = np.asarray(x, np.float64)[..., None]
    values = np.exp(wide * (scaled - np.cosh(t))) * np.cosh(order * t)
    got = np.where(np.asarray(x) == 0, np.inf, values.sum(-1) * (12 / 4000))
    return like(np.where(np.asarray(x) < 0, np.nan, got), x)


def airy_reference(x):
    """The power series (DLMF 9.4.1)."""
    cube = np.asarray(x, np.longdouble) ** 3
    f, g = np.ones_like(cube), np.asarray(x, np.longdouble)
    total = 0.355028053887817239260 * f - 0.258819403792806798405 * g
    for k in range(1, 60):
        f, g = f * cube / ((3 * k - 1) * 3 * k), g * cube / (3 * k * (3 * k + 1))
        total = total + 0.355028053887817239260 * f - 0.258819403792806798405 * g
    return like(total.astype(np.float64), x)


@op(
    "torch.i0 torch.i0_ Tensor.i0 Tensor.i0_ special.i0 special.modified_bessel_i0",
    pointwise=1,
    promote="float",
    node="I0Backward0",
)
class i0:
    """The modified Bessel function of the first kind of order 0."""

    def forward(input):
        return np.i0(input).astype(np.result_type(input, np.float32))

    def grad_input(g, input):
        return g * i1(input)

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.i0e", pointwise=1, promote="float", node="SpecialI0EBackward0")
class i0e:
    """`exp(-|x|) * i0(x)`."""

    def forward(input):
        return np.exp(-np.abs(input * 1.0)) * np.i0(input).astype(np.result_type(input, np.float32))

    def grad_input(g, input, out):
        return g * (i1e(input) - input.sgn() * out)

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op(
    "special.i1 special.modified_bessel_i1",
    pointwise=1,
    promote="float",
    node="SpecialI1Backward0",
)
class i1:
    """The modified Bessel function of the first kind of order 1."""

    def forward(input):
        return cosine_integral(input, lambda t, x: np.exp(x * np.cos(t)) * np.cos(t))

    def grad_input(g, input, out):
        return g * (i0(input) - (out / input).masked_fill(input == 0, 0.5))

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.i1e", pointwise=1, promote="float", node="SpecialI1EBackward0")
class i1e:
    """`exp(-|x|) * i1(x)`."""

    def forward(input):
        return cosine_integral(input, lambda t, x: np.exp(x * np.cos(t) - np.abs(x)) * np.cos(t))

    def grad_input(g, input, out):
        return g * (i0e(input) - (out / input).masked_fill(input == 0, 0.5) - out * input.sgn())

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.bessel_j0", pointwise=1, promote="float")
class bessel_j0:
    """The Bessel function of the first kind of order 0."""

    def forward(input):
        return cosine_integral(input, lambda t, x: np.cos(x * np.sin(t)))

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.bessel_j1", pointwise=1, promote="float")
class bessel_j1:
    """The Bessel function of the first kind of order 1."""

    def forward(input):
        return cosine_integral(input, lambda t, x: np.cos(t - x * np.sin(t)))

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.bessel_y0", pointwise=1, promote="float")
class bessel_y0:
    """The Bessel function of the second kind of order 0."""

    def forward(input):
        return bessel_y(input, 0)

    def samples(make):
        yield (make(3, 5, low=0.2, high=6),)


@op("special.bessel_y1", pointwise=1, promote="float")
class bessel_y1:
    """The Bessel function of the second kind of order 1."""

    def forward(input):
        return bessel_y(input, 1)

    def samples(make):
        yield (make(3, 5, low=0.2, high=6),)


@op("special.modified_bessel_k0", pointwise=1, promote="float")
class modified_bessel_k0:
    """The modified Bessel function of the second kind of order 0."""

    def forward(input):
        return bessel_k(input, 0, 0)

    def samples(make):
        yield (make(3, 5, low=0.2, high=6),)


@op("special.modified_bessel_k1", pointwise=1, promote="float")
class modified_bessel_k1:
    """The modified Bessel function of the second kind of order 1."""

    def forward(input):
        return bessel_k(input, 1, 0)

    def samples(make):
        yield (make(3, 5, low=0.2, high=6),)


@op("special.scaled_modified_bessel_k0", pointwise=1, promote="float")
class scaled_modified_bessel_k0:
    """`exp(x) * modified_bessel_k0(x)`."""

    def forward(input):
        return bessel_k(input, 0, 1)

    def samples(make):
        yield (make(3, 5, low=0.2, high=6),)


@op("special.scaled_modified_bessel_k1", pointwise=1, promote="float")
class scaled_modified_bessel_k1:
    """`exp(x) * modified_bessel_k1(x)`."""

    def forward(input):
        return bessel_k(input, 1, 1)

    def samples(make):
        yield (make(3, 5, low=0.2, high=6),)


@op("special.spherical_bessel_j0", pointwise=1, promote="float")
class spherical_bessel_j0:
    """`sin(x) / x`, one at zero."""

    def forward(input):
        return np.sinc(input / np.pi)

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op("special.airy_ai", pointwise=1, promote="float")
class airy_ai:
    """The Airy function, which decays for positive `x`."""

    def forward(input):
        return airy_reference(input)

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)
