"""Operators that programs have and the table has not: written in the language, put in place."""

from __future__ import annotations

import ast

from .source import ParsedDef, Source

_NUMBERS = ("float", "int", "complex")
_SWAPPED = """
def mul(a: {0}, b: Tensor) -> Tensor: return b * a
def add(a: {0}, b: Tensor) -> Tensor: return b + a
def ne(a: {0}, b: Tensor) -> Tensor: return b != a
def eq(a: {0}, b: Tensor) -> Tensor: return b == a
def sub(a: {0}, b: Tensor) -> Tensor: return torch.neg(b) + a
def div(a: {0}, b: Tensor) -> Tensor: return torch.reciprocal(b) * a
"""
_ORDERED = """
def lt(a: {0}, b: Tensor) -> Tensor: return b > a
def le(a: {0}, b: Tensor) -> Tensor: return b >= a
def gt(a: {0}, b: Tensor) -> Tensor: return b < a
def ge(a: {0}, b: Tensor) -> Tensor: return b <= a
def floordiv(a: Tensor, b: {0}) -> Tensor: return torch.floor_divide(a, b)
def __round_to_zero_floordiv(a: Tensor, b: {0}) -> Tensor: return torch.floor_divide(a, b)
"""
_REST = """
def floordiv(a: Tensor, b: Tensor) -> Tensor: return torch.floor_divide(a, b)
def _assert(condition: bool, message: str):
  assert condition, message
def _assert(condition: Tensor, message: str):
  assert bool(condition), message
def __contains__(a: str, b: str) -> bool: return a.find(b, 0, len(a)) != -1
"""
_TYPE = """
def _coalesced_(self: Tensor, coalesced: bool) -> Tensor: return self.coalesce()
def type(self: Tensor, dtype: int, non_blocking: bool = False, copy: bool = False) -> Tensor:
    return self.to(dtype, non_blocking, copy)
"""
_CASTS = """
def {0}(self: Tensor, non_blocking: bool = False, copy: bool = False) -> Tensor:
    return self.to({1}, non_blocking, copy)
"""
_DTYPES = {
    "byte": 0, "char": 1, "short": 2, "int": 3, "long": 4, "half": 5, "float": 6, "double": 7,
    "bool": 11, "bfloat16": 15, "cfloat": 9, "cdouble": 10,
}  # fmt: skip
REPLACED = {f"aten::{name}" for name in _DTYPES}  # though there is an operator of the name
_table: dict[str, list[Scripted]] = {}


class Scripted:
    """A function of the language that is put where it is called."""

    def __init__(self, function) -> None:
        self.function = function
        self.schema = function.schema

    def inline(self, b, values):
        """Put the body where the builder is; its value."""
        return b.graph.insertGraph(self.function.graph, values)[0]


def scripted(name: str) -> list[Scripted]:
    """The functions of a name."""
    space, _, last = name.partition("::")
    if space != "aten" or last not in _names():
        return []
    if last not in _table:
        _table[last] = [Scripted(f) for f in _compile(last)]
    return _table[last]


_trees: dict[str, list[ParsedDef]] = {}


def _names() -> dict[str, list[ParsedDef]]:
    if not _trees:
        texts = [_SWAPPED.format(n) for n in _NUMBERS] + [_ORDERED.format(n) for n in _NUMBERS[:2]]
        texts += [_REST, _TYPE]
        texts += [_CASTS.format(name, number) for name, number in _DTYPES.items()]
        for text in texts:
            source = Source(text, "<string>")
            for node in ast.parse(text).body:
                assert isinstance(node, ast.FunctionDef)
                _trees.setdefault(node.name, []).append(ParsedDef(node, source))
    return _trees


def _compile(name: str):
    from .functions import compiled, define
    from .resolver import Namespace
    from .unit import python_unit

    unit = python_unit()
    resolver = Namespace(unit, {})
    for parsed in _names()[name]:
        defaults = [ast.literal_eval(d) for d in parsed.node.args.defaults]
        names = [a.arg for a in parsed.node.args.args]
        named = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        yield compiled(define(unit, name, parsed, resolver, defaults=named))
