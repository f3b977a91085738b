"""torch.sym_*: arithmetic on sizes. Sizes are plain numbers here, and so are the results.

SymInt, SymFloat and SymBool are there for `isinstance`: no object is one.
"""

from __future__ import annotations

import math

__all__ = [
    "SymBool", "SymFloat", "SymInt", "sym_constrain_range", "sym_constrain_range_for_size",
    "sym_float", "sym_fresh_size", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not",
    "sym_sqrt", "sym_sum",
]  # fmt: skip

_LARGEST = 2**63 - 1


class _Symbolic:
    def __new__(cls, *args, **kwargs):
        raise TypeError(f"torch.{cls.__name__}: sizes are plain numbers here")


class SymInt(_Symbolic):
    """A whole number not known yet: never met here."""


class SymFloat(_Symbolic):
    """A real number not known yet: never met here."""


class SymBool(_Symbolic):
    """A truth not known yet: never met here."""


for _class in (SymInt, SymFloat, SymBool):
    _class.__module__ = "torch"


def sym_int(a) -> int:
    """The number without its fraction."""
    return int(a)


def sym_float(a) -> float:
    """The number as a float."""
    return float(a)


def sym_not(a) -> bool:
    """Whether the number is zero."""
    return not a


def sym_sqrt(a) -> float:
    """The square root."""
    return math.sqrt(a)


def _pick(chosen, a, b):
    return float(chosen) if isinstance(a, float) or isinstance(b, float) else chosen


def sym_max(a, b):
    """The larger of two numbers: a float when either is."""
    return _pick(max(a, b), a, b)


def sym_min(a, b):
    """The smaller of two numbers: a float when either is."""
    return _pick(min(a, b), a, b)


def sym_sum(args):
    """The sum of a sequence of numbers."""
    return sum(args)


def sym_ite(b, t, f):
    """`t` if the bool `b` holds, else `f`."""
    if not isinstance(b, bool):
        raise AssertionError(f"expected SymBool or bool, got {type(b)}")
    if type(t) is not type(f):
        raise AssertionError(f"expected two values of one type, got {type(t)} and {type(f)}")
    return t if b else f


def sym_fresh_size(expr):
    """The size itself."""
    return expr


def sym_constrain_range(size, *, min=None, max=None) -> None:
    """RuntimeError unless the number lies between `min` and `max`."""
    low = -_LARGEST - 1 if min is None else min
    high = _LARGEST if max is None else max
    value = int(size)
    if not low <= value <= high:
        raise RuntimeError(f"Invalid value range for {value} between [{low}, {high}].")


def sym_constrain_range_for_size(size, *, min=None, max=None) -> None:
    """RuntimeError unless the number can be a size between `min` and `max`."""
    sym_constrain_range(size, min=0 if min is None else min, max=max)
