"""Calling operators on a graph by hand: `graph.insert("aten::add", [x, y])`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _types as T
from ._compile.match import call_builtin
from ._ir import Graph, Value


class Inserter:
    """What the fitting of calls needs of a compiler, for a graph alone."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def node(self, kind: str, inputs: Sequence[Value] = (), at: Any = None, outputs: int = 0):
        """A new node at the insert point."""
        made = self.graph.create(kind, inputs, outputs)
        made.source = at or made.source
        return self.graph.insertNode(made)

    def emit(self, kind: str, inputs, types, at) -> list[Value]:
        """A new node with outputs of these types; its outputs."""
        outputs = list(self.node(kind, inputs, at, len(types)).outputs())
        for output, t in zip(outputs, types, strict=True):
            output.setType(t)
        return outputs

    def emit1(self, kind: str, inputs, t: T.Type, at) -> Value:
        """A new node with one output, which it gives."""
        return self.emit(kind, inputs, [t], at)[0]

    def constant_of(self, value: Any, t: T.Type, at) -> Value:
        """A default, as a constant."""
        inner = t.getElementType() if isinstance(t, T.OptionalType) else t
        return self.graph.insertConstant(value, inner if isinstance(value, list) else None)

    def none(self, at) -> Value:
        """The constant None."""
        return self.graph.insertConstant(None)

    def list(self, values: Sequence[Value], element: T.Type, at) -> Value:
        """A list of values."""
        return self.emit1("prim::ListConstruct", values, T.ListType(element), at)


def insert(graph: Graph, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
    """Call an operator at the insert point; its result, a tuple of them where there are several.

    Arguments are values of the graph or Python constants.
    """

    def value(given: Any) -> Value:
        return given if isinstance(given, Value) else graph.insertConstant(given)

    given = [value(a) for a in args]
    named = {k: value(v) for k, v in kwargs.items()}
    return call_builtin(Inserter(graph), name, None, given, named)
