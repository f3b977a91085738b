"""Questions about sizes that might be symbols: here sizes are numbers, and answers are exact."""

from __future__ import annotations

from typing import Any

import rushlight as torch

__all__ = [
    "GuardOnDataDependentSymNode",
    "definitely_false",
    "definitely_true",
    "free_symbols",
    "free_unbacked_symbols",
    "guard_bool",
    "guard_float",
    "guard_int",
    "guard_or_false",
    "guard_or_true",
    "guard_size_oblivious",
    "has_free_symbols",
    "has_free_unbacked_symbols",
    "hint_int",
    "is_concrete_bool",
    "is_concrete_float",
    "is_concrete_int",
    "is_symbolic",
    "statically_known_false",
    "statically_known_true",
    "sym_and",
    "sym_eq",
    "sym_or",
]


class GuardOnDataDependentSymNode(RuntimeError):
    """A value that depends on data would decide what is traced."""

    def __init__(self, cond: Any = None, *args: Any) -> None:
        super().__init__(*args or (f"Could not guard on data-dependent expression {cond}",))
        self.cond = cond


def guard_bool(a: Any) -> bool:
    """The value as a bool."""
    return bool(a)


def guard_int(a: Any) -> int:
    """The value as an int."""
    return int(a)


def guard_float(a: Any) -> float:
    """The value as a float."""
    return float(a)


# Where all is known, whether something is known to hold and whether it holds are one question.
guard_or_false = guard_or_true = guard_size_oblivious = guard_bool
statically_known_true = definitely_true = guard_bool
hint_int = guard_int


def statically_known_false(x: Any) -> bool:
    """Whether it does not hold."""
    return not x


definitely_false = statically_known_false


def free_symbols(val: Any) -> set:
    """The symbols in a value: none."""
    return set()


free_unbacked_symbols = free_symbols


def has_free_symbols(val: Any) -> bool:
    """Whether there are symbols in a value: there are none."""
    return bool(free_symbols(val))


has_free_unbacked_symbols = has_free_symbols


def is_symbolic(val: Any) -> bool:
    """Whether it is a symbol: sizes are numbers."""
    return isinstance(val, (torch.SymInt, torch.SymFloat, torch.SymBool))


def is_concrete_int(a: Any) -> bool:
    """Whether it is an int."""
    return isinstance(a, int)


def is_concrete_float(a: Any) -> bool:
    """Whether it is a float."""
    return isinstance(a, float)


def is_concrete_bool(a: Any) -> bool:
    """Whether it is a bool."""
    return isinstance(a, bool)


def sym_eq(x: Any, y: Any) -> bool:
    """Whether two numbers, or all numbers of two tuples, are equal."""
    if isinstance(x, (tuple, list)) and isinstance(y, (tuple, list)):
        return len(x) == len(y) and all(sym_eq(a, b) for a, b in zip(x, y, strict=True))
    return x == y


def sym_and(x: Any, *others: Any) -> bool:
    """Whether all hold."""
    return bool(x) and all(map(bool, others))


def sym_or(x: Any, *others: Any) -> bool:
    """Whether any holds."""
    return bool(x) or any(map(bool, others))
