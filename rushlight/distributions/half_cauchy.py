"""The half-Cauchy distribution."""

from __future__ import annotations

import rushlight as torch

from ._folded import Folded
from .cauchy import Cauchy

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """|X| for a Cauchy X of median 0."""

    base_class = Cauchy

    @property
    def mean(self):
        return self.scale.new_full(self._extended_shape(), torch.inf)

    @property
    def variance(self):
        return self.base_dist.variance
