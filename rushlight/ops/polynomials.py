"""Orthogonal polynomials of `input`, of degrees `n` (numbers or tensors); without gradients."""

from __future__ import annotations

from .._lazy import np
from ..op import op


def evaluate(points, degrees, first, step):
    """The three-term recurrence from 1 and `first(x)`, point by point; 0 for degrees below 0."""

    def one(x, n):
        if not n > -1:
            return 0.0
        p, q = first(x), 1.0
        if int(n) == 0:
            return q
        for k in range(1, int(n)):
            p, q = step(k, x, p, q), p
        return p

    got = np.vectorize(one, otypes=[np.float64])(points, degrees)
    return got.astype(np.result_type(points, np.float32))


def chebyshev_step(k, x, p, q):
    return 2 * x * p - q


@op("special.chebyshev_polynomial_t", pointwise=2, promote="float")
class chebyshev_polynomial_t:
    """Chebyshev's polynomial of the first kind, of degree `n`."""

    def forward(input, n):
        return evaluate(input, n, lambda x: x, chebyshev_step)

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=9, grad=False)


@op("special.chebyshev_polynomial_u", pointwise=2, promote="float")
class chebyshev_polynomial_u:
    """Chebyshev's polynomial of the second kind, of degree `n`."""

    def forward(input, n):
        return evaluate(input, n, lambda x: 2 * x, chebyshev_step)

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=9, grad=False)


@op("special.chebyshev_polynomial_v", pointwise=2, promote="float")
class chebyshev_polynomial_v:
    """Chebyshev's polynomial of the third kind, of degree `n`."""

    def forward(input, n):
        return evaluate(input, n, lambda x: 2 * x - 1, chebyshev_step)

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=9, grad=False)


@op("special.chebyshev_polynomial_w", pointwise=2, promote="float")
class chebyshev_polynomial_w:
    """Chebyshev's polynomial of the fourth kind, of degree `n`."""

    def forward(input, n):
        return evaluate(input, n, lambda x: 2 * x + 1, chebyshev_step)

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=9, grad=False)


@op("special.shifted_chebyshev_polynomial_t", pointwise=2, promote="float")
class shifted_chebyshev_polynomial_t:
    """Chebyshev's polynomial of the first kind of `2 x - 1`, of degree `n`."""

    def forward(input, n):
        return evaluate(2.0 * input - 1, n, lambda x: x, chebyshev_step)

    def samples(make):
        yield make(3, 5, low=0), 3.0


@op("special.shifted_chebyshev_polynomial_u", pointwise=2, promote="float")
class shifted_chebyshev_polynomial_u:
    """Chebyshev's polynomial of the second kind of `2 x - 1`, of degree `n`."""

    def forward(input, n):
        return evaluate(2.0 * input - 1, n, lambda x: 2 * x, chebyshev_step)

    def samples(make):
        yield make(3, 5, low=0), 3.0


@op("special.shifted_chebyshev_polynomial_v", pointwise=2, promote="float")
class shifted_chebyshev_polynomial_v:
    """Chebyshev's polynomial of the third kind of `2 x - 1`, of degree `n`."""

    def forward(input, n):
        return evaluate(2.0 * input - 1, n, lambda x: 2 * x - 1, chebyshev_step)

    def samples(make):
        yield make(3, 5, low=0), 3.0


@op("special.shifted_chebyshev_polynomial_w", pointwise=2, promote="float")
class shifted_chebyshev_polynomial_w:
    """Chebyshev's polynomial of the fourth kind of `2 x - 1`, of degree `n`."""

    def forward(input, n):
        return evaluate(2.0 * input - 1, n, lambda x: 2 * x + 1, chebyshev_step)

    def samples(make):
        yield make(3, 5, low=0), 3.0


@op("special.hermite_polynomial_h", pointwise=2, promote="float")
class hermite_polynomial_h:
    """The physicist's Hermite polynomial of degree `n`."""

    def forward(input, n):
        return evaluate(input, n, lambda x: 2 * x, lambda k, x, p, q: 2 * x * p - 2 * k * q)

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=6, grad=False)


@op("special.hermite_polynomial_he", pointwise=2, promote="float")
class hermite_polynomial_he:
    """The probabilist's Hermite polynomial of degree `n`."""

    def forward(input, n):
        return evaluate(input, n, lambda x: x, lambda k, x, p, q: x * p - k * q)

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=6, grad=False)


@op("special.laguerre_polynomial_l", pointwise=2, promote="float")
class laguerre_polynomial_l:
    """Laguerre's polynomial of degree `n`."""

    def forward(input, n):
        return evaluate(
            input, n, lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)
        )

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=6, grad=False)


@op("special.legendre_polynomial_p", pointwise=2, promote="float")
class legendre_polynomial_p:
    """Legendre's polynomial of degree `n`."""

    def forward(input, n):
        return evaluate(
            input, n, lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)
        )

    def samples(make):
        yield make(3, 5), 3.0
        yield make(3, 5), make(5, low=0, high=6, grad=False)
