"""What a name or an expression may stand for while a program is compiled.

A value of the graph is one case (`Simple`); functions, classes, modules, `range(n)` and the rest
exist only in the compiler: `Sugared` is what they share.
"""

from __future__ import annotations

from .. import _types as T
from .calling import fail


class Arg:
    """An argument of a call: what it is, its keyword if any, where it stands."""

    __slots__ = ("at", "given", "name")

    def __init__(self, given: Sugared, at, name: str | None = None) -> None:
        self.given = given
        self.at = at
        self.name = name


class Sugared:
    """The base: everything that a kind of value cannot do raises."""

    said = "value"
    fixed = False  # whether looking up an attribute adds nothing to the graph

    def value(self, b, at):
        """As a value of the graph."""
        fail(at, f"{self.said} cannot be used as a value")

    def value_as(self, b, at, t):
        """As a value of the graph, where the place says which type it wants."""
        return self.value(b, at)

    def attr(self, b, at, name: str) -> Sugared:
        """`self.name`."""
        fail(at, f"attribute lookup is not defined on {self.said}")
        raise AssertionError

    def set_attr(self, b, at, name: str, value) -> None:
        """`self.name = value`."""
        fail(at, f"attribute assignment is not defined on {self.said}")

    def has_attr(self, b, at, name: str) -> bool:
        """hasattr(self, name), known while compiling."""
        fail(
            at,
            "hasattr's first argument must be a object or NamedTuple, but got a normal "
            f"{self.said} instead",
        )
        raise AssertionError

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        """`self(*args, **kwargs)`."""
        fail(at, f"cannot call a {self.said}")
        raise AssertionError

    def elements(self, b, at, count: int | None = None) -> list[Sugared]:
        """The parts, where their number is known; `count` is how many the place wants."""
        fail(at, f"{self.said} cannot be used as a tuple")
        raise AssertionError

    def item(self, b, at, index, hint=None) -> Sugared:
        """`self[index]`; `index` is a value of the graph."""
        fail(at, f"{self.said}' object is not subscriptable")
        raise AssertionError

    def iterated(self, b, at) -> Sugared:
        """What a loop over it goes through."""
        fail(at, f"{self.said} cannot be used as an iterable")
        raise AssertionError

    def length(self, b, at):
        """len(self) as a value of the graph."""
        fail(at, f"{self.said} does not have a length")

    def static_length(self) -> int | None:
        """The length where it is known while compiling."""
        return None

    def unrolls(self) -> bool:
        """Whether a loop over it is written out, element by element."""
        return False

    def enter(self, b, at):
        """`with self`: the value of the graph that is entered."""
        return self.value(b, at)


class Simple(Sugared):
    """A value of the graph."""

    __slots__ = ("ir",)
    said = "value"

    def __init__(self, ir) -> None:
        self.ir = ir

    @property
    def type(self):
        """Its type."""
        return self.ir.type()

    def value(self, b, at):
        return self.ir

    def attr(self, b, at, name: str) -> Sugared:
        from .attributes import attribute

        return attribute(b, at, self.ir, name)

    def set_attr(self, b, at, name: str, value) -> None:
        from .attributes import set_attribute

        set_attribute(b, at, self.ir, name, value)

    def has_attr(self, b, at, name: str) -> bool:
        t = self.type
        if isinstance(t, T.ClassType):
            return (
                name in t.attributes or name in t.methods or name in t.constants
                or name in t.properties
            )  # fmt: skip
        if isinstance(t, T.TupleType) and t.fields:
            return name in t.fields
        return super().has_attr(b, at, name)

    def call(self, b, at, args, kwargs) -> Sugared:
        t = self.type
        if isinstance(t, T.ClassType | T.InterfaceType):
            method = "forward" if getattr(t, "is_module", False) else "__call__"
            return self.attr(b, at, method).call(b, at, args, kwargs)
        fail(at, f"'{t}' object is not callable")
        raise AssertionError

    def elements(self, b, at, count: int | None = None) -> list[Sugared]:
        t = self.type
        if isinstance(t, T.TupleType):
            outputs = b.emit("prim::TupleUnpack", [self.ir], t.elements(), at)
            return [Simple(v) for v in outputs]
        if isinstance(t, T.ListType):
            if count is None:
                fail(at, "cannot statically infer the expected size of a list in this context")
            node = b.emit("prim::ListUnpack", [self.ir], [t.getElementType()] * count, at)
            return [Simple(v) for v in node]
        if isinstance(t, T.AnyTupleType):
            fail(
                at,
                "Provided tuple is not fully defined/refined including its element types, "
                "please provide a value of type like Tuple[int, int]",
            )
        fail(at, f"'{t}' object cannot be used as a tuple: {t} cannot be used as a tuple")
        raise AssertionError

    def item(self, b, at, index, hint=None) -> Sugared:
        t = self.type
        if isinstance(t, T.TensorType):
            found = b.builtin("aten::select", at, [self.ir, b.constant(0, at), index])
        elif isinstance(t, T.ListType | T.StringType | T.DictType):
            found = b.builtin("aten::__getitem__", at, [self.ir, index])
        elif isinstance(t, T.ClassType):
            return self.attr(b, at, "__getitem__").call(b, at, [Arg(Simple(index), at)], [])
        elif isinstance(t, T.TupleType):
            from .subscripts import tuple_item

            return Simple(tuple_item(b, at, self.ir, index))
        else:
            fail(at, f"'{t}' object is not subscriptable")
        return Simple(found)

    def iterated(self, b, at) -> Sugared:
        t = self.type
        if isinstance(t, T.DictType):
            return Simple(b.builtin("aten::keys", at, [self.ir]))
        if isinstance(t, T.TupleType):
            return Parts(self.elements(b, at))
        if isinstance(t, T.ListType | T.StringType | T.TensorType):
            return self
        if isinstance(t, T.ClassType) and "__iter__" in t.methods:
            return self.attr(b, at, "__iter__").call(b, at, [], []).iterated(b, at)
        fail(at, f"'{t}' object is not iterable")
        raise AssertionError

    def length(self, b, at):
        t = self.type
        if isinstance(t, T.TupleType):
            return b.constant(len(t.elements()), at)
        if isinstance(t, T.ListType | T.StringType | T.DictType | T.TensorType):
            return b.builtin("aten::len", at, [self.ir])
        if isinstance(t, T.ClassType):
            return self.attr(b, at, "__len__").call(b, at, [], []).value(b, at)
        fail(at, f"'{t}' object is not iterable")

    def static_length(self) -> int | None:
        t = self.type
        return len(t.elements()) if isinstance(t, T.TupleType) else None

    def unrolls(self) -> bool:
        return False


class Parts(Sugared):
    """A tuple that exists only in the compiler: its parts may be of any kind."""

    said = "tuple"

    def __init__(self, parts: list[Sugared]) -> None:
        self.parts = parts

    def value(self, b, at):
        values = [p.value(b, at) for p in self.parts]
        return b.tuple(values, at)

    def elements(self, b, at, count: int | None = None) -> list[Sugared]:
        return list(self.parts)

    def item(self, b, at, index, hint=None) -> Sugared:
        number = index.toIValue()
        if not isinstance(number, int):
            fail(
                at,
                "Expected integer literal for index. Index into a tuple or module list "
                "must be constant",
            )
        if not -len(self.parts) <= number < len(self.parts):
            fail(at, f"Index {number} out of range of length {len(self.parts)}")
        return self.parts[number]

    def iterated(self, b, at) -> Sugared:
        return self

    def length(self, b, at):
        return b.constant(len(self.parts), at)

    def static_length(self) -> int | None:
        return len(self.parts)

    def unrolls(self) -> bool:
        return True

    def has_attr(self, b, at, name: str) -> bool:
        return False


class Range(Sugared):
    """range(...)."""

    said = "range"

    def __init__(self, bounds: list, count: int | None = None) -> None:
        """`bounds` are one, two or three values of the graph; `count` the length if known."""
        self.bounds = bounds
        self.count = count

    def iterated(self, b, at) -> Sugared:
        return self

    def length(self, b, at):
        if len(self.bounds) == 1:
            return self.bounds[0]
        start, end, *step = self.bounds
        return b.builtin("aten::__range_length", at, [start, end, *(step or [b.constant(1, at)])])

    def item(self, b, at, index, hint=None) -> Sugared:
        if len(self.bounds) == 1:
            return Simple(index)
        start, _, *step = self.bounds
        step = step or [b.constant(1, at)]
        return Simple(b.builtin("aten::__derive_index", at, [index, start, *step]))

    def static_length(self) -> int | None:
        return self.count


class Together(Sugared):
    """zip(...) or enumerate(...): several iterables gone through in step."""

    said = "iterabletree"

    def __init__(self, parts: list[Sugared], unroll: bool) -> None:
        self.parts = parts
        self.unroll = unroll

    def iterated(self, b, at) -> Sugared:
        return self

    def leaves(self) -> list[Sugared]:
        """The iterables within, nested ones opened."""
        found: list[Sugared] = []
        for part in self.parts:
            found += part.leaves() if isinstance(part, Together) else [part]
        return found

    def static_length(self) -> int | None:
        known = [n for n in (p.static_length() for p in self.leaves()) if n is not None]
        return min(known) if self.unroll and known else None

    def unrolls(self) -> bool:
        return self.unroll

    def length(self, b, at):
        counts = [leaf.length(b, at) for leaf in self.leaves()]
        return b.builtin("prim::min", at, [b.list(counts, T.IntType.get(), at)])

    def item(self, b, at, index, hint=None) -> Sugared:
        return Parts([p.item(b, at, index) for p in self.parts])

    def elements(self, b, at, count: int | None = None) -> list[Sugared]:
        number = self.static_length()
        if number is None:
            fail(at, "iterabletree cannot be used as a tuple: its length is not known")
        return [self.item(b, at, b.constant(i, at)) for i in range(number)]  # type: ignore[arg-type]
