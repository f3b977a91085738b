"""The continuous Bernoulli distribution (Loaiza-Ganem and Cunningham 2019)."""

from __future__ import annotations

import math

import rushlight as torch
from rushlight.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from ._logits import Binary
from .exp_family import ExponentialFamily
from .utils import _one_of, broadcast_all, clamp_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(Binary, ExponentialFamily):
    """Density proportional to probs^x (1 - probs)^(1 - x) on [0, 1].

    Within `lims` of `probs`, about 1/2, Taylor's series stand for quotients 0 / 0.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    _mean_carrier_measure = 0
    has_rsample = True

    def __init__(self, probs: torch.Tensor | float | None = None,
                 logits: torch.Tensor | float | None = None,
                 lims: tuple[float, float] = (0.499, 0.501),
                 validate_args: bool | None = None) -> None:  # fmt: skip
        _one_of(probs, logits)
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            # Checked before clamping, which would hide what is wrong.
            region = self.arg_constraints["probs"]
            if validate_args is not None and not region.check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        else:
            (self.logits,) = broadcast_all(logits)
        self._param = self.logits if probs is None else self.probs
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def _near_half(self):
        low, high = self._lims
        return (self.probs > low) & (self.probs <= high)

    def _safe(self):
        """p, its log odds and 2 p - 1; about 1/2 those of another p, whose results are unused."""
        p = self.probs.masked_fill(self._near_half(), self._lims[0])
        return p, p.log() - (-p).log1p(), 2 * p - 1

    def _unless_near_half(self, exact, *series):
        """`exact`, or a polynomial of p - 1/2, its coefficients from the lowest."""
        x, value = self.probs - 0.5, 0
        for coefficient in reversed(series):
            value = value * x + coefficient
        return torch.where(self._near_half(), value, exact)

    def _cont_bern_log_norm(self):
        """log of the constant that makes the density integrate to 1: log odds / (2 p - 1)."""
        _, log_odds, slope = self._safe()
        return self._unless_near_half(
            (log_odds / slope).log(), math.log(2), 0, 4 / 3, 0, 104 / 45
        )  # fmt: skip

    @property
    def mean(self):
        p, log_odds, slope = self._safe()
        return self._unless_near_half(p / slope - 1 / log_odds, 1 / 2, 1 / 3, 0, 16 / 45)

    @property
    def stddev(self):
        return torch.sqrt(self.variance)

    @property
    def variance(self):
        p, log_odds, slope = self._safe()
        exact = log_odds.pow(-2) - p * (1 - p) / slope.square()
        return self._unless_near_half(exact, 1 / 12, 0, -1 / 15, 0, 128 / 945)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        bits = binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -bits + self._cont_bern_log_norm()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        p, _, slope = self._safe()
        grown = p.pow(value) * (1 - p).pow(1 - value)
        mass = torch.where(self._near_half(), value, (grown + p - 1) / slope)
        return torch.where(value <= 0, 0.0, torch.where(value >= 1, 1.0, mass)).to(mass)

    def icdf(self, value):
        p, log_odds, slope = self._safe()
        quantile = ((value * slope - p).log1p() - (-p).log1p()) / log_odds
        return torch.where(self._near_half(), value, quantile)

    def entropy(self):
        log_rest = torch.log1p(-self.probs)
        log_odds = torch.log(self.probs) - log_rest
        return self.mean * -log_odds - self._cont_bern_log_norm() - log_rest

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        """log((exp(x) - 1) / x), by its series about 0."""
        low, high = self._lims
        near_zero = (x > low - 0.5) & (x <= high - 0.5)
        safe = x.masked_fill(near_zero, low - 0.5)
        series = x / 2 + x**2 / 24 - x**4 / 2880
        return torch.where(near_zero, series, (safe.expm1() / safe).log())
