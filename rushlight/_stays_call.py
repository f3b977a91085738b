"""Functions whose calls stay calls when a program is traced: torch.fx.wrap without torch.fx."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)
marked: list[Callable] = []


def stays_call(function: Function) -> Function:
    """Mark a function of a module; a decorator."""
    marked.append(function)
    return function
