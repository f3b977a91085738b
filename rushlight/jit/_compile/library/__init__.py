"""Functions and layers of ours as programs know them: written in the language, typed.

Eager code is written for speed in Python; what a program compiles in its stead stands in the files
here, under the same names. `function` finds the functions of torch.nn.functional, `method` those
of modules, `class_named` the classes.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

_FUNCTIONS = ()
_LAYERS = ()


@cache
def _functions() -> dict[str, FunctionType]:
    found = {}
    for name in _FUNCTIONS:
        module = import_module(f"{__name__}.{name}")
        for key in module.__all__:
            found[key] = getattr(module, key)
            found[key]._jit_override_qualname = f"torch.nn.functional.{key}"
    return found


def function(module: str, name: str) -> Any:
    """The compiled function that `module.name` is, or None."""
    from ..unit import python_unit

    if module != "rushlight.nn.functional":
        return None
    made = _functions().get(name)
    return None if made is None else python_unit().function(made)


def class_named(cls: type) -> Any:
    """The type of a class of ours that programs may make objects of, or None."""
    return None


def method(function) -> Any:
    """The function that a program compiles in the stead of a method of ours, or None."""
    return None


def annotations_of(cls: type) -> dict:
    """The types of attributes that classes of ours declare to programs."""
    return {}
