"""The decorator by which libraries state that a name of theirs stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_BACK_COMPAT_OBJECTS: dict = {}
_MARKED_WITH_COMPATIBILITY: dict = {}


def compatibility(is_backward_compatible: bool) -> Callable[[_T], _T]:
    """Note whether a function or class is meant to stay as it is."""

    def mark(named: _T) -> _T:
        _MARKED_WITH_COMPATIBILITY[named] = None
        if is_backward_compatible:
            _BACK_COMPAT_OBJECTS[named] = None
        return named

    return mark
