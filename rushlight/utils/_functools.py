"""Methods that remember what they returned."""

from __future__ import annotations

import functools
from collections.abc import Callable


def cache_method(f: Callable) -> Callable:
    """A method of an object that computes once for each set of arguments."""
    attribute = f"{f.__name__}_cache"

    @functools.wraps(f)
    def wrapped(self, *args, **kwargs):
        if kwargs:
            raise AssertionError("cache_method: keyword arguments are not supported")
        made = self.__dict__.setdefault(attribute, {})
        if args not in made:
            made[args] = f(self, *args)
        return made[args]

    return wrapped
