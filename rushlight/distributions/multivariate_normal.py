"""The multivariate normal distribution."""

from __future__ import annotations

import math

import rushlight as torch

from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mv(bmat, bvec):
    """Matrices times vectors, batches broadcast."""
    return torch.matmul(bmat, bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL, bx):
    """|L^-1 x|^2 for lower triangular (B..., n, n) and vectors (S..., B..., n).

    What `bx` has more of than `bL` become columns, so that each matrix is solved with once.
    """
    batch_dims = bL.dim() - 2
    extra = bx.shape[: bx.dim() - 1 - batch_dims]
    columns = bx.reshape((-1,) + bx.shape[len(extra) :]).movedim(0, -1)
    solved = torch.linalg.solve_triangular(bL, columns, upper=False)
    squares = solved.pow(2).sum(-2).movedim(-1, 0)
    return squares.reshape(extra + squares.shape[1:])


def _precision_to_scale_tril(P):
    """The Cholesky factor of P^-1, by way of that of P with its rows and columns reversed."""
    reverse = torch.flip(torch.linalg.cholesky(torch.flip(P, (-2, -1))), (-2, -1)).mT
    identity = torch.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return torch.linalg.solve_triangular(reverse, identity, upper=False)


def _half_log_det(factor):
    """log det of a Cholesky factor."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


_NOT_ONE = "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
_TOO_FLAT = "must be at least two-dimensional, with optional leading batch dimensions"


def _given(**matrices):
    """(name, matrix) of those that are no None."""
    return [(name, m) for name, m in matrices.items() if m is not None]


class _WithCovariance(Distribution):
    """What distributions share that are given one of three matrices; the others are lazy.

    `_unbroadcasted_scale_tril` is the Cholesky factor with the batch that was given.
    """

    def _keep_factor(self, name, matrix):
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale_tril(matrix)

    def _over_batch(self, matrix):
        n = self._event_shape[-1]
        return matrix.expand(self._batch_shape + (n, n))

    @lazy_property
    def scale_tril(self) -> torch.Tensor:
        """The Cholesky factor of the covariance."""
        return self._over_batch(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> torch.Tensor:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._over_batch(torch.matmul(factor, factor.mT))

    @lazy_property
    def precision_matrix(self) -> torch.Tensor:
        """The inverse of the covariance."""
        return self._over_batch(torch.cholesky_inverse(self._unbroadcasted_scale_tril))


class MultivariateNormal(_WithCovariance):
    """Mean `loc` and a covariance, its inverse or its Cholesky factor; the factor is quickest."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: torch.Tensor, covariance_matrix: torch.Tensor | None = None,
                 precision_matrix: torch.Tensor | None = None,
                 scale_tril: torch.Tensor | None = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = _given(
            covariance_matrix=covariance_matrix,
            precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )
        if len(given) != 1:
            raise ValueError(_NOT_ONE)
        ((name, matrix),) = given
        if matrix.dim() < 2:
            kind = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(f"{kind} {_TOO_FLAT}")
        batch_shape = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch_shape + (-1, -1)))
        self.loc = loc.expand(batch_shape + (-1,))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._keep_factor(name, matrix)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        noise = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        n = self._event_shape[0]
        return -0.5 * (n * math.log(2 * math.pi) + distance) - _half_log_det(
            self._unbroadcasted_scale_tril
        )

    def entropy(self):
        n = self._event_shape[0]
        entropy = 0.5 * n * (1.0 + math.log(2 * math.pi)) + _half_log_det(
            self._unbroadcasted_scale_tril
        )
        return entropy.expand(self._batch_shape) if self._batch_shape else entropy
