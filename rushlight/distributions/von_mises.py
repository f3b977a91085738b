"""The von Mises distribution."""

from __future__ import annotations

import math

import rushlight as torch

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


def _proposal_r(concentration):
    """Best and Fisher's r; by its series where the concentration is small."""
    tau = 1 + (1 + 4 * concentration**2).sqrt()
    rho = (tau - (2 * tau).sqrt()) / (2 * concentration)
    r = (1 + rho**2) / (2 * rho)
    return torch.where(concentration < 1e-5, 1 / concentration + concentration, r)


class VonMises(Distribution):
    """An angle of density proportional to exp(concentration cos(x - loc)), in [-pi, pi)."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: torch.Tensor, concentration: torch.Tensor,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, torch.Size(), validate_args)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        rise = self.concentration * torch.cos(value - self.loc)
        # log I0(k) = log i0e(k) + k
        log_bessel = torch.special.i0e(self.concentration).log() + self.concentration
        return rise - math.log(2 * math.pi) - log_bessel

    @torch.no_grad()
    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        """By rejection (Best and Fisher 1979), in double precision."""
        shape = self._extended_shape(sample_shape)
        concentration = self.concentration.double().expand(shape)
        r = _proposal_r(self.concentration.double()).expand(shape)
        x = torch.empty(shape, dtype=torch.float64, device=self.loc.device)
        done = torch.zeros(shape, dtype=torch.bool, device=self.loc.device)
        while not done.all():
            u1, u2, u3 = torch.rand((3,) + shape, dtype=x.dtype, device=x.device).unbind()
            z = torch.cos(math.pi * u1)
            f = (1 + r * z) / (r + z)
            c = concentration * (r - f)
            accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
            x = torch.where(accept, (u3 - 0.5).sign() * f.acos(), x)
            done = done | accept
        angle = (x + math.pi + self.loc.double()) % (2 * math.pi) - math.pi
        return angle.to(self.loc.dtype)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        """1 - I1(k) / I0(k): that of the circle."""
        return 1 - torch.special.i1e(self.concentration) / torch.special.i0e(self.concentration)
