"""Functions over modules in a list, with constraints on their order."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from .infra.pass_manager import _validate_pass_schedule_constraint
from .infra.pass_manager import this_before_that_pass_constraint as _before

__all__ = [
    "PassManager",
    "inplace_wrapper",
    "log_hook",
    "loop_pass",
    "this_before_that_pass_constraint",
    "these_before_those_pass_constraint",
]

log = logging.getLogger(__name__)
this_before_that_pass_constraint = _before


def inplace_wrapper(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function that changes its argument, as one that returns it."""

    @functools.wraps(fn)
    def wrapped(gm, *args, **kwargs):
        fn(gm, *args, **kwargs)
        return gm

    return wrapped


def log_hook(fn: Callable[..., Any], level: int = logging.INFO) -> Callable[..., Any]:
    """The function, which logs what it returns."""

    @functools.wraps(fn)
    def wrapped(gm, *args, **kwargs):
        result = fn(gm, *args, **kwargs)
        log.log(level, "Ran pass %s\n Return value: %s", fn, result)
        return result

    return wrapped


def loop_pass(
    base_pass: Callable[[Any], Any],
    n_iter: int | None = None,
    predicate: Callable[[Any], bool] | None = None,
) -> Callable[[Any], Any]:
    """A pass run `n_iter` times, or as long as `predicate` holds."""
    if (n_iter is None) == (predicate is None):
        raise AssertionError("Exactly one of `n_iter` or `predicate` must be specified.")

    @functools.wraps(base_pass)
    def wrapped(source):
        output = source
        if n_iter is not None:
            for _ in range(n_iter):
                output = base_pass(output)
            return output
        while predicate(output):
            output = base_pass(output)
        return output

    return wrapped


def these_before_those_pass_constraint(
    these: Callable[..., Any], those: Callable[..., Any]
) -> Callable[[Callable, Callable], bool]:
    """The constraint on passes whose wrapped functions are these and those."""

    def depends_on(a, b):
        unwrapped = (getattr(p, "__wrapped__", p) for p in (a, b))
        return tuple(unwrapped) != (those, these)

    return depends_on


class PassManager:
    """Calls passes one after the other, each on what the one before returned."""

    def __init__(
        self,
        passes: list[Callable[..., Any]] | None = None,
        constraints: list[Callable[..., Any]] | None = None,
    ) -> None:
        self.passes = passes or []
        self.constraints = constraints or []
        self._validated = False

    @classmethod
    def build_from_passlist(cls, passes: list[Callable[..., Any]]) -> PassManager:
        """A manager of the given passes."""
        return cls(passes)

    def add_pass(self, _pass: Callable[..., Any]) -> None:
        """Add a pass at the end."""
        self.passes.append(_pass)
        self._validated = False

    def add_constraint(self, constraint: Callable[..., Any]) -> None:
        """Add a constraint on the order."""
        self.constraints.append(constraint)
        self._validated = False

    def remove_pass(self, _passes: list[str]) -> None:
        """Take away the passes of the given names."""
        self.passes = [p for p in self.passes if p.__name__ not in _passes]
        self._validated = False

    def replace_pass(self, _target: Callable[..., Any], _replacement: Callable[..., Any]) -> None:
        """Put another pass in the place of one, by its name."""
        self.passes = [_replacement if p.__name__ == _target.__name__ else p for p in self.passes]
        self._validated = False

    def validate(self) -> None:
        """RuntimeError where the order breaks a constraint."""
        if self._validated:
            return
        for constraint in self.constraints:
            _validate_pass_schedule_constraint(constraint, self.passes)
        self._validated = True

    def __call__(self, source: Any) -> Any:
        """What the last pass returns."""
        self.validate()
        for fn in self.passes:
            source = fn(source)
        return source
