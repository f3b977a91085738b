"""What the attributes of a module are to its program: types of objects, and constants."""

from __future__ import annotations

import types
from typing import Any, get_origin

from .. import _C
from .._module_names import in_rushlight
from . import _types as T
from ._compile.source import FrontendError
from ._compile.unit import python_unit


def type_of_object(value) -> T.InferredType:
    """The type of a Python object: containers by what they hold, named tuples by their class."""
    from ._compile.named import named_type
    from ._constants import try_type_of

    if isinstance(value, tuple) and getattr(value, "_fields", None):
        return T.InferredType(named_type(type(value), python_unit()))
    if type(value) is dict and value:
        parts = [[type_of_object(v) for v in found] for found in (value, value.values())]
        if all(p.success() for found in parts for p in found):
            try:
                plain = [[p.type().unshaped() for p in found] for found in parts]
                return T.InferredType(T.DictType(*map(T.unify_type_list, plain)))
            except RuntimeError as error:
                return T.InferredType(str(error))
    found = try_type_of(value)
    return found if found.success() else _class_of_object(value, found)


def _class_of_object(value, failed: T.InferredType) -> T.InferredType:
    """The type of an object of a plain class, which is compiled for it."""
    from ._compile.named import named_type

    cls = type(value)
    home = in_rushlight(cls.__module__)
    ours = home.startswith("rushlight.") and ".vision." not in home
    if cls.__module__ in ("builtins", "functools") or ours:
        return failed
    if not hasattr(value, "__dict__") or isinstance(value, type):
        return failed
    try:
        return T.InferredType(named_type(cls, python_unit()))
    except (RuntimeError, OSError, FrontendError) as error:
        return T.InferredType(f"{failed.reason()} (Its class cannot be compiled: {error})")


def _is_final(hint) -> bool:
    from typing import Final

    if isinstance(hint, str):
        head = hint.partition("[")[0].rpartition(".")[2]
        return head == "Final"
    return hint is Final or get_origin(hint) is Final


_CONSTANT = (bool, int, float, complex, str, type(None), _C.dtype)


def valid_constant(name: str, value, owner: str) -> Any:
    """A value as a constant; TypeError if it can be none."""
    import enum

    from ..tensor import layout, memory_format

    if isinstance(value, (*_CONSTANT, layout, memory_format, enum.Enum)):
        return value
    if isinstance(value, types.FunctionType) or type(value).__name__ == "device":
        return value
    if isinstance(value, list | tuple):
        return tuple(valid_constant(name, v, owner) for v in value)
    kind = type(value)
    said = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    raise TypeError(
        f"'{said}' object in attribute '{owner}.{name}' is not a valid constant.\n"
        "Valid constants are:\n1. a nn.ModuleList\n2. a value of type {bool, int, float, complex, "
        "str, NoneType, torch.device, torch.layout, torch.dtype}\n3. a list or tuple of (2)\n"
    )
