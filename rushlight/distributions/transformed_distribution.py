"""Variates put through transforms."""

from __future__ import annotations

import rushlight as torch

from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import _sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of f(X): X ~ base_distribution, f one transform or a list, first first."""

    arg_constraints = {}

    def __init__(self, base_distribution: Distribution, transforms: Transform | list[Transform],
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif isinstance(transforms, list):
            if not all(isinstance(t, Transform) for t in transforms):
                raise ValueError("transforms must be a Transform or a list of Transforms")
            self.transforms = transforms
        else:
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        transform = ComposeTransform(self.transforms)
        self.base_dist, shape, event_dim = _fitted(base_distribution, transform)
        cut = len(shape) - event_dim
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False)
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        extra = len(self.event_shape) - support.event_dim
        return constraints.independent(support, extra) if extra > 0 else support

    @property
    def has_rsample(self) -> bool:
        return self.base_dist.has_rsample

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        with torch.no_grad():
            x = self.base_dist.sample(sample_shape)
            for transform in self.transforms:
                x = transform(x)
            return x

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        x = self.base_dist.rsample(sample_shape)
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value):
        """The base's density at the inverse, over the Jacobian's determinant."""
        if self._validate_args:
            self._validate_sample(value)
        event_dim = len(self.event_shape)
        log_prob, y = 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            inner = event_dim - transform.domain.event_dim
            log_prob = log_prob - _sum_rightmost(transform.log_abs_det_jacobian(x, y), inner)
            y = x
        inner = event_dim - len(self.base_dist.event_shape)
        return log_prob + _sum_rightmost(self.base_dist.log_prob(y), inner)

    def _monotonize_cdf(self, value):
        """Falling transforms turn probabilities round."""
        sign = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return value
        return sign * (value - 0.5) + 0.5

    def cdf(self, value):
        for transform in self.transforms[::-1]:
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value):
        value = self.base_dist.icdf(self._monotonize_cdf(value))
        for transform in self.transforms:
            value = transform(value)
        return value


def _fitted(base, transform):
    """The base with the batch and the events that a transform needs; the result's shape and
    how many of its dims are one event."""
    shape = base.batch_shape + base.event_shape
    event_dim = len(base.event_shape)
    if len(shape) < transform.domain.event_dim:
        raise ValueError(
            "base_distribution needs to have shape with size at least "
            f"{transform.domain.event_dim}, but got {shape}."
        )
    result_shape = torch.Size(transform.forward_shape(shape))
    needed = torch.Size(transform.inverse_shape(result_shape))
    if shape != needed:
        base = base.expand(needed[: len(needed) - event_dim])
    reinterpreted = transform.domain.event_dim - event_dim
    if reinterpreted > 0:
        base = Independent(base, reinterpreted)
    change = transform.codomain.event_dim - transform.domain.event_dim
    return base, result_shape, max(transform.codomain.event_dim, event_dim + change)
