"""Tools around tensors and modules; each part loads when it is first used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def __getattr__(name: str):
    path = f"{__name__}.{name}"
    if not name.startswith("__") and find_spec(path) is not None:
        return import_module(path)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def set_module(obj, mod: str) -> None:
    """Say that `obj` is defined in module `mod`."""
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod
