"""Source text without Python behind it: definitions of functions, classes and methods."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable

from .. import _types as T
from .classes import _literals, define_class
from .functions import compiled, define
from .resolver import Namespace
from .source import ParsedDef, Source, UnsupportedNodeError
from .values import Sugared


class TextScope(Namespace):
    """The names that a text defines, then those that a caller gives."""

    def __init__(self, unit, rcb: Callable | None) -> None:
        super().__init__(unit, {})
        self.rcb = rcb

    def python(self, name: str):
        if name in self.unit.functions:
            return self.unit.functions[name]
        found = self.rcb(name) if self.rcb is not None else None
        return super().python(name) if found is None else found

    def lookup(self, name: str):
        return self.unit.types.get(name) or super().lookup(name)

    def name(self, b, name: str, at) -> Sugared | None:
        from .classes import ClassValue

        known = self.unit.types.get(name)
        if isinstance(known, T.ClassType):
            return ClassValue(known)
        return super().name(b, name, at)


def _parsed(text: str) -> tuple[list[ast.stmt], Source]:
    text = textwrap.dedent(text)
    return ast.parse(text).body, Source(text, "<string>")


def define_text(unit, text: str, rcb: Callable | None = None) -> None:
    """Compile the functions and classes that a text defines."""
    body, source = _parsed(text)
    scope = TextScope(unit, rcb)
    made = []
    for node in body:
        if isinstance(node, ast.ClassDef):
            t = T.ClassType(node.name, False, unit)
            unit.types[node.name] = t
            define_class(t, node, source, unit, scope)
        elif isinstance(node, ast.FunctionDef):
            parsed = ParsedDef(node, source)
            function = define(unit, node.name, parsed, scope, defaults=_literals(node))
            unit.functions[node.name] = function
            made.append(function)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            raise UnsupportedNodeError(source, node)
    for function in made:
        compiled(function)


def define_methods(t: T.ClassType, text: str, self_value=None) -> None:
    """Add the methods that a text defines to a type."""
    from .unit import python_unit

    body, source = _parsed(text)
    unit = t.unit or python_unit()
    made = []
    for node in body:
        if not isinstance(node, ast.FunctionDef):
            raise UnsupportedNodeError(source, node)
        function = define(
            unit, f"{t.qualified_name()}.{node.name}", ParsedDef(node, source),
            TextScope(python_unit(), None), t, _literals(node), None, self_value,
        )  # fmt: skip
        t.methods[node.name] = function
        made.append(function)
    for function in made:
        compiled(function)
