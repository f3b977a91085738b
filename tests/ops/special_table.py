"""How accurate each special function must be: ranges, and errors in units in the last place.

A row is (function, exact form, range or ranges, bound for float64, scale). Bounds for float32 are
1 (one rounding of a double result) unless FLOAT_BOUNDS says otherwise. Errors are in ulp of the
exact value or, where a scale is given, of the larger of that and scale(x): functions that oscillate
about zero cannot keep relative accuracy near their zeros.
"""

from __future__ import annotations

import mpmath as mp

FLOAT_BOUNDS = {
    "erf": 3, "erfc": 2, "expit": 2, "logit": 3, "sinc": 3, "exp2": 2, "expm1": 2, "log1p": 2,
    "xlogy": 2, "multigammaln": 3,
}  # fmt: skip


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def normal_quantile(p):
    tail = min(p, 1 - p)
    x = -mp.sqrt(-2 * mp.log(tail)) if tail < 0.1 else -mp.sqrt(2) * mp.erfinv(1 - 2 * tail)
    for _ in range(60):
        step = (normal(x) - tail) * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
        x -= step / (1 + x * step / 2)
        if abs(step) < mp.mpf(10) ** -25 * abs(x):
            break
    return x if p < 0.5 else -x


def lower_gamma(a, x, digits=40):
    """The regularised lower incomplete gamma function by its power series."""
    with mp.workdps(digits):
        term = total = 1 / mp.mpf(a)
        n = 1
        while term > total * mp.mpf(10) ** -(digits + 2):
            term *= x / (a + n)
            total += term
            n += 1
        return total * mp.exp(a * mp.log(x) - x - mp.loggamma(a))


def upper_gamma(a, x):
    digits = 60 + int(x / 2)
    with mp.workdps(digits):
        return 1 - lower_gamma(a, x, digits)


def multigammaln(x, p):
    pairs = mp.mpf(p * (p - 1)) / 4 * mp.log(mp.pi)
    return pairs + sum(mp.loggamma(x - mp.mpf(j) / 2) for j in range(p))


def envelope(x):
    """The amplitude of Bessel functions."""
    return min(1.0, (2 / (3.14 * x)) ** 0.5)


def airy_envelope(x):
    return 0.5 * abs(x) ** -0.25 if x < -1 else 0.0


def polynomial(name):
    """Exact values, and the size of the terms that nearly cancel."""
    half = mp.mpf(1) / 2

    def third(x, n):
        t = mp.acos(x)
        return mp.re(mp.cos((n + half) * t) / mp.cos(t / 2))

    def fourth(x, n):
        t = mp.acos(x)
        return mp.re(mp.sin((n + half) * t) / mp.sin(t / 2))

    forms = {
        "chebyshev_polynomial_t": (lambda x, n: mp.chebyt(n, x), lambda x, n: n),
        "chebyshev_polynomial_u": (lambda x, n: mp.chebyu(n, x), lambda x, n: n * n + 1),
        "chebyshev_polynomial_v": (third, lambda x, n: n * n + 1),
        "chebyshev_polynomial_w": (fourth, lambda x, n: n * n + 1),
        "hermite_polynomial_h": (
            lambda x, n: mp.hermite(n, x),
            lambda x, n: abs(mp.hermite(n, 1j * x)),
        ),
        "hermite_polynomial_he": (
            lambda x, n: mp.mpf(2) ** (-mp.mpf(n) / 2) * mp.hermite(n, x / mp.sqrt(2)),
            lambda x, n: abs(2.0 ** (-n / 2) * mp.hermite(n, 1j * x / 2**0.5)),
        ),
        "laguerre_polynomial_l": (
            lambda x, n: mp.laguerre(n, 0, x),
            lambda x, n: mp.laguerre(n, 0, -abs(x)),
        ),
        "legendre_polynomial_p": (lambda x, n: mp.legendre(n, x), lambda x, n: n),
    }
    if not name.startswith("shifted_"):
        return forms[name]
    exact, scale = forms[name[8:]]
    return lambda x, n: exact(2 * x - 1, n), lambda x, n: scale(2 * float(x) - 1, n)


def scaled(f):
    return lambda x: f(x) * mp.exp(-abs(x))


def bessel(kind, order):
    return lambda x: kind(order, x)


ONE = [  # function, exact form, ranges, bound, scale
    ("erf", mp.erf, [(-6, 6), (1e-10, 1e-3)], 3, None),
    ("erfc", mp.erfc, [(-6, 6), (5, 26)], 3, None),
    ("erfinv", mp.erfinv, [(-0.999, 0.999), (1e-10, 1e-3), (0.999, 0.9999999)], 4, None),
    ("erfcx", lambda x: mp.exp(x * x) * mp.erfc(x), [(-26, 0), (0, 12), (12, 1e4)], 6, None),
    ("gammaln", mp.loggamma, [(1e-8, 3), (3, 1e5), (1e5, 1e30)], 4, None),
    ("gammaln", lambda x: mp.log(abs(mp.gamma(x))), [(-20, 0)], 4, lambda x: 1),
    ("digamma", mp.digamma, [(1e-8, 0.5), (1.4, 1.5), (3, 1e8)], 8, None),
    ("digamma", mp.digamma, [(0.5, 3), (-20, 0)], 16, lambda x: 1),
    ("i0", bessel(mp.besseli, 0), [(0, 1), (1, 30), (30, 700)], 8, None),
    ("i1", bessel(mp.besseli, 1), [(-1, 0), (1, 30), (30, 700)], 8, None),
    ("i0e", scaled(bessel(mp.besseli, 0)), [(0, 1), (1, 30), (30, 1e6)], 8, None),
    ("i1e", scaled(bessel(mp.besseli, 1)), [(0, 1), (1, 30), (30, 1e6)], 8, None),
    ("bessel_j0", bessel(mp.besselj, 0), [(0.01, 5), (5, 100), (1e3, 1e9)], 6, envelope),
    ("bessel_j1", bessel(mp.besselj, 1), [(1, 5), (5, 100), (1e3, 1e9)], 6, envelope),
    ("bessel_j1", bessel(mp.besselj, 1), [(1e-6, 1)], 3, None),
    ("bessel_y0", bessel(mp.bessely, 0), [(1e-6, 5), (5, 100), (1e3, 1e9)], 6, envelope),
    ("bessel_y1", bessel(mp.bessely, 1), [(1e-6, 5), (5, 100), (1e3, 1e9)], 6, envelope),
    ("modified_bessel_k0", bessel(mp.besselk, 0), [(1e-6, 1), (1, 30), (30, 700)], 10, None),
    ("modified_bessel_k1", bessel(mp.besselk, 1), [(1e-6, 1), (1, 30), (30, 700)], 10, None),
    ("scaled_modified_bessel_k0", lambda x: mp.besselk(0, x) * mp.exp(x),
     [(1e-6, 1), (1, 30), (30, 1e4)], 10, None),
    ("scaled_modified_bessel_k1", lambda x: mp.besselk(1, x) * mp.exp(x),
     [(1e-6, 1), (1, 30), (30, 1e4)], 10, None),
    ("spherical_bessel_j0", lambda x: mp.sin(x) / x, [(1e-9, 1e-3), (1e-3, 50)], 3, None),
    ("airy_ai", mp.airyai, [(-1, 2.5), (2.5, 20), (20, 100)], 8, None),
    ("airy_ai", mp.airyai, [(-12.5, -1), (-100, -12.5), (-1e10, -1e3)], 8, airy_envelope),
    ("ndtr", normal, [(-5, 5), (-37, -5), (5, 10)], 4, None),
    ("log_ndtr", lambda x: mp.log(normal(x)) if x < 0 else mp.log1p(-normal(-x)),
     [(-5, 5), (-1e4, -5), (5, 35)], 5, None),
    ("ndtri", normal_quantile, [(0.01, 0.99), (1e-300, 0.01), (0.49, 0.51)], 4, None),
    ("entr", lambda x: -x * mp.log(x), [(1e-10, 0.5), (0.5, 2), (2, 1e6)], 2, None),
    ("expit", lambda x: 1 / (1 + mp.exp(-x)), [(-80, -5), (-5, 5), (5, 30)], 4, None),
    ("logit", lambda x: mp.log(x / (1 - x)), [(1e-10, 0.01), (0.01, 0.99), (0.49, 0.51)], 4, None),
    ("sinc", lambda x: mp.sincpi(x), [(1e-9, 1e-3), (1e-3, 1), (1, 30)], 4, None),
    ("exp2", lambda x: mp.mpf(2) ** x, [(-100, 100)], 2, None),
    ("expm1", mp.expm1, [(-1, 1), (-30, 80)], 2, None),
    ("log1p", mp.log1p, [(-0.999, 0.5), (1, 1e6)], 2, None),
]  # fmt: skip

TWO = [  # function, exact form, pairs of ranges, bound
    ("zeta", mp.zeta, [((1.01, 3), (0.1, 5)), ((2, 30), (0.1, 5)), ((2, 10), (100, 1e6))], 8),
    ("gammainc", lower_gamma, [((0.1, 3), (0.01, 5)), ((1, 30), (0.1, 60)),
     ((30, 200), (20, 250)), ((200, 2000), (180, 2200)), ((50, 100), (1, 30))], 16),
    ("gammaincc", upper_gamma, [((0.1, 3), (0.01, 5)), ((1, 30), (0.1, 60)),
     ((30, 200), (20, 250)), ((1e-6, 1e-3), (1e-3, 2)), ((0.1, 5), (5, 100))], 60),
    ("xlog1py", lambda x, y: x * mp.log1p(y), [((-3, 3), (-0.9, 10)), ((1, 3), (1e-9, 1e-5))], 3),
    ("xlogy", lambda x, y: x * mp.log(y), [((-3, 3), (0.1, 10)), ((-3, 3), (0.99, 1.01))], 3),
]  # fmt: skip

ORDERS = [  # function of a whole number and x, exact form, orders, ranges of x, bound
    ("polygamma", mp.psi, (1, 2, 3, 5), [(0.01, 1), (1, 20), (20, 1e4)], 20),
    ("multigammaln", lambda p, x: multigammaln(x, p), (1, 3, 10), [(5, 8), (10, 1000)], 4),
]

POLYNOMIALS = [  # name, range, bound
    ("chebyshev_polynomial_t", (-1, 1), 4), ("chebyshev_polynomial_u", (-1, 1), 4),
    ("chebyshev_polynomial_v", (-0.99, 1), 8), ("chebyshev_polynomial_w", (-1, 0.99), 8),
    ("shifted_chebyshev_polynomial_t", (0, 1), 4), ("shifted_chebyshev_polynomial_u", (0, 1), 4),
    ("shifted_chebyshev_polynomial_v", (0.01, 1), 8),
    ("shifted_chebyshev_polynomial_w", (0, 0.99), 8),
    ("hermite_polynomial_h", (-3, 3), 30), ("hermite_polynomial_he", (-3, 3), 30),
    ("laguerre_polynomial_l", (-3, 5), 80), ("legendre_polynomial_p", (-1, 1), 4),
]  # fmt: skip
