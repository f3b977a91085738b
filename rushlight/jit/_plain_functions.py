"""Operators on numbers, strings, lists and dicts where they differ from what Python has."""

from __future__ import annotations

import math
from collections.abc import Callable


def divided(a, b):
    """True division that raises for a zero of real numbers."""
    if b == 0 and not isinstance(a, complex) and not isinstance(b, complex):
        raise ZeroDivisionError("division by zero")
    return a / b


def floor_divided(a, b):
    """Division rounded down."""
    if b == 0:
        raise ZeroDivisionError("division by zero")
    return a // b


def truncated(a: int, b: int) -> int:
    """Division rounded to zero."""
    return int(a / b) if abs(a) < 2**53 else (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)


def power(a, b):
    """A power; of ints a float."""
    if isinstance(a, int) and isinstance(b, int):
        return float(a**b)
    return a**b


def mathematical(real: Callable, complex_one: Callable | None = None) -> Callable:
    """A function of numbers: NaN or infinity where Python's raises, as C's does."""

    def run(a, *more):
        if isinstance(a, complex) or any(isinstance(m, complex) for m in more):
            return (complex_one or real)(a, *more)
        try:
            return real(a, *more)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan if real is not math.log or a else -math.inf

    return run


def rounded(a):
    """Rounded to the nearest, as a float."""
    return float(round(a))


def length(items) -> int:
    """The number of elements; of a tensor, its first size."""
    from .. import _C

    return items.shape[0] if isinstance(items, _C.Tensor) else len(items)


def formatted(text: str, *args) -> str:
    """Text with `{}` filled."""
    return text.format(*args)


def percent_formatted(text: str, *args) -> str:
    """Text with `%s` filled."""
    return text % (args[0] if len(args) == 1 and isinstance(args[0], tuple) else args)


def sliced(items, start=None, end=None, step=1):
    """Part of a list or a string."""
    return items[start:end:step]


def set_item(items, key, value):
    """Set an element; the container."""
    items[key] = value
    return items


def appended(items, item):
    """Add an element; the list."""
    items.append(item)
    return items


def extended(items, more):
    """Add elements in place; the list."""
    items.extend(more)
    return items


def repeated(items, n):
    """Repeat in place; the list."""
    items *= n
    return items


def position_of(text: str, part: str, start: int = 0, end: int = -1) -> int:
    """Where a part stands in a text, or -1; an end of -1 is the end."""
    return text.find(part, start, len(text) if end == -1 else end)


def last_position_of(text: str, part: str, start: int = 0, end: int = -1) -> int:
    """Where a part stands last in a text, or -1."""
    return text.rfind(part, start, len(text) if end == -1 else end)


def index_of(items, item, start: int = 0, end: int = -1) -> int:
    """Where an element of a list or a part of a text stands; ValueError if nowhere."""
    if isinstance(items, str):
        found = position_of(items, item, start, end)
        if found < 0:
            raise ValueError(f"ValueError: substring not found: {item!r}")
        return found
    if item not in items:
        raise ValueError(f"'{item}' is not in list")
    return items.index(item)


def index_last(text: str, part: str, start: int = 0, end: int = -1) -> int:
    """Where a part of a text stands last; ValueError if nowhere."""
    found = last_position_of(text, part, start, end)
    if found < 0:
        raise ValueError(f"ValueError: substring not found: {part!r}")
    return found


def counted(items, item, start: int = 0, end: int = -1) -> int:
    """How often an element or a part is there."""
    if isinstance(items, str):
        return items.count(item, start, len(items) if end == -1 else end)
    return items.count(item)


def begins(text: str, part: str, start: int = 0, end: int = -1) -> bool:
    """Whether a text begins with a part."""
    return text.startswith(part, start, len(text) if end == -1 else end)


def ends(text: str, part: str, start: int = 0, end: int = -1) -> bool:
    """Whether a text ends with a part."""
    return text.endswith(part, start, len(text) if end == -1 else end)


def delete(items, key) -> None:
    """Take an element out."""
    del items[key]


def popped(items, *args):
    """Take an element out; it."""
    return items.pop(*args)


def sorted_in_place(items, reverse: bool = False) -> None:
    """Sort a list."""
    items.sort(reverse=reverse)


def copied(items):
    """A copy of a list or a dict."""
    return items.copy()


def as_text(value) -> str:
    """A value as text."""
    from .. import _C

    return str(value) if not isinstance(value, _C.Tensor) else repr(value)


def is_one(a, b) -> bool:
    """Whether two values are the same object, or equal numbers of one type."""
    return a is b or (type(a) is type(b) and isinstance(a, bool | int | float) and a == b)


def range_length(low: int, high: int, step: int) -> int:
    """The number of turns of a range."""
    if step == 0:
        raise RuntimeError("range() arg 3 must not be zero")
    return len(range(low, high, step))
