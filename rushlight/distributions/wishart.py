"""The Wishart distribution."""

from __future__ import annotations

import math
import warnings

import rushlight as torch

from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import _NOT_ONE, _TOO_FLAT, _given, _half_log_det, _WithCovariance

__all__ = ["Wishart"]

_LOG_2 = math.log(2)


def _mvdigamma(x, p):
    """The derivative of log gamma_p."""
    steps = torch.arange(p, dtype=x.dtype, device=x.device)
    return torch.digamma(x.unsqueeze(-1) - steps.div(2)).sum(-1)


def _clamp_above_eps(x):
    return x.clamp(min=torch.finfo(x.dtype).eps)


class Wishart(_WithCovariance, ExponentialFamily):
    """X' X for `df` rows of normal variates with a covariance, a precision or a factor."""

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, df: torch.Tensor | float, covariance_matrix: torch.Tensor | None = None,
                 precision_matrix: torch.Tensor | None = None,
                 scale_tril: torch.Tensor | None = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        given = _given(
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        if len(given) != 1:
            raise AssertionError(_NOT_ONE)
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError(f"scale_tril {_TOO_FLAT}")
        if isinstance(df, (int, float)):
            batch_shape = torch.Size(matrix.shape[:-2])
            self.df = torch.tensor(df, dtype=matrix.dtype, device=matrix.device)
        else:
            batch_shape = torch.broadcast_shapes(matrix.shape[:-2], df.shape)
            self.df = df.expand(batch_shape)
        event_shape = matrix.shape[-2:]
        n = event_shape[-1]
        if self.df.le(n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        setattr(self, name, matrix.expand(batch_shape + (-1, -1)))
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        if self.df.lt(n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self._keep_factor(name, matrix)
        self._dist_chi2 = self._chi2_of_rows()

    def _chi2_of_rows(self):
        """One for each diagonal element of Bartlett's factor: df, df - 1, ..."""
        n = self._event_shape[-1]
        steps = torch.arange(n, dtype=self.df.dtype, device=self.df.device)
        return Chi2(df=self.df.unsqueeze(-1) - steps.expand(self._batch_shape + (-1,)))

    @property
    def arg_constraints(self):
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    @property
    def mean(self):
        return self.df.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def mode(self):
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = torch.where(factor <= 0, torch.nan, factor)
        return factor.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def variance(self):
        V = self.covariance_matrix
        diagonal = V.diagonal(dim1=-2, dim2=-1)
        outer = torch.einsum("...i,...j->...ij", diagonal, diagonal)
        return self.df.view(self._batch_shape + (1, 1)) * (V.pow(2) + outer)

    def _bartlett_sampling(self, sample_shape=torch.Size()):  # noqa: B008
        """L A A' L' with roots of chi-squared variates on A's diagonal, normal ones below."""
        n = self._event_shape[-1]
        factor = _clamp_above_eps(self._dist_chi2.rsample(sample_shape).sqrt()).diag_embed()
        rows, columns = torch.tril_indices(n, n, offset=-1)
        below = torch.randn(
            torch.Size(sample_shape) + self._batch_shape + (n * (n - 1) // 2,),
            dtype=self.df.dtype,
            device=self.df.device,
        )
        factor[..., rows, columns] = below
        product = self._unbroadcasted_scale_tril @ factor
        return product @ product.mT

    def rsample(self, sample_shape=torch.Size(), max_try_correction=None):  # noqa: B008
        """Variates; singular ones are drawn again, `max_try_correction` times (10) at most."""
        tries = 10 if max_try_correction is None else max_try_correction
        sample = self._bartlett_sampling(torch.Size(sample_shape))
        # PyTorch's first check is the wrong way round: what is not singular is drawn again, too.
        # The same seed gives the same numbers only with this.
        again = self._any_of_batch(self.support.check(sample))
        for _ in range(tries):
            if not again.any():
                break
            sample = sample.clone()
            sample[again] = self._bartlett_sampling(torch.Size((int(again.sum()),)))
            again = self._any_of_batch(~self.support.check(sample))
            if again.any():
                warnings.warn("Singular sample detected.", stacklevel=2)
        return sample

    def _any_of_batch(self, flags):
        return flags.flatten(-len(self._batch_shape)).any(-1) if self._batch_shape else flags

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        factor = self._unbroadcasted_scale_tril
        return (
            -nu * (p * _LOG_2 / 2 + _half_log_det(factor))
            - torch.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - torch.cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(dim=-1) / 2
        )

    def entropy(self):
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * _LOG_2 / 2 + _half_log_det(self._unbroadcasted_scale_tril))
            + torch.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p=p)
            + nu * p / 2
        )

    @property
    def _natural_params(self):
        nu, p = self.df, self._event_shape[-1]
        return -self.precision_matrix / 2, (nu - p - 1) / 2

    def _log_normalizer(self, x, y):
        p = self._event_shape[-1]
        shifted = y + (p + 1) / 2
        return shifted * (
            -torch.linalg.slogdet(-2 * x).logabsdet + _LOG_2 * p
        ) + torch.mvlgamma(shifted, p=p)  # fmt: skip
