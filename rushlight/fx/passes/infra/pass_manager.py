"""Passes in an order that keeps constraints, repeated until nothing changes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ....nn import Module
from .pass_base import PassResult

__all__ = ["pass_result_wrapper", "this_before_that_pass_constraint", "PassManager"]

Pass = Callable[..., Any]


def pass_result_wrapper(fn: Pass) -> Pass:
    """A function that changes a module in place as a pass that gives a `PassResult`."""
    if fn is None:
        return None

    @functools.wraps(fn)
    def wrapped(module):
        result = fn(module)
        if isinstance(result, PassResult):
            return result
        return PassResult(result if isinstance(result, Module) else module, True)

    if not inspect.isfunction(fn):
        wrapped.__name__ = type(fn).__name__
    return wrapped


def this_before_that_pass_constraint(this: Pass, that: Pass) -> Callable[[Pass, Pass], bool]:
    """The constraint that one pass does not come behind another."""

    def depends_on(a: Pass, b: Pass) -> bool:
        return not (a == that and b == this)

    return depends_on


def _validate_pass_schedule_constraint(
    constraint: Callable[[Pass, Pass], bool], passes: list[Pass]
) -> None:
    """RuntimeError where two passes are in an order that the constraint refuses."""
    for i, a in enumerate(passes):
        for j, b in enumerate(passes[i + 1 :], i + 1):
            if not constraint(a, b):
                raise RuntimeError(
                    f"pass schedule constraint violated. Expected {a} before {b} but found {a} at "
                    f"index {i} and {b} at index{j} in pass list."
                )


def _topological_sort_passes(
    passes: list[Pass], constraints: list[Callable[[Pass, Pass], bool]]
) -> list[Pass]:
    """The passes in an order that all constraints agree to; RuntimeError where there is none."""

    def refused(a, b):
        return any(not constraint(a, b) for constraint in constraints)

    later = [
        {j for j, b in enumerate(passes) if i != j and refused(b, a)} for i, a in enumerate(passes)
    ]
    waiting = [sum(i in others for others in later) for i in range(len(passes))]
    ordered = [i for i, count in enumerate(waiting) if not count]
    for i in ordered:  # it grows
        for j in sorted(later[i]):
            waiting[j] -= 1
            if not waiting[j]:
                ordered.append(j)
    if len(ordered) < len(passes):
        stuck = [p for i, p in enumerate(passes) if i not in ordered]
        names = [getattr(p, "__name__", str(p)) for p in stuck]
        raise RuntimeError(f"Circular dependency detected within the following passes: {names}")
    return [passes[i] for i in ordered]


class PassManager:
    """Runs passes over a module, `steps` times or until a round changes nothing."""

    def __init__(
        self,
        passes: list[Pass] | None = None,
        constraints: list[Callable[[Pass, Pass], bool]] | None = None,
        steps: int | None = None,
        run_checks_after_each_pass: bool = False,
        suppress_check_failures: bool = False,
    ) -> None:
        self.passes = passes or []
        self.constraints = constraints or []
        self.steps = steps or 1
        self.run_checks_after_each_pass = run_checks_after_each_pass
        self.suppress_check_failures = suppress_check_failures
        self._validated = False

    def add_pass(self, _pass: Pass) -> None:
        """Add a pass at the end."""
        self.passes.append(_pass)
        self._validated = False

    def add_constraint(self, constraint: Callable[[Pass, Pass], bool]) -> None:
        """Add a constraint on the order."""
        self.constraints.append(constraint)
        self._validated = False

    def validate_constraints(self) -> None:
        """RuntimeError where the order breaks a constraint."""
        if self._validated:
            return
        for constraint in self.constraints:
            _validate_pass_schedule_constraint(constraint, self.passes)
        self._validated = True

    def solve_constraints(self) -> None:
        """Bring the passes into an order that keeps the constraints."""
        self.passes = _topological_sort_passes(self.passes, self.constraints)
        self._validated = True

    def add_checks(self, check: Callable[[Module], None]) -> None:
        """Run a check of the module after passes: a function of one argument."""
        if len(inspect.signature(check).parameters) != 1:
            raise TypeError("PassManager check function should only take in one variable, a module")
        self.check = check

    def check(self, module: Module) -> None:
        """The check of the module; replaced by `add_checks`."""

    def __call__(self, module: Module) -> PassResult:
        """The module after all passes, and whether any changed it."""
        if not self._validated:
            self.solve_constraints()
        self.check(module)
        overall = False
        for _ in range(self.steps):
            modified = False
            for i, fn in enumerate(self.passes):
                module, changed = self._run(fn, module, self.passes[:i])
                modified = modified or changed
                if self.run_checks_after_each_pass:
                    self.check(module)
            overall = overall or modified
            if not modified:
                break
        return PassResult(module, overall)

    def _run(self, fn, module, done):
        name = getattr(fn, "__name__", type(fn).__name__)
        try:
            result = fn(module)
            if not isinstance(result, PassResult) and not hasattr(result, "graph_module"):
                raise TypeError(
                    f"The result of the pass {name} should be type PassResult. Please wrap it with "
                    "pass_result_wrapper()"
                )
        except Exception as error:
            names = [getattr(p, "__name__", type(p).__name__) for p in done]
            raise Exception(
                f"An error occurred when running the '{name}' pass after the following passes: "
                f"{names}"
            ) from error
        return result.graph_module, result.modified
