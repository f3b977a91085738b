"""Helpers of function transforms."""

from __future__ import annotations

from collections.abc import Callable

from .bindings import unwrap_if_dead

argnums_t = int | tuple[int, ...]


def exposed_in(module: str) -> Callable:
    """Decorate a function that says it is of another module."""

    def wrapper(function):
        function.__module__ = module
        return function

    return wrapper


def unwrap_dead_wrappers(args: tuple) -> tuple:
    """The arguments; of tensors whose transform is over, what they stood for."""
    from .. import Tensor

    return tuple(unwrap_if_dead(a) if isinstance(a, Tensor) else a for a in args)
