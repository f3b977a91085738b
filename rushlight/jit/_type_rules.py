"""Rules over types: what two have in common, what a schema's text says, what a value is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import _plain_types as T
from ._class_types import ClassType, EnumType
from ._plain_types import Type
from ._tensor_type import DTYPE_NAMES, TensorType, merge
from ._union_types import OptionalType, UnionType

_BY_NAME: dict[str, Type] = {cls.text: t for cls, t in T._SINGLES.items()}
_BY_NAME |= {"number": T.NumberType.get(), "Tensor": TensorType.get(), "None": T.NoneType.get()}
# Numbers that schemas name by what they mean.
MEANINGS = {"ScalarType": "int", "Layout": "int", "MemoryFormat": "int"}


def unify_types(one: Type, other: Type, union: bool = False) -> Type | None:
    """The least type that takes both, or None; with `union`, a Union where nothing better is."""
    if one.isSubtypeOf(other):
        return other
    if other.isSubtypeOf(one):
        return one
    if isinstance(one, TensorType) and isinstance(other, TensorType):
        return merge(one, other)
    for a, b in ((one, other), (other, one)):
        if isinstance(a, T.NoneType) and not isinstance(b, T.NoneType):
            return OptionalType(b)
        if isinstance(a, OptionalType):
            inner = unify_types(a.element, b.element if isinstance(b, OptionalType) else b)
            if inner is not None:
                return OptionalType(inner)
    found = _unify_elements(one, other, union)
    if found is None and union:
        return UnionType([one, other])
    return found


def _unify_elements(one: Type, other: Type, union: bool) -> Type | None:
    """For containers of one kind: the container of what their elements have in common."""
    if type(one) is not type(other):
        return None
    if isinstance(one, T.ListType | T.DictType):
        plain = one.unshaped()
        return plain if plain == other.unshaped() else None
    if not isinstance(one, T.TupleType | T.FutureType):
        return None
    mine, theirs = one.containedTypes(), other.containedTypes()
    if len(mine) != len(theirs):
        return None
    each = [unify_types(a, b, union) for a, b in zip(mine, theirs, strict=True)]
    if any(t is None for t in each):
        return None
    if isinstance(one, T.TupleType) and one.fields:
        return one.with_contained(each) if one.fields == other.fields else T.TupleType(each)  # type: ignore[arg-type,attr-defined]
    return one.with_contained(each)  # type: ignore[arg-type]


def unify_type_list(types: Sequence[Type]) -> Type:
    """The least type that takes all of `types`; RuntimeError where there is none."""
    if not types:
        raise RuntimeError("Cannot get unified type from empty list")
    found = types[0]
    for i, t in enumerate(types[1:], 1):
        unified = unify_types(found, t)
        if unified is None:
            raise RuntimeError(
                f"Could not unify type list since element {i} of type {t} did not match the "
                f"types before it ({found})"
            )
        found = unified
    return found


def has_free_variables(t: Type) -> bool:
    """Whether the type has type variables in it."""
    return isinstance(t, T.VarType) or any(
        has_free_variables(i) for i in t.containedTypes() if not isinstance(t, ClassType)
    )


def bind_variables(formal: Type, actual: Type, bound: dict[str, Type]) -> str:
    """Fit a type with variables to an actual one, filling `bound`; why not, or empty."""
    if isinstance(formal, T.VarType):
        known = bound.get(formal.name)
        if known is None:
            bound[formal.name] = actual
            return ""
        unified = unify_types(known, actual)
        if unified is None:
            return (
                f"Type variable '{formal.name}' previously matched to type {known} is matched to "
                f"type {actual}"
            )
        bound[formal.name] = unified
        return ""
    if not has_free_variables(formal):
        return ""
    if isinstance(formal, OptionalType):
        if isinstance(actual, OptionalType):
            return bind_variables(formal.element, actual.element, bound)
        # None says nothing about the variable.
        return (
            "" if isinstance(actual, T.NoneType) else bind_variables(formal.element, actual, bound)
        )
    if isinstance(formal, T.ListType) and isinstance(actual, T.TupleType):
        for element in actual.elements():
            reason = bind_variables(formal.element, element, bound)
            if reason:
                return reason
        return ""
    mine, theirs = formal.containedTypes(), actual.containedTypes()
    if type(formal) is not type(actual) or len(mine) != len(theirs):
        return f"Cannot match {formal} to {actual}"
    for a, b in zip(mine, theirs, strict=True):
        reason = bind_variables(a, b, bound)
        if reason:
            return reason
    return ""


def substitute(t: Type, bound: dict[str, Type]) -> Type | None:
    """The type with its variables replaced; None where one is not bound."""
    if isinstance(t, T.VarType):
        return bound.get(t.name)
    if not has_free_variables(t):
        return t
    inner = [substitute(i, bound) for i in t.containedTypes()]
    return None if any(i is None for i in inner) else t.with_contained(inner)  # type: ignore[arg-type]


# -- text ------------------------------------------------------------------------------------


class Scanner:
    """Reads the words and marks of a schema or of a graph's text."""

    def __init__(self, text: str, skip: str = " \n\t") -> None:
        self.text, self.at, self.skip = text, 0, skip
        self.size: int | None = None  # of the list type that was read last: int[2]

    def space(self) -> None:
        """Pass over blanks."""
        while self.at < len(self.text) and self.text[self.at] in self.skip:
            self.at += 1

    def peek(self, mark: str) -> bool:
        """Whether `mark` comes next."""
        self.space()
        return self.text.startswith(mark, self.at)

    def take(self, mark: str) -> bool:
        """Pass over `mark` if it comes next."""
        found = self.peek(mark)
        if found:
            self.at += len(mark)
        return found

    def need(self, mark: str) -> None:
        """Pass over `mark`, which must come next."""
        if not self.take(mark):
            got = self.text[self.at : self.at + 1] or "eof"
            raise self.error(f"expected {mark} but found '{got}' here")

    def word(self, more: str = "_") -> str:
        """The name that comes next; empty if none does."""
        self.space()
        start = self.at
        while self.at < len(self.text) and (
            self.text[self.at].isalnum() or self.text[self.at] in more
        ):
            self.at += 1
        return self.text[start : self.at]

    def error(self, message: str) -> RuntimeError:
        """The error that points at where we are."""
        start = self.text.rfind("\n", 0, self.at) + 1
        end = self.text.find("\n", self.at)
        line = self.text[start : end if end >= 0 else None]
        return RuntimeError(f"{message}:\n{line}\n{' ' * (self.at - start)}~ <--- HERE")


def parse_type(text: str, classes: Callable[[str], Type | None] | None = None) -> Type:
    """The type that a schema or a graph writes: `Tensor?[]`, `Dict(str, int)`, `(int, t)`."""
    scanner = Scanner(text)
    found = read_type(scanner, classes)
    scanner.space()
    if scanner.at < len(text):
        raise scanner.error("parse_type: expected the end of the text here")
    return found


def read_type(
    s: Scanner,
    classes: Callable[[str], Type | None] | None = None,
    alias: Callable[[Scanner], None] | None = None,
) -> Type:
    """Read a type; `alias` reads the `(a!)` that schemas put after one."""
    found = _read_plain(s, classes, alias)
    while True:
        if s.take("["):
            size = s.word("")
            s.need("]")
            s.size = int(size) if size else None
            found = T.ListType(found)
        elif s.take("?"):
            found = OptionalType(found)
        else:
            return found
        if alias is not None:
            alias(s)


def _read_plain(s: Scanner, classes, alias) -> Type:
    if s.take("("):
        found: Type = T.TupleType(_read_several(s, ")", classes, alias))
    else:
        start = s.at
        name = s.word("_.")
        if name in _MADE:
            close = {"(": ")", "[": "]"}.get(s.text[s.at : s.at + 1])
            if close is None:
                raise s.error(f"expected ( after {name} here")
            s.at += 1
            found = _MADE[name](_read_several(s, close, classes, alias))
        elif name in DTYPE_NAMES and classes is not None:
            found = _read_tensor(s, DTYPE_NAMES[name])
        elif name in MEANINGS or name in _BY_NAME:
            found = _BY_NAME[name]
        elif name == "Enum" and s.take("<"):
            found = EnumType(s.word("_."), T.IntType.get(), [])
            s.need(">")
        elif name == "NamedTuple":
            found = _read_named(s, classes)
        elif classes is not None and "." in name:
            found = classes(name) or ClassType(name)
        elif name and name[0].islower() and name.isalnum():
            found = T.VarType(name)
        else:
            s.at = start
            raise s.error("unknown type specifier. Common valid schema types include Tensor, "
                          "SymInt, int, float, bool, Scalar")  # fmt: skip
    if alias is not None:
        alias(s)
    return found


_MADE: dict[str, Callable[[list[Type]], Type]] = {
    "Dict": lambda t: T.DictType(*t),
    "Union": UnionType,
    "Future": lambda t: T.FutureType(*t),
    "Await": lambda t: T.AwaitType(*t),
    "RRef": lambda t: T.RRefType(*t),
    "Optional": lambda t: OptionalType(*t),
    "List": lambda t: T.ListType(*t),
    "Tuple": T.TupleType,
}


def _read_several(s: Scanner, close: str, classes, alias) -> list[Type]:
    found = []
    while not s.take(close):
        found.append(read_type(s, classes, alias))
        if not s.peek(close):
            s.need(",")
    return found


def _read_named(s: Scanner, classes) -> Type:
    s.need("(")
    fields, types = [], []
    while not s.take(")"):
        fields.append(s.word())
        s.need(":")
        types.append(read_type(s, classes))
        if not s.peek(")"):
            s.need(",")
    return T.TupleType(types, "NamedTuple", fields)


def _read_tensor(s: Scanner, dtype) -> TensorType:
    """What stands in the parentheses of `Float(2, *, strides=[3, 1], device=cpu)`."""
    from .._device import device

    sizes: list[int | None] = []
    said: dict = {}
    s.need("(")
    while not s.take(")"):
        if s.take("strides=["):
            said["strides"] = []
            while not s.take("]"):
                said["strides"].append(int(s.word()))
                s.take(",")
        elif s.take("requires_grad="):
            said["requires_grad"] = s.word() == "1"
        elif s.take("device="):
            said["device"] = device(s.word("_:"))
        elif s.take("*"):
            sizes.append(None)
        else:
            sizes.append(int(s.word()))
        if not s.peek(")"):
            s.need(",")
    return TensorType(dtype, sizes=sizes if sizes or not said else None, **said)


class InferredType:
    """The type of a value, or the reason why it has none."""

    def __init__(self, found: Type | str) -> None:
        self._type, self._reason = (None, found) if isinstance(found, str) else (found, "")

    def type(self) -> Type:
        """The type; RuntimeError where there is none."""
        if self._type is None:
            raise RuntimeError(f"InferredType: tried to get the type of a failure: {self._reason}")
        return self._type

    def success(self) -> bool:
        """Whether there is a type."""
        return self._type is not None

    def reason(self) -> str:
        """Why there is no type."""
        return self._reason


def members_of(types: Iterable[Type]) -> list[Type]:
    """All types within `types`, themselves first."""
    found: list[Type] = []
    for t in types:
        found.append(t)
        if not isinstance(t, ClassType):
            found += members_of(t.containedTypes())
    return found
