"""What third-party code imports of the compiler: its errors, and readers of definitions."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from ._compile.source import (
    FrontendError,
    FrontendTypeError,
    NotSupportedError,
    ParsedDef,
    UnsupportedNodeError,
    parse_class,
    parse_definition,
)
from ._compile.unit import defaults_of, qualified_name

__all__ = [
    "FrontendError",
    "FrontendTypeError",
    "NotSupportedError",
    "UnsupportedNodeError",
    "get_default_args",
    "get_jit_class_def",
    "get_jit_def",
    "get_qualified_name",
    "is_reserved_name",
    "parse_def",
]

_ERRORS = (FrontendError, FrontendTypeError, NotSupportedError, UnsupportedNodeError)
for _class in _ERRORS:
    _class.__module__ = "torch.jit.frontend"
Def = ParsedDef


def get_default_args(fn: FunctionType | None) -> dict[str, Any]:
    """The defaults of a function's parameters, by name."""
    return {} if fn is None else defaults_of(fn)


def get_jit_def(
    fn: FunctionType, def_name: str, self_name: str | None = None, is_classmethod: bool = False
) -> Def:  # noqa: E501
    """The definition of a function: its tree and its source."""
    return parse_definition(fn)


def get_jit_class_def(cls: type, self_name: str) -> Any:
    """The definition of a class: its tree and its source."""
    return parse_class(cls)


def parse_def(fn: FunctionType) -> Def:
    """The definition of a function: its tree and its source."""
    return parse_definition(fn)


def get_qualified_name(made: Any) -> str:
    """The name under which programs know a function or a class."""
    return qualified_name(made)


def is_reserved_name(name: str) -> bool:
    """Whether a name is kept for the compiler."""
    return name.startswith("__jit") or name == "print"
