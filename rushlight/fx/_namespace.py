"""Names inside of a graph or of generated code: each given once."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight as torch

from ..utils import _pytree as pytree
from . import _pytree as fx_pytree


class _CustomBuiltin(NamedTuple):
    """A name that generated code may use, and the line that imports it."""

    import_str: str
    obj: Any


_custom_builtins: dict[str, _CustomBuiltin] = {}
_ILLEGAL = re.compile("[^0-9a-zA-Z_]+")
_SUFFIX = re.compile(r"(.*)_(\d+)$")


def _register_custom_builtin(name: str, import_str: str, obj: Any) -> None:
    """Let generated code use `obj` under a name of its own."""
    _custom_builtins[name] = _CustomBuiltin(import_str, obj)


_register_custom_builtin("inf", "from math import inf", float("inf"))
_register_custom_builtin("nan", "from math import nan", float("nan"))
_register_custom_builtin("NoneType", "NoneType = type(None)", type(None))
_register_custom_builtin("torch", "import torch", torch)
_register_custom_builtin("device", "from torch import device", torch.device)
_register_custom_builtin("fx_pytree", "import torch.fx._pytree as fx_pytree", fx_pytree)
_register_custom_builtin("pytree", "import torch.utils._pytree as pytree", pytree)


class _Namespace:
    """Gives names that are valid in Python, mean nothing else, and are not taken."""

    def __init__(self) -> None:
        self._obj_to_name: dict[Any, str] = {}
        self._used_names: set[str] = set()
        self._base_count: dict[str, int] = defaultdict(int)

    def create_name(self, candidate: str, obj: Any | None) -> str:
        """A name like `candidate`, the same again for an object that has one."""
        if obj is not None and obj in self._obj_to_name:
            return self._obj_to_name[obj]
        candidate = _ILLEGAL.sub("_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        parts = _SUFFIX.match(candidate)
        base, number = (parts[1], int(parts[2])) if parts else (candidate, 0)
        if parts:
            candidate = f"{base}_{number}"
        number = number or self._base_count[base]
        while candidate in self._used_names or self._is_illegal_name(candidate, obj):
            number += 1
            candidate = f"{base}_{number}"
        self._used_names.add(candidate)
        self._base_count[base] = number
        if obj is not None:
            self._obj_to_name[obj] = candidate
        return candidate

    def associate_name_with_obj(self, name: str, obj: Any) -> None:
        """Note the name that an object has already."""
        held = self._obj_to_name.setdefault(obj, name)
        if held != name:
            raise AssertionError("obj is already associated")

    def _is_illegal_name(self, name: str, obj: Any) -> bool:
        if keyword.iskeyword(name):
            return True
        if hasattr(builtins, name):
            return obj is not getattr(builtins, name)
        if name in _custom_builtins:
            return obj is not _custom_builtins[name].obj
        return False

    def _rename_object(self, obj: Any, name: str) -> None:
        self._obj_to_name[obj] = name
        self._used_names.add(name)


def snake_case(name: str) -> str:
    """CamelCase as camel_case."""
    made = []
    for i, c in enumerate(name):
        if c.isupper() and i and name[i - 1].islower():
            made.append("_")
        made.append(c.lower())
    return "".join(made)


def is_magic(name: str) -> bool:
    """Whether it is __like_this__."""
    return name.startswith("__") and name.endswith("__")


NodeTransform = Callable[[Any], Any]
