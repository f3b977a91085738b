"""The globals of generated code, and types as it writes them."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any

import rushlight as torch

from ._names import is_from_torch
from ._namespace import _custom_builtins
from .node import _get_qualified_name, _type_repr

# What typing calls the containers that it has names of its own for.
_GENERIC = {
    list: typing.List,  # noqa: UP006 (the very objects that annotations hold)
    dict: typing.Dict,  # noqa: UP006
    set: typing.Set,  # noqa: UP006
    frozenset: typing.FrozenSet,  # noqa: UP006
    tuple: typing.Tuple,  # noqa: UP006
}


class Globals:
    """What the code reaches by a name: functions, types, constants."""

    def __init__(self, namespace: Any) -> None:
        self.namespace = namespace
        self.values: dict[str, Any] = {}

    def add(self, hint: str, thing: Any) -> str:
        """The name by which code reaches a thing."""
        if is_from_torch(thing) and thing is not torch.device:
            name = _get_qualified_name(thing)
            if _is_found(name):
                self.values["torch"] = torch
                return name
        name = self.namespace.create_name(hint, thing if _hashable(thing) else None)
        self.values.setdefault(name, thing)
        return name

    def type_text(self, kind: Any) -> str:
        """A type, with its parts in brackets."""
        if kind == ():
            return "()"
        if isinstance(kind, types.UnionType):
            return "|".join(self.type_text(k) for k in kind.__args__)
        name = _type_repr(kind)
        origin = getattr(kind, "__origin__", None)
        if origin is not None:
            if not isinstance(kind, types.GenericAlias):
                origin = _GENERIC.get(origin, origin)
            own = self.add(_type_repr(origin), origin)
            if hasattr(kind, "__args__") and kind.__args__:
                return f"{own}[{','.join(self.type_text(a) for a in kind.__args__)}]"
            return own
        return self.add(name, kind)


@cache
def _is_found(name):
    """Whether code finds something under the name: a few of PyTorch's private homes are missing."""
    found = torch
    for part in name.split(".")[1:]:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def _hashable(thing):
    try:
        hash(thing)
    except TypeError:
        return False
    return True


def custom_globals() -> dict[str, Any]:
    """The names that the code of every graph may use."""
    return {name: kept.obj for name, kept in _custom_builtins.items()}
