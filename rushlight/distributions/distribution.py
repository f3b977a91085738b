"""The base of all distributions: shapes, validation, expansion and the default methods."""

from __future__ import annotations

import warnings

import rushlight as torch

from .._module_names import in_rushlight
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution"]

_SKIPPED = {"_batch_shape", "_event_shape", "_validate_args"}


class Distribution:
    """A batch of distributions over events of one shape.

    A subclass names its parameters and where they lie in `arg_constraints`, and where its
    variates lie in `support`.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments where nothing else is asked for."""
        if value not in [True, False]:
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: torch.Size = torch.Size(),  # noqa: B008
        event_shape: torch.Size = torch.Size(),  # noqa: B008
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()
        super().__init__()

    def _validate_parameters(self):
        try:
            regions = self.arg_constraints
        except NotImplementedError:
            regions = {}
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. "
                "Please set `arg_constraints = {}` or initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
        for name, region in regions.items():
            if constraints.is_dependent(region):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property):
                continue  # derived from those that were given
            value = getattr(self, name)
            if not region.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} "
                    f"({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} "
                    f"to satisfy the constraint {region!r}, "
                    f"but found invalid values:\n{value}"
                )

    def expand(self, batch_shape, _instance=None):
        """The same distributions with the batch expanded to `batch_shape`, as views."""
        # A class of one's own that takes other arguments has to do this itself.
        owner = next(
            c for c in type(self).__mro__ if in_rushlight(c.__module__).startswith(__package__)
        )
        if owner.__name__ in ("Distribution", "ExponentialFamily"):
            raise NotImplementedError
        new = self._get_checked_instance(owner, _instance)
        batch_shape = torch.Size(batch_shape)
        depth = len(self._batch_shape)
        for name, value in vars(self).items():
            if name in _SKIPPED or self._is_derived(name):
                continue
            if isinstance(value, Distribution):
                value = value.expand(batch_shape + value.batch_shape[depth:])
            elif isinstance(value, torch.Tensor) and not name.startswith("_") or name == "_param":
                value = value.expand(batch_shape + value.shape[depth:])
            new.__dict__[name] = value
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _is_derived(self, name):
        """Whether an attribute is lazy and no parameter: an expanded one computes its own."""
        lazy = isinstance(getattr(type(self), name, None), lazy_property)
        return lazy and name not in self.arg_constraints

    @property
    def batch_shape(self) -> torch.Size:
        """The shape over which parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self) -> torch.Size:
        """The shape of one variate (without batching)."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """Where each parameter lies."""
        raise NotImplementedError

    @property
    def support(self) -> constraints.Constraint | None:
        """Where variates lie."""
        raise NotImplementedError

    @property
    def mean(self) -> torch.Tensor:
        """The mean, of the batch's and the event's shape."""
        raise NotImplementedError

    @property
    def mode(self) -> torch.Tensor:
        """The most likely value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> torch.Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> torch.Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape=torch.Size()) -> torch.Tensor:  # noqa: B008
        """Variates of shape sample + batch + event, without gradient."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=torch.Size()) -> torch.Tensor:  # noqa: B008
        """Variates through which gradients reach the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> torch.Tensor:
        """n variates: `sample((n,))`."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(torch.Size((n,)))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The logarithm of the density or the mass at `value`."""
        raise NotImplementedError

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """The probability of at most `value`."""
        raise NotImplementedError

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """The quantile: the inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """All values of a discrete distribution along a first dim, over the batch if `expand`."""
        raise NotImplementedError

    def entropy(self) -> torch.Tensor:
        """The entropy in nats, over the batch."""
        raise NotImplementedError

    def perplexity(self) -> torch.Tensor:
        """exp(entropy)."""
        return torch.exp(self.entropy())

    def _extended_shape(self, sample_shape=torch.Size()):  # noqa: B008
        """sample + batch + event."""
        if not isinstance(sample_shape, torch.Size):
            sample_shape = torch.Size(sample_shape)
        return torch.Size(sample_shape + self._batch_shape + self._event_shape)

    def _validate_sample(self, value):
        """ValueError for what is no tensor, does not broadcast or lies outside the support."""
        if not isinstance(value, torch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        first = value.dim() - len(self._event_shape)
        if value.shape[first:] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.size()} vs {self._event_shape}."
            )
        actual, expected = value.size(), self._batch_shape + self._event_shape
        for i, j in zip(reversed(actual), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{actual} vs {expected}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable "
                "sample validation. Please initialize the distribution with "
                "`validate_args=False` to turn off validation.",
                stacklevel=2,
            )
            return
        if support is None:
            raise AssertionError("support is unexpectedly None")
        if not support.check(value).all():
            raise ValueError(
                "Expected value argument "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support!r}) "
                f"of the distribution {self!r}, "
                f"but found invalid values:\n{value}"
            )

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} "
                "that defines a custom __init__ method "
                "must also define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def __repr__(self) -> str:
        shown = [
            f"{name}: {p if p.numel() == 1 else p.size()}"
            for name, p in ((n, self.__dict__.get(n)) for n in self.arg_constraints)
            if p is not None
        ]
        return f"{self.__class__.__name__}({', '.join(shown)})"
