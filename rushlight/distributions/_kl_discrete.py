"""KL(p || q) of discrete distributions."""

from __future__ import annotations

import rushlight as torch

from .bernoulli import Bernoulli
from .binomial import Binomial
from .categorical import Categorical
from .geometric import Geometric
from .kl import register_kl
from .one_hot_categorical import OneHotCategorical
from .poisson import Poisson


def _infinite_like(tensor):
    return torch.full_like(tensor, torch.inf)


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(p, q):
    softplus = torch.nn.functional.softplus
    # log(1 - s(l)) is -softplus(l), log s(l) is -softplus(-l).
    by_one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    by_zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    divergence = by_one + by_zero
    impossible = ((q.probs == 0) & (p.probs != 0)) | ((q.probs == 1) & (p.probs != 1))
    return divergence.masked_fill(impossible, torch.inf)


@register_kl(Binomial, Binomial)
def _kl_binomial_binomial(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    odds = p.probs * (p.logits - q.logits)
    divergence = p.total_count * (odds + (-p.probs).log1p() - (-q.probs).log1p())
    return divergence.masked_fill(p.total_count > q.total_count, torch.inf)


@register_kl(Categorical, Categorical)
def _kl_categorical_categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = terms.masked_fill(q.probs == 0, torch.inf)
    return terms.masked_fill(p.probs == 0, 0).expand_as(p.probs).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _kl_onehotcategorical_onehotcategorical(p, q):
    return _kl_categorical_categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _kl_geometric_geometric(p, q):
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _kl_poisson_poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Bernoulli, Poisson)
def _kl_bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Poisson, Bernoulli)
@register_kl(Poisson, Binomial)
def _kl_poisson_infinity(p, q):
    return _infinite_like(p.rate)
