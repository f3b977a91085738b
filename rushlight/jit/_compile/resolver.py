"""How names are found: in the scope of a Python function, or in a plain mapping."""

from __future__ import annotations

import ast
import builtins
from types import FunctionType

from .. import _types as T
from . import annotated
from .calling import fail
from .values import Sugared


class Namespace:
    """Names of a mapping; Python's builtins and the language's own behind them."""

    def __init__(self, unit, names) -> None:
        self.unit = unit
        self.names = names

    def python(self, name: str):
        """The Python object of a name, or None."""
        if name in self.names:
            return self.names[name]
        if name == "torch":
            import rushlight

            return rushlight
        return None

    def name(self, b, name: str, at) -> Sugared | None:
        """What a name stands for that is no variable."""
        from .python_values import builtin_name, python_value

        found = self.python(name)
        if found is None:
            known = builtin_name(name)
            if known is not None:
                return known
            found = getattr(builtins, name, None)
            if found is None:
                return None
        return python_value(b, found, at, said=name)

    def lookup(self, name: str):
        """The Python object of a name in an annotation, or None."""
        return self.python(name)

    def type_of(self, b, node: ast.expr, at=None) -> T.Type | None:
        """The type that an annotation means."""
        at = at or b.source.range(node)
        found = annotated.from_tree(node, self.lookup, self.unit, at)
        if found is None and not _is_final(node):
            fail(at, f"Unknown type name '{ast.unparse(node)}'")
        return found


def _is_final(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "Final"


class Scope(Namespace):
    """The scope of a Python function: its free variables and its globals."""

    def __init__(self, unit, function: FunctionType, extra=None) -> None:
        closed = dict(extra or {})
        cells = function.__closure__ or ()
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
            try:
                closed[name] = cell.cell_contents
            except ValueError:  # a cell that is not filled yet
                continue
        super().__init__(unit, closed)
        self.globals = function.__globals__

    def python(self, name: str):
        if name in self.names:
            return self.names[name]
        return self.globals.get(name)
