"""torch.jit.Attribute: a value and the type that a compiled module gives it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Attribute(NamedTuple):
    """An attribute of a module with the type that the compiler shall take for it."""

    value: Any
    type: Any
