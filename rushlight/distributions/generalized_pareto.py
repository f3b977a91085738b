"""The generalized Pareto distribution."""

from __future__ import annotations

import rushlight as torch

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Excesses over a threshold `loc`; their tail is like x^(-1 / concentration)."""

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    @property
    def _exponential(self):
        """Where the concentration is 0 but for rounding, and the law exponential."""
        return torch.isclose(self.concentration, torch.zeros_like(self.concentration))

    def _safe_concentration(self):
        return torch.where(
            self._exponential, torch.ones_like(self.concentration), self.concentration
        )

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        z, k = self._z(value), self._safe_concentration()
        # k z, and with it the density, is 0 beyond a finite upper end.
        grown = torch.where(self._exponential, z, (1 + 1 / k) * torch.log1p(k * z))
        return -self.scale.log() - grown

    def log_survival_function(self, value):
        """log P(X > value)."""
        if self._validate_args:
            self._validate_sample(value)
        z, k = self._z(value), self._safe_concentration()
        return torch.where(self._exponential, -z, -torch.log1p(k * z) / k)

    def log_cdf(self, value):
        """log P(X <= value)."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value):
        return torch.exp(self.log_cdf(value))

    def icdf(self, value):
        k, log_rest = self._safe_concentration(), torch.log1p(-value)
        quantile = torch.where(self._exponential, -log_rest, torch.expm1(-k * log_rest) / k)
        return self.loc + self.scale * quantile

    def _z(self, x):
        return (x - self.loc) / self.scale

    @property
    def mean(self):
        k = self.concentration
        return torch.where(k < 1, self.loc + self.scale / (1 - k), torch.nan)

    @property
    def variance(self):
        k = self.concentration
        variance = self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k))
        return torch.where(k < 0.5, variance, torch.nan)

    def entropy(self):
        return torch.log(self.scale) + self.concentration + 1

    @property
    def mode(self):
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = self.loc - self.scale / self.concentration
        return constraints.interval(
            self.loc, torch.where(self.concentration < 0, end, torch.inf)
        )  # fmt: skip
