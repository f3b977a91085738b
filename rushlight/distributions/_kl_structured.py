"""KL(p || q) of vectors and of what is made from other distributions."""

from __future__ import annotations

import rushlight as torch

from .exp_family import ExponentialFamily
from .independent import Independent
from .kl import kl_divergence, register_kl
from .lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_logdet,
    _batch_lowrank_mahalanobis,
)
from .multivariate_normal import MultivariateNormal, _batch_mahalanobis, _half_log_det
from .transformed_distribution import TransformedDistribution
from .utils import _sum_rightmost


@register_kl(ExponentialFamily, ExponentialFamily)
def _kl_expfamily_expfamily(p, q):
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot "
            "be computed using Bregman divergences"
        )
    p_params = [n.detach().requires_grad_() for n in p._natural_params]
    with torch.enable_grad():
        normalizer = p._log_normalizer(*p_params)
        slopes = torch.autograd.grad(normalizer.sum(), p_params, create_graph=True)
    divergence = q._log_normalizer(*q._natural_params) - normalizer
    for mine, its, slope in zip(p_params, q._natural_params, slopes, strict=True):
        divergence = divergence - _sum_rightmost((its - mine) * slope, len(q.event_shape))
    return divergence


@register_kl(TransformedDistribution, TransformedDistribution)
def _kl_transformed_transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _kl_independent_independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


def _need_one_event_shape(p, q):
    if p.event_shape != q.event_shape:
        lowrank = [isinstance(d, LowRankMultivariateNormal) for d in (p, q)]
        kind = "Low Rank " if all(lowrank) else "(Low Rank) " if any(lowrank) else ""
        raise ValueError(
            f"KL-divergence between two {kind}Multivariate Normals with "
            "different event shapes cannot be computed"
        )


def _trace_of_product(factor, matrix):
    """tr((L L')^-1 A A') for triangular L."""
    batch = torch.broadcast_shapes(factor.shape[:-2], matrix.shape[:-2])
    factor = factor.expand(batch + factor.shape[-2:])
    matrix = matrix.expand(batch + matrix.shape[-2:])
    return torch.linalg.solve_triangular(factor, matrix, upper=False).pow(2).sum((-2, -1))


@register_kl(MultivariateNormal, MultivariateNormal)
def _kl_multivariatenormal_multivariatenormal(p, q):
    _need_one_event_shape(p, q)
    p_factor, q_factor = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = _trace_of_product(q_factor, p_factor)
    distance = _batch_mahalanobis(q_factor, q.loc - p.loc)
    log_ratio = _half_log_det(q_factor) - _half_log_det(p_factor)
    return log_ratio + 0.5 * (trace + distance - p.event_shape[0])


def _log_det(d):
    """log det of the covariance."""
    if isinstance(d, MultivariateNormal):
        return 2 * _half_log_det(d._unbroadcasted_scale_tril)
    return _batch_lowrank_logdet(
        d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag, d._capacitance_tril
    )


def _columns_of(d):
    """Matrices A with the sum of A A' the covariance."""
    if isinstance(d, MultivariateNormal):
        return [d._unbroadcasted_scale_tril]
    return [d._unbroadcasted_cov_factor, torch.diag_embed(d._unbroadcasted_cov_diag.sqrt())]


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _kl_to_lowrank(p, q):
    _need_one_event_shape(p, q)
    W, D = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
    distance = _batch_lowrank_mahalanobis(W, D, q.loc - p.loc, q._capacitance_tril)
    # The inverse of q's covariance is D^-1 - B B', B = D^-1 W C^-T (Woodbury).
    scaled = W.mT / D.unsqueeze(-2)
    trace = 0
    for columns in _columns_of(p):
        direct = (columns.pow(2) / D.unsqueeze(-1)).sum((-2, -1))
        trace = trace + direct - _trace_of_product(q._capacitance_tril, scaled @ columns)
    return 0.5 * (_log_det(q) - _log_det(p) + trace + distance - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _kl_lowrankmultivariatenormal_multivariatenormal(p, q):
    _need_one_event_shape(p, q)
    factor = q._unbroadcasted_scale_tril
    distance = _batch_mahalanobis(factor, q.loc - p.loc)
    trace = sum(_trace_of_product(factor, columns) for columns in _columns_of(p))
    return 0.5 * (_log_det(q) - _log_det(p) + trace + distance - p.event_shape[0])
