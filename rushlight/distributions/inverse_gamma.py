"""The inverse gamma distribution."""

from __future__ import annotations

import rushlight as torch

from . import constraints
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / X for a gamma variate X."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True
    base_dist: Gamma

    def __init__(self, concentration: torch.Tensor | float, rate: torch.Tensor | float,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        base = Gamma(concentration, rate, validate_args=validate_args)
        inverse = PowerTransform(-torch.ones_like(base.rate))
        super().__init__(base, inverse, validate_args=validate_args)

    @property
    def concentration(self) -> torch.Tensor:
        """The concentration of X."""
        return self.base_dist.concentration

    @property
    def rate(self) -> torch.Tensor:
        """The rate of X."""
        return self.base_dist.rate

    @property
    def mean(self):
        return torch.where(
            self.concentration > 1, self.rate / (self.concentration - 1), torch.inf
        )  # fmt: skip

    @property
    def mode(self):
        return self.rate / (self.concentration + 1)

    @property
    def variance(self):
        a = self.concentration
        variance = self.rate.square() / ((a - 1).square() * (a - 2))
        return torch.where(a > 2, variance, torch.inf)

    def entropy(self):
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()
