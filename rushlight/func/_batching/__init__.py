"""How operators run over all lanes at once."""

from __future__ import annotations

from ._lanes import Lanes
from .loop import loop

__all__ = ["Lanes", "run"]


def run(op, size: int, args: tuple, kwargs: dict):
    """The physical results of an operator, lanes along dim 0.

    Every argument is by position but the keyword-only ones, as in the declaration's `forward`;
    those that differ from lane to lane are `Lanes`.
    """
    return loop(op, size, *args, **kwargs)
