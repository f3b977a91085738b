"""KL(p || q) of continuous distributions of one number.

Between families it is -H(p) - E log q, the expectation under p.
"""

from __future__ import annotations

import math

import rushlight as torch

from .beta import Beta
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .uniform import Uniform
from .utils import euler_constant

_LOG_TWO_PI = math.log(2 * math.pi)

# -- of one family ------------------------------------------------


@register_kl(Normal, Normal)
def _kl_normal_normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    distance = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + distance - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _kl_halfnormal_halfnormal(p, q):
    return _kl_normal_normal(p.base_dist, q.base_dist)


@register_kl(Exponential, Exponential)
def _kl_exponential_exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _kl_gamma_gamma(p, q):
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log()
        + torch.lgamma(b)
        - torch.lgamma(a)
        + (a - b) * torch.digamma(a)
        + (q.rate - p.rate) * (a / p.rate)
    )


def _dirichlet_divergence(a, b):
    """For concentrations (..., n) each."""
    a_total, b_total = a.sum(-1), b.sum(-1)
    normalizers = (
        a_total.lgamma() - b_total.lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    )  # fmt: skip
    return normalizers + ((a - b) * (a.digamma() - a_total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(p, q):
    return _dirichlet_divergence(p.concentration, q.concentration)


@register_kl(Beta, Beta)
def _kl_beta_beta(p, q):
    return _dirichlet_divergence(p._dirichlet.concentration, q._dirichlet.concentration)


@register_kl(Laplace, Laplace)
def _kl_laplace_laplace(p, q):
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * torch.exp(-distance / p.scale) - 1


@register_kl(Gumbel, Gumbel)
def _kl_gumbel_gumbel(p, q):
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    # E exp(-(x - q.loc) / q.scale)
    rise = torch.exp(shift + torch.lgamma(1 + ratio))
    return -ratio.log() - shift + ratio * euler_constant + rise - (1 + euler_constant)


@register_kl(Pareto, Pareto)
def _kl_pareto_pareto(p, q):
    ratio = q.alpha / p.alpha
    divergence = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return divergence.masked_fill(p.scale < q.scale, torch.inf)


@register_kl(Uniform, Uniform)
def _kl_uniform_uniform(p, q):
    divergence = ((q.high - q.low) / (p.high - p.low)).log()
    return divergence.masked_fill((q.low > p.low) | (q.high < p.high), torch.inf)


@register_kl(Cauchy, Cauchy)
def _kl_cauchy_cauchy(p, q):
    """Chyzak and Nielsen 2019."""
    square = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return square.log() - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _kl_continuous_bernoulli_continuous_bernoulli(p, q):
    mine = p._cont_bern_log_norm() + torch.log1p(-p.probs)
    return p.mean * (p.logits - q.logits) + mine - _log_edge(q)


def _log_edge(q):
    """The log density of a continuous Bernoulli at 0; it rises by logits a unit."""
    return q._cont_bern_log_norm() + torch.log1p(-q.probs)


# -- against a normal, an exponential, a continuous Bernoulli ------------------------------------


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _kl_any_normal(p, q):
    distance = ((p.mean - q.loc).pow(2) + p.variance) / (2 * q.scale.pow(2))
    return -p.entropy() + 0.5 * _LOG_TWO_PI + q.scale.log() + distance


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
@register_kl(Gamma, Exponential)
def _kl_positive_exponential(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Beta, ContinuousBernoulli)
def _kl_beta_continuous_bernoulli(p, q):
    return -p.entropy() - p.mean * q.logits - _log_edge(q)


# -- against a gamma ------------------------------------------------


def _cross_gamma(q, mean, mean_log):
    """-E log q."""
    a, rate = q.concentration, q.rate
    return -a * rate.log() + torch.lgamma(a) - (a - 1) * mean_log + rate * mean


@register_kl(Beta, Gamma)
def _kl_beta_gamma(p, q):
    total = p.concentration1 + p.concentration0
    mean_log = p.concentration1.digamma() - total.digamma()
    return -p.entropy() + _cross_gamma(q, p.mean, mean_log)


@register_kl(Exponential, Gamma)
def _kl_exponential_gamma(p, q):
    return -p.entropy() + _cross_gamma(q, p.mean, -euler_constant - p.rate.log())


# -- against a Gumbel ------------------------------------------------


def _cross_gumbel(q, mean, mean_fall):
    """-E log q, where mean_fall is E exp(-x / scale)."""
    return q.scale.log() + (mean - q.loc) / q.scale + torch.exp(q.loc / q.scale) * mean_fall


@register_kl(Exponential, Gumbel)
def _kl_exponential_gumbel(p, q):
    grown = p.rate * q.scale
    return -p.entropy() + _cross_gumbel(q, p.mean, grown / (1 + grown))


@register_kl(Gamma, Gumbel)
def _kl_gamma_gumbel(p, q):
    mean_fall = (1 + (p.rate * q.scale).reciprocal()).pow(-p.concentration)
    return -p.entropy() + _cross_gumbel(q, p.mean, mean_fall)


@register_kl(Normal, Gumbel)
def _kl_normal_gumbel(p, q):
    mean_fall = torch.exp(0.5 * (p.scale / q.scale).pow(2) - p.loc / q.scale)
    return -p.entropy() + _cross_gumbel(q, p.mean, mean_fall)


@register_kl(Uniform, Gumbel)
def _kl_uniform_gumbel(p, q):
    fall = torch.exp(-p.low / q.scale) - torch.exp(-p.high / q.scale)
    return -p.entropy() + _cross_gumbel(q, p.mean, fall * q.scale / (p.high - p.low))


# -- others ------------------------------------------------


@register_kl(Normal, Laplace)
def _kl_normal_laplace(p, q):
    distance = p.loc - q.loc
    z = distance / p.scale
    mean_distance = (
        math.sqrt(2 / math.pi) * p.scale * torch.exp(-0.5 * z.pow(2))
        + distance * torch.erf(math.sqrt(0.5) * z)
    )  # fmt: skip
    return -p.entropy() + (2 * q.scale).log() + mean_distance / q.scale


@register_kl(Beta, Uniform)
def _kl_beta_uniform(p, q):
    divergence = -p.entropy() + (q.high - q.low).log()
    return divergence.masked_fill((q.low > 0) | (q.high < 1), torch.inf)


@register_kl(ContinuousBernoulli, Uniform)
def _kl_continuous_bernoulli_uniform(p, q):
    # As in PyTorch, bounds at the very ends of the support count as within it.
    divergence = -p.entropy() + (q.high - q.low).log()
    return divergence.masked_fill((q.low >= 0) | (q.high <= 1), torch.inf)


@register_kl(Pareto, Exponential)
def _kl_pareto_exponential(p, q):
    divergence = -p.entropy() - q.rate.log() + q.rate * p.mean
    return divergence.masked_fill(p.alpha <= 1, torch.inf)


@register_kl(Pareto, Gamma)
def _kl_pareto_gamma(p, q):
    mean_log = p.scale.log() + p.alpha.reciprocal()
    divergence = -p.entropy() + _cross_gamma(q, p.mean, mean_log)
    return divergence.masked_fill(p.alpha <= 1, torch.inf)


@register_kl(Pareto, Normal)
def _kl_pareto_normal(p, q):
    return _kl_any_normal(p, q).masked_fill(p.alpha <= 2, torch.inf)


# -- of a uniform ------------------------------------------------


def _mean_log(low, high):
    """E log x for x spread evenly."""
    return (torch.xlogy(high, high) - torch.xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Beta)
def _kl_uniform_beta(p, q):
    a, b = q.concentration1, q.concentration0
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    divergence = (
        -p.entropy()
        + log_beta
        - (a - 1) * _mean_log(p.low, p.high)
        - (b - 1) * _mean_log(1 - p.high, 1 - p.low)
    )
    return divergence.masked_fill((p.high > 1) | (p.low < 0), torch.inf)


@register_kl(Uniform, ContinuousBernoulli)
def _kl_uniform_continuous_bernoulli(p, q):
    divergence = -p.entropy() - p.mean * q.logits - _log_edge(q)
    return divergence.masked_fill((p.high >= 1) | (p.low <= 0), torch.inf)


@register_kl(Uniform, Exponential)
def _kl_uniform_exponential(p, q):
    return _kl_positive_exponential(p, q).masked_fill(p.low < 0, torch.inf)


@register_kl(Uniform, Gamma)
def _kl_uniform_gamma(p, q):
    divergence = -p.entropy() + _cross_gamma(q, p.mean, _mean_log(p.low, p.high))
    return divergence.masked_fill(p.low < 0, torch.inf)


@register_kl(Uniform, Pareto)
def _kl_uniform_pareto(p, q):
    cross = -q.alpha.log() - q.alpha * q.scale.log()
    divergence = -p.entropy() + cross + (q.alpha + 1) * _mean_log(p.low, p.high)
    return divergence.masked_fill(p.low < q.scale, torch.inf)


# -- where p reaches beyond q's support ------------------------------------------------

_BEYOND = {
    Beta: [Pareto],
    ContinuousBernoulli: [Pareto],
    Exponential: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gamma: [Beta, ContinuousBernoulli, Pareto, Uniform],
    Gumbel: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Laplace: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Normal: [Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform],
    Pareto: [Beta, ContinuousBernoulli, Uniform],
}


def _kl_infinity(p, q):
    return torch.full_like(p.mean, torch.inf)


for _p, _all_q in _BEYOND.items():
    for _q in _all_q:
        register_kl(_p, _q)(_kl_infinity)
