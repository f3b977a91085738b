"""`aten`: operators by name, for the functions of the library."""

from __future__ import annotations

from .python_values import Builtin
from .values import Sugared


class Operators(Sugared):
    """A space of operators: `aten.relu6` is aten::relu6."""

    said = "module"
    fixed = True

    def __init__(self, space: str) -> None:
        self.space = space

    def attr(self, b, at, name: str) -> Sugared:
        return Operator(f"{self.space}::{name}")


class Operator(Builtin):
    """An operator, whose overloads are its attributes: `aten.add.Tensor`."""

    fixed = True

    def attr(self, b, at, name: str) -> Sugared:
        return Builtin(self.name)


aten = Operators("aten")
