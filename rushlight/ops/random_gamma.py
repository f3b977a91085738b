"""Gamma and Dirichlet variates, and how they move with their concentrations."""

from __future__ import annotations

from .._lazy import np
from ..op import op
from .random import _normal_pairs, _unit53


def _variate(generator, a):
    """Marsaglia and Tsang (2000): the law is the kernel's, the draws are not."""
    if a < 1:
        return _variate(generator, a + 1) * _unit53(generator, 1)[0] ** (1 / a)
    d = a - 1 / 3
    while True:
        z, u = _normal_pairs(generator, 1)[0], 1 - _unit53(generator, 1)[0]
        v = (1 + z / np.sqrt(9 * d)) ** 3
        if v > 0 and np.log(u) < z * z / 2 + d * (1 - v + np.log(v)):
            return d * v


def _variates(input, generator):
    drawn = [_variate(generator, float(a)) for a in input.reshape(-1)]
    return np.array(drawn).reshape(input.shape)


def _not_differentiable(name):
    raise RuntimeError(f"the derivative for '{name}' is not implemented.")


@op("torch._standard_gamma", kernel="standard_gamma", node="StandardGamma")
class _standard_gamma:
    """Gamma variates of rate 1 for the concentrations in `input`."""

    random = True

    def forward(input, generator=None):
        return _variates(input, generator).astype(input.dtype)

    def grad_input(g, input, out):
        return g * _standard_gamma_grad(input, out)

    def samples(make):
        yield (make(3, 5, low=0.1, high=9),)


@op("torch._sample_dirichlet", kernel="sample_dirichlet", node="NotImplemented")
class _sample_dirichlet:
    """Points of the simplex for the concentrations in the last dim of `input`."""

    random = True

    def forward(input, generator=None):
        gammas = _variates(input, generator)
        return (gammas / gammas.sum(-1, keepdims=True)).astype(input.dtype)

    def grad_input(g):
        raise RuntimeError("derivative for aten::_sample_dirichlet is not implemented")

    def samples(make):
        yield (make(3, 5, low=0.1, high=9, grad=False),)


def _moved(rate, log_t, log_density, log_mean):
    """The integral of (log_mean - log t) f(t) / f(x) over t = x exp(-s), and its like above.

    Far out the density falls as exp(-rate s).
    """
    u = np.linspace(-3.6, 3.9, 600)
    s = np.exp(u - np.exp(-u)) / min(rate, 1)
    weight = s * (1 + np.exp(-u)) * (u[1] - u[0])
    return ((log_mean - log_t(s)) * np.exp(log_density(s)) * weight).sum()


def _gamma_moves(a, x):
    psi, log_x = _digamma(a), np.log(x)
    if x <= a:
        return x * _moved(a, lambda s: log_x - s, lambda s: -a * s - x * np.expm1(-s), psi)
    with np.errstate(over="ignore"):
        return -x * _moved(1, lambda s: log_x + s, lambda s: a * s - x * np.expm1(s), psi)


def _beta_moves(x, a, total):
    b, rest, log_x = total - a, 1 - x, np.log(x)
    log_mean = _digamma(a) - _digamma(total)

    def rise(s, odds):
        return np.log1p(-odds * np.expm1(-s))

    def density_below(s):
        return (b - 1) * rise(s, x / rest) - a * s

    def density_above(s):
        return (a - 1) * rise(s, rest / x) - b * s

    if x * total <= a:
        return x / rest * _moved(a, lambda s: log_x - s, density_below, log_mean)
    return -_moved(b, lambda s: log_x + rise(s, rest / x), density_above, log_mean)


def _digamma(x):
    """By the asymptotic series, ten steps up."""
    y = x + 10
    series = 1 / 12 - (1 / 120 - (1 / 252 - 1 / (240 * y * y)) / (y * y)) / (y * y)
    return np.log(y) - 0.5 / y - series / (y * y) - sum(1 / (x + k) for k in range(10))


def _each(function, *arrays):
    return np.vectorize(function, otypes=[np.float64])(*(a.astype(np.float64) for a in arrays))


@op("torch._standard_gamma_grad", pointwise=2, numbers="")
class _standard_gamma_grad:
    """d output / d input of a gamma variate whose quantile stays."""

    def forward(input, output):
        return _each(_gamma_moves, input, output).astype(input.dtype)

    def grad_input(g):
        _not_differentiable("_standard_gamma_grad")

    def grad_output(g):
        _not_differentiable("_standard_gamma_grad")

    def samples(make):
        yield make(3, 5, low=0.2, high=9, grad=False), make(5, low=0.1, high=9, grad=False)


@op("torch._dirichlet_grad", pointwise=3, numbers="")
class _dirichlet_grad:
    """dx / d alpha / (1 - x) of a variate x of Beta(alpha, total - alpha), its quantile fixed."""

    def forward(x, alpha, total):
        return _each(_beta_moves, x, alpha, total).astype(x.dtype)

    def grad_x(g):
        _not_differentiable("_dirichlet_grad")

    def grad_alpha(g):
        _not_differentiable("_dirichlet_grad")

    def grad_total(g):
        _not_differentiable("_dirichlet_grad")

    def samples(make):
        alpha = make(3, 5, low=0.2, high=4, grad=False)
        yield make(3, 5, low=0.01, high=0.99, grad=False), alpha, make(low=4.5, high=9, grad=False)
