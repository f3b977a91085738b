"""The LKJ distribution of correlation matrices."""

from __future__ import annotations

import math

import rushlight as torch

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors of correlation matrices M, det(M)^(concentration - 1) (Lewandowski,
    Kurowicka and Joe 2009); drawn row by row, by the onion method."""

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: torch.Tensor | float = 1.0,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        batch_shape, event_shape = self.concentration.size(), torch.Size((dim, dim))
        # The beta variate of row k (from 0) is the square of the length of its k elements.
        marginal = self.concentration + 0.5 * (dim - 2)
        offset = torch.arange(-1, dim - 1, dtype=marginal.dtype, device=marginal.device)
        offset = offset.clamp(min=0)
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(batch_shape, event_shape, validate_args)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        y = self._beta.sample(sample_shape).unsqueeze(-1)
        normals = torch.randn(
            self._extended_shape(sample_shape), dtype=y.dtype, device=y.device
        ).tril(-1)  # fmt: skip
        directions = normals / normals.norm(dim=-1, keepdim=True)
        directions[..., 0, :].fill_(0.0)  # the first row has none: 0 / 0
        rows = torch.sqrt(y) * directions
        tiny = torch.finfo(rows.dtype).tiny
        diagonal = torch.clamp(1 - torch.sum(rows**2, dim=-1), min=tiny).sqrt()
        return rows + torch.diag_embed(diagonal)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = torch.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        log_prob = torch.sum(order * diagonal.log(), dim=-1)
        # The normalizing constant, page 1999 of the paper.
        free = self.dim - 1
        alpha = self.concentration + 0.5 * free
        return log_prob - (
            0.5 * free * math.log(math.pi)
            + torch.mvlgamma(alpha - 0.5, free)
            - torch.lgamma(alpha) * free
        )
