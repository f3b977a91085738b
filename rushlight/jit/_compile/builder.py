"""One function on its way to a graph: the graph, the names in scope, and how nodes are made.

Variables are stored and loaded by name (`prim::Store`, `prim::Load`) while statements are read;
`ssa` then replaces them by the values that reach each load, after `exits` has turned return, break
and continue into plain branches.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from .. import _types as T
from .._ir import Graph
from .calling import fail
from .match import call_builtin, call_schema, convert_to
from .source import Source, SourceRange
from .values import Simple, Sugared

MAX_INT = 2**63 - 1
_KEPT = (int, float, complex)  # constants made once, ahead of everything


class Frame:
    """The names of one block; those of the blocks around it are seen through `parent`."""

    __slots__ = ("annotated", "binds", "block", "leaves", "loop", "missing", "names", "parent")

    def __init__(self, block, parent: Frame | None, loop=None) -> None:
        self.block = block
        self.parent = parent
        self.loop = loop
        self.names: dict[str, Sugared | T.Type] = {}
        self.annotated: dict[str, T.Type] = {}
        self.missing: dict[str, str] = {}
        self.binds = False
        self.leaves = False  # whether it always returns, breaks or raises

    def find(self, name: str):
        """What a name stands for: something sugared, the type of a variable, or None."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.parent
        return None

    def variables(self) -> list[str]:
        """The variables assigned in this block."""
        return [n for n, v in self.names.items() if isinstance(v, T.Type)]

    def why_missing(self, name: str) -> str | None:
        """Why a name that was assigned somewhere has no value here."""
        frame: Frame | None = self
        while frame is not None and name not in frame.names:
            if name in frame.missing:
                return frame.missing[name]
            frame = frame.parent
        return None


class Builder:
    """Compiles one function: statements and expressions add nodes to `graph`."""

    def __init__(self, unit, resolver, source: Source, name: str) -> None:
        self.unit = unit
        self.resolver = resolver
        self.source = source
        self.name = name
        self.graph = Graph()
        self.block = self.graph.block()
        self.frame = Frame(self.block, None)
        self.declared_return: T.Type | None = None
        self.return_type: T.Type | None = None
        self.kept: dict = {}
        self.making: T.Type | None = None  # the class whose __init__ this is
        self.last = None  # the node of the last call
        self.unrolled = 0  # how many loops around here are written out

    def expression(self, node: ast.expr, hint: T.Type | None = None) -> Sugared:
        """Compile an expression."""
        from .expressions import expression

        return expression(self, node, hint)

    def statements(self, body: list[ast.stmt]) -> None:
        """Compile statements."""
        from .statements import statements

        statements(self, body)

    def peek(self, node: ast.expr) -> Sugared | None:
        """What a dotted name stands for, if that adds nothing to the graph; else None."""
        if isinstance(node, ast.Name):
            found = self.frame.find(node.id)
            if isinstance(found, T.Type):
                return None
            return found or self.resolver.name(self, node.id, self.source.range(node))
        if isinstance(node, ast.Attribute):
            owner = self.peek(node.value)
            if owner is None or not owner.fixed:
                return None
            return owner.attr(self, self.source.range(node), node.attr)
        return None

    # -- nodes -----------------------------------------------------------------------------

    def node(self, kind: str, inputs=(), at: SourceRange | None = None, outputs: int = 0):
        """A new node at the current place."""
        made = self.graph.create(kind, list(inputs), outputs)
        if at is not None:
            made.source = at
        self.graph.insertNode(made)
        return made

    def emit(self, kind: str, inputs, types, at) -> list:
        """A new node with outputs of these types; its outputs."""
        made = self.node(kind, inputs, at, len(types))
        outputs = list(made.outputs())
        for output, t in zip(outputs, types, strict=True):
            output.setType(t)
        return outputs

    def emit1(self, kind: str, inputs, t: T.Type, at):
        """A new node with one output, which it gives."""
        return self.emit(kind, inputs, [t], at)[0]

    def constant(self, value, at):
        """A constant of the graph; numbers are made once."""
        number = isinstance(value, _KEPT) and not isinstance(value, bool)
        key = (type(value), repr(value))
        if number and key in self.kept:
            return self.kept[key]
        if not number:
            made = self.graph.insertConstant(value)
        else:
            with self.graph.insert_point_guard(first_of(self.graph)):
                made = self.graph.insertConstant(value)
            self.kept[key] = made
        if at is not None:
            made.node().source = at
        return made

    def constant_of(self, value, t: T.Type, at):
        """A default, as a constant of the type that its parameter has."""
        inner = t.getElementType() if isinstance(t, T.OptionalType) else t
        if isinstance(inner, T.ListType) and isinstance(value, list | tuple):
            return self.graph.insertConstant(list(value), inner)
        return self.constant(value, at)

    def none(self, at):
        """The constant None."""
        return self.constant(None, at)

    def builtin(self, name: str, at, inputs, kwargs=None):
        """A call of an operator with values of the graph; its value."""
        return call_builtin(self, name, at, inputs, kwargs or {})

    def call(self, schema, kind: str, at, inputs, kwargs, leading=(), attributes=None):
        """A call that a schema describes: of a function or of a method."""
        return call_schema(self, schema, kind, at, inputs, kwargs, leading, attributes)

    def tuple(self, values: list, at):
        """A tuple of values of the graph."""
        types = [v.type() for v in values]
        return self.emit1("prim::TupleConstruct", values, T.TupleType(types), at)

    def list(self, values: list, element: T.Type, at):
        """A list of values of the graph."""
        return self.emit1("prim::ListConstruct", values, T.ListType(element), at)

    def uninitialized(self, t: T.Type):
        """A value that nothing will read."""
        return self.emit1("prim::Uninitialized", [], t, None)

    # -- names -----------------------------------------------------------------------------

    def enter(self, block, loop=None) -> None:
        """Go on in an inner block."""
        self.frame = Frame(block, self.frame, loop or self.frame.loop)
        self.block = block
        self.graph.setInsertPoint(block)

    def leave(self) -> Frame:
        """Go on after the node that the block belongs to; the block's names."""
        left = self.frame
        assert left.parent is not None
        self.frame = left.parent
        self.block = self.frame.block
        self.graph.setInsertPoint(self.block)
        return left

    @contextmanager
    def bound(self) -> Iterator[None]:
        """A scope in this block whose names are no variables but stand for what they are given."""
        self.frame = Frame(self.block, self.frame, self.frame.loop)
        self.frame.binds = True
        try:
            yield
        finally:
            self.frame = self.frame.parent  # type: ignore[assignment]

    def load(self, name: str, t: T.Type, at):
        """The value of a variable here."""
        node = self.node("prim::Load", [], at, 1)
        node.s_("name", name)
        return node.output().setType(t).setDebugName(name)

    def store(self, name: str, value, t: T.Type | None = None) -> None:
        """Give a variable a value here."""
        self.node("prim::Store", [value]).s_("name", name)
        self.frame.names[name] = value.type() if t is None else t

    def set(self, name: str, given: Sugared, at, annotated: T.Type | None = None) -> None:
        """Assign to a name, with the checks of the language."""
        frame = self.frame
        if frame.binds:
            frame.names[name] = given
            return
        given = self._as_annotated(name, given, at, annotated)
        known = frame.parent.find(name) if frame.parent is not None else None
        simple = type(given) is Simple  # a module is none: it is not assigned, only named
        if known is not None and not (simple and isinstance(known, T.Type)):
            self._check_reassigned(name, given, known, at)
        if not simple:
            frame.names[name] = given
            return
        value = given.value(self, at)  # type: ignore[union-attr]
        if known is not None:
            made = convert_to(self, value, known.unshaped(), at, True)
            value = value if made is None else made()
        if known is not None and not value.type().isSubtypeOf(known.unshaped()):
            was = known.annotation_str
            said = (
                f"Variable '{name}' previously had type {was} but is now being assigned to "
                f"a value of type {value.type()}"
            )
            if known == T.ListType(T.TensorType.get()):
                said += (
                    f"\nEmpty lists default to {was}. Add a variable annotation to the "
                    "assignment to create an empty list of another type "
                    "(torch.jit.annotate(List[T, []]) where T is the type of elements in the "
                    "list for Python 2)"
                )
            fail(at, said + "\n")
        self._named(value, name)
        self.store(name, value, annotated)
        frame.missing.pop(name, None)

    def _named(self, value, name: str) -> None:
        if not value._name and name != "_":
            value.setDebugName(name)

    def _as_annotated(self, name: str, given: Sugared, at, annotated) -> Sugared:
        """What is assigned, as an annotation of the name wants it."""
        frame: Frame | None = self.frame
        again = annotated is None and name in self.frame.annotated
        while annotated is None and frame is not None:
            annotated = frame.annotated.get(name)
            frame = frame.parent
        if annotated is None:
            return given
        if type(given) is not Simple:
            fail(at, f"{given.said} cannot be used as a value")
        made = convert_to(self, given.ir, annotated, at, False)
        if made is None and again:  # in the same block a name may take on another type
            del self.frame.annotated[name]
            return given
        if made is None:
            fail(
                at,
                f"Variable '{name}' is annotated with type {annotated} but is being "
                f"assigned to a value of type {given.type}",
            )
        self.frame.annotated.setdefault(name, annotated)
        return Simple(made())  # type: ignore[misc]

    def _check_reassigned(self, name: str, given: Sugared, known, at) -> None:
        if type(given) is not Simple:
            fail(
                at,
                f"Cannot re-assign '{name}' to a value of type {given.said} because {name} "
                "is not a first-class value. Only reassignments to first-class values are "
                "allowed",
            )
        if not isinstance(known, T.Type):
            fail(
                at,
                f"Cannot re-assign '{name}' because it has type {known.said} and {name} is "
                "not a first-class value. Only reassignments to first-class values are "
                "allowed",
            )

    def get(self, name: str, at, required: bool = True) -> Sugared | None:
        """What a name stands for here."""
        found = self.frame.find(name)
        why = self.frame.why_missing(name)
        if why is not None:
            fail(None, f"\n{why}\nand was used here:\n{at.highlight()}\n")
        if isinstance(found, T.Type):
            return Simple(self.load(name, found, at))
        if found is None:
            found = self.resolver.name(self, name, at)
        if found is None and required:
            fail(at, f"undefined value {name}")
        return found


def first_of(graph):
    """The node before which what is prepended to a graph goes."""
    return next(iter(graph.nodes()), graph.return_node())
