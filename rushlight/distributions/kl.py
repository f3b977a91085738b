"""Kullback-Leibler divergences KL(p || q), by pairs of classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import rushlight as torch

from .distribution import Distribution

__all__ = ["register_kl", "kl_divergence"]

_KL_REGISTRY: dict[tuple[type, type], Callable] = {}
_KL_MEMOIZE: dict[tuple[type, type], Callable] = {}


def register_kl(type_p, type_q):
    """A decorator: the function computes KL(p || q) for these classes and those derived."""
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(kind, type):
            raise TypeError(f"register_kl: {name} must be a class: got {kind!r}")

    def decorator(function):
        _KL_REGISTRY[type_p, type_q] = function
        _KL_MEMOIZE.clear()
        return function

    return decorator


def _dispatch_kl(type_p, type_q):
    """The most special function that is registered, p's class first; NotImplemented if none."""
    # A class lies the nearer, the earlier in the order in which Python looks up methods.
    nearness = {
        (p, q): (type_p.__mro__.index(p), type_q.__mro__.index(q))
        for p, q in _KL_REGISTRY
        if issubclass(type_p, p) and issubclass(type_q, q)
    }
    if not nearness:
        return NotImplemented
    left = min(nearness, key=nearness.get)
    right = min(nearness, key=lambda pair: nearness[pair][::-1])
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> torch.Tensor:
    """KL(p || q) over the batch; NotImplementedError where no formula is registered."""
    key = type(p), type(q)
    if key not in _KL_MEMOIZE:
        _KL_MEMOIZE[key] = _dispatch_kl(*key)
    function = _KL_MEMOIZE[key]
    if function is NotImplemented:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {p.__class__.__name__} "
            f"and q type {q.__class__.__name__}"
        )
    return function(p, q)


# These register the formulas; libraries ask for some by name.
from . import _kl_discrete  # noqa: E402, F401
from ._kl_continuous import _kl_normal_normal  # noqa: E402, F401
from ._kl_structured import (  # noqa: E402, F401
    _kl_expfamily_expfamily,
    _kl_independent_independent,
    _kl_multivariatenormal_multivariatenormal,
)
