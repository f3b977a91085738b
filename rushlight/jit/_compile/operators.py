"""`aten`: operators by name, for the functions of the library."""

from __future__ import annotations

from .values import Sugared


class Operators(Sugared):
    """A space of operators: `aten.relu6` is aten::relu6."""

    said = "module"
    fixed = True

    def __init__(self, space: str) -> None:
        self.space = space

    def attr(self, b, at, name: str) -> Sugared:
        from .python_values import Builtin

        return Builtin(f"{self.space}::{name}")


aten = Operators("aten")
