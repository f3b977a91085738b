"""Checks of what transforms are made with, and what their texts show."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import rushlight as torch

from ._image import InterpolationMode

SIZE = "Please provide only two dimensions (h, w) for size."


def pair(size: Any, message: str = SIZE) -> Any:
    """A size as (height, width)."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size


def check_sequence(value: Any, name: str, sizes: tuple[int, ...]) -> None:
    """An error for what is no sequence of one of the sizes."""
    text = str(sizes[0]) if len(sizes) < 2 else " or ".join(str(size) for size in sizes)
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {text}.")
    if len(value) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {text}.")


def angles(value: Any, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """Degrees from a to b; a single number means from minus it to it."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        value = [-value, value]
    else:
        check_sequence(value, name, sizes)
    return [float(v) for v in value]


def factors(
    value: Any, name: str, center: float = 1, bound: tuple = (0, float("inf")), floor: bool = True
) -> tuple[float, float] | None:
    """The range of a factor of ColorJitter; None where it changes nothing."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        limits = [center - float(value), center + float(value)]
        if floor:
            limits[0] = max(limits[0], 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        limits = [float(value[0]), float(value[1])]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= limits[0] <= limits[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {limits}.")
    return None if limits[0] == limits[1] == center else (limits[0], limits[1])


def check_padding(padding: Any, fill: Any, padding_mode: str) -> None:
    """Errors for what Pad does not understand."""
    if not isinstance(padding, (numbers.Number, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(fill, (numbers.Number, str, tuple, list)):
        raise TypeError("Got inappropriate fill arg")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
        raise ValueError(
            "Padding must be an int or a 1, 2, or 4 element tuple, not a "
            f"{len(padding)} element tuple"
        )


def colours(fill: Any, channels: int) -> list[float]:
    """A fill colour as one number a channel."""
    if isinstance(fill, (int, float)):
        return [float(fill)] * channels
    return [float(f) for f in fill]


def uniform(low: float, high: float) -> float:
    """One number drawn between two, from the default generator."""
    return float(torch.empty(1).uniform_(float(low), float(high)).item())


def integer(low: int, high: int) -> int:
    """One integer drawn from [low, high)."""
    return int(torch.randint(low, high, size=(1,)).item())


class Shown(torch.nn.Module):
    """A transform whose text shows the attributes that the class lists in `_shown`."""

    _shown: tuple[str, ...] = ()
    _between = ", "

    def __repr__(self) -> str:
        parts = (f"{name}={_text(getattr(self, name))}" for name in self._shown)
        return f"{type(self).__name__}({self._between.join(parts)})"


def _text(value: Any) -> Any:
    return value.value if isinstance(value, InterpolationMode) else value


def lines(transforms: Any, indent: str) -> str:
    """The texts of transforms, one a line."""
    return "".join(f"\n{indent}{t}" for t in transforms)
