"""The elements of a small tensor in one line, as PyTorch's C++ side prints tensors.

Whole numbers take as much room as the longest; others get four digits, a common factor where all
are very large or very small, exponents where they differ by more than four powers of ten.
"""

from __future__ import annotations

import math
from typing import Any

_LINE = 80


def elements_text(tensor: Any) -> str:
    """The elements, a blank for every line's end."""
    if tensor.numel() == 0:
        return ""
    if tensor.dtype.is_complex:
        tensor = tensor.real
    values = [float(v) for v in tensor.detach().reshape(-1).tolist()]
    if tensor.dim() < 2:
        layout = _Layout(values)
        text = layout.head() + "".join(layout.show(v) + "\n" for v in values)
    elif tensor.dim() == 2:
        text = _Layout(values).matrix(values, tensor.shape[1], "")
    else:
        text = _stack(values, list(tensor.shape))
    return text.replace("\n", " ")


def _stack(values: list[float], shape: list[int]) -> str:
    """Matrices, each under its place among the leading dimensions."""
    size = shape[-1] * shape[-2]
    parts = []
    for i in range(len(values) // size):
        place, rest = [], i
        for n in reversed(shape[:-2]):
            place.insert(0, str(rest % n + 1))
            rest //= n
        inner = values[i * size : (i + 1) * size]
        matrix = _Layout(inner).matrix(inner, shape[-1], " ")
        parts.append(f"({','.join(place)},.,.) =\n{matrix}")
    return "\n".join(parts)


class _Layout:
    """How wide a number is, and how it is written."""

    def __init__(self, values: list[float]) -> None:
        finite = [abs(v) for v in values if math.isfinite(v)] or [0.0]
        low, high = _digits(min(finite)), _digits(max(finite))
        self.scale, self.form = 1.0, ".4f"
        if all(v == int(v) for v in finite):
            self.form = "g" if high <= 9 else ".4e"
            self.width = high + 1 if high <= 9 else 11
        elif high - low > 4:
            self.form, self.width = ".4e", 11
        elif high > 5 or high < 0:
            self.scale, self.width = 10.0 ** (high - 1), 7
        else:
            self.width = 7 if high == 0 else high + 6

    def head(self) -> str:
        """The common factor."""
        return f"{self.scale:g} *\n" if self.scale != 1 else ""

    def show(self, value: float) -> str:
        """One number."""
        return format(value / self.scale, self.form).rjust(self.width)

    def matrix(self, values: list[float], columns: int, indent: str) -> str:
        """Rows, in groups of as many columns as a line holds."""
        fit = (_LINE - len(indent)) // (self.width + 1)
        rows = [values[i : i + columns] for i in range(0, len(values), columns)]
        text = ""
        for first in range(0, columns, fit):
            last = min(first + fit, columns)
            if fit < columns:
                text += ("\n" if first else "") + f"Columns {first + 1} to {last}"
            scaled = self.scale != 1
            text += indent + self.head() + (indent if scaled else "")
            between = "\n" + indent + (" " if scaled else "")
            text += between.join(" ".join(map(self.show, row[first:last])) for row in rows) + "\n"
        return text


def _digits(value: float) -> int:
    return math.floor(math.log10(value)) + 1 if value else 1
