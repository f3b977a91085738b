"""The methods that @dataclass makes: it makes them without source, so they are written here."""

from __future__ import annotations

import ast
import dataclasses
from typing import Any

from .. import _types as T
from .functions import define
from .source import ParsedDef, Source

_COMPARED = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}


def add_methods(made, cls: type, unit, resolver) -> None:
    """Give a type the __init__, the comparisons and the __eq__ of a dataclass."""
    options: Any = cls.__dataclass_params__  # type: ignore[attr-defined]
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    texts: dict[str, str] = {}
    if options.init:
        texts["__init__"] = _init(cls, fields)
    compared = [f.name for f in fields if f.compare]
    if options.eq:
        texts["__eq__"] = _equal(cls, compared, made.attributes)
    if options.order:
        texts |= {name: _order(cls, name, mark, compared) for name, mark in _COMPARED.items()}
    defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    hints = {f.name: f.type for f in fields if not isinstance(f.type, str)}
    for name, text in texts.items():
        if name in made.methods:
            continue
        node = ast.parse(text).body[0]
        assert isinstance(node, ast.FunctionDef)
        is_init = name == "__init__"
        made.methods[name] = define(
            unit, f"{made.qualified_name()}.{name}", ParsedDef(node, Source(text, "<string>")),
            resolver, made, defaults if is_init else {}, hints if is_init else {},
        )  # fmt: skip


def _init(cls: type, fields) -> str:
    if any(f.default_factory is not dataclasses.MISSING for f in fields):
        raise NotImplementedError(
            "Default factory initializers are not supported in TorchScript dataclasses"
        )
    given = []
    for f in fields:
        hint = f.type if isinstance(f.type, str) else "object"
        usual = "" if f.default is dataclasses.MISSING else " = None"
        given.append(f"{f.name}: {hint}{usual}")
    lines = [f"    self.{f.name} = {f.name}" for f in fields] or ["    pass"]
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    return f"def __init__(self, {', '.join(given)}) -> None:\n" + "\n".join(lines) + "\n"


def _equal(cls: type, compared: list[str], types: dict) -> str:
    lines = [f"def __eq__(self, other: {cls.__name__}) -> bool:"]
    for i, field in enumerate(compared):
        lines.append(f"    a{i}, b{i} = self.{field}, other.{field}")
        indent = "    "
        if isinstance(types.get(field), T.OptionalType):
            lines.append(f"    if (a{i} is None) != (b{i} is None):\n        return False")
            lines.append(f"    if a{i} is not None and b{i} is not None:")
            indent *= 2
        lines.append(f"{indent}if not (a{i} == b{i}):\n{indent}    return False")
    return "\n".join([*lines, "    return True"]) + "\n"


def _order(cls: type, name: str, mark: str, compared: list[str]) -> str:
    lines = [f"def {name}(self, other: {cls.__name__}) -> bool:"]
    for field in compared:
        lines.append(f"    if self.{field} != other.{field}:")
        lines.append(f"        return self.{field} {mark[0]} other.{field}")
    lines.append(f"    return {'=' in mark}")
    return "\n".join(lines) + "\n"
