"""Whole numbers as callers give them: Python's, NumPy's, tensors of one element."""

from __future__ import annotations

from operator import index


def whole(name, argument, value):
    """`value` as a Python integer; TypeError for anything else, truth values too."""
    if not isinstance(value, bool):
        try:
            return index(value)
        except TypeError:
            pass
    kind = type(value).__name__
    raise TypeError(f"{name}(): argument '{argument}' must be int, not {kind}") from None


def integers(value):
    """One whole number, or several, as a tuple."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    try:
        return (index(value),)
    except TypeError:
        return tuple(value)
