"""Schemas: the name, the arguments and the results of a function, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _types as T
from ._constants import NUMBERS
from ._ir_print import literal
from ._type_rules import Scanner, read_type

_NONE = object()


class AliasInfo:
    """What may share memory: `a!` is written, `a -> *` goes somewhere unknown."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def is_write(self) -> bool:
        """Whether the memory is written."""
        return "!" in self.text

    @property
    def before_set(self) -> set[str]:
        """The names of the memory before the call."""
        before = self.text.replace("!", "").partition("->")[0]
        return {"alias::" + n.strip() for n in before.split("|")}

    @property
    def after_set(self) -> set[str]:
        """The names of the memory after the call."""
        before, _, after = self.text.replace("!", "").partition("->")
        return {"alias::" + n.strip() for n in (after or before).split("|")}


class Argument:
    """An argument or a result of a schema."""

    __slots__ = ("N", "_default", "_text", "alias_info", "is_out", "kwarg_only", "name",
                 "real_type", "type")  # fmt: skip

    def __init__(
        self,
        name: str,
        type: T.Type,
        N: int | None = None,  # noqa: N803 (PyTorch's spelling)
        default_value: Any = _NONE,
        kwarg_only: bool = False,
        alias_info: AliasInfo | None = None,
        text: str | None = None,
    ) -> None:
        self.name = name
        self.real_type = type
        self.type = plain_type(type)
        self.N = N
        self._default = default_value
        self.kwarg_only = kwarg_only
        self.alias_info = alias_info
        self.is_out = kwarg_only and self.is_write
        self._text = text or type.str()

    @property
    def default_value(self) -> Any:
        """The default; None where there is none."""
        return None if self._default is _NONE else self._default

    @property
    def spread_default(self) -> Any:
        """The default as a list where a number stands for all of its elements."""
        default = self.default_value
        return [default] * self.N if self.N and type(default) in (int, float) else default

    def has_default_value(self) -> bool:
        """Whether there is a default."""
        return self._default is not _NONE

    @property
    def is_write(self) -> bool:
        """Whether the function writes to it."""
        return self.alias_info is not None and self.alias_info.is_write

    def renamed(self, name: str) -> Argument:
        """The same under another name."""
        said = self._default, self.kwarg_only, self.alias_info, self._text
        return Argument(name, self.real_type, self.N, *said)

    def __str__(self) -> str:
        text = f"{self._text} {self.name}".rstrip()
        return f"{text}={self._default_text()}" if self.has_default_value() else text

    def _default_text(self) -> str:
        """The default; of a list of a stated length with one number throughout, that number."""
        value = self._default
        alike = isinstance(value, list) and self.N == len(value) > 1 == len(set(value))
        if alike and self.real_type == T.ListType(T.IntType.get()):
            return literal(value[0])
        return literal(value)

    def __eq__(self, other) -> bool:
        return isinstance(other, Argument) and (
            str(self) == str(other) and self.kwarg_only == other.kwarg_only
        )

    def __hash__(self) -> int:
        return hash(str(self))


def plain_type(t: T.Type) -> T.Type:
    """What a program sees of a type: dtypes, layouts and symbolic sizes are ints."""
    kind = t.kind()
    if kind in ("ScalarTypeType", "LayoutType", "MemoryFormatType", "SymIntType"):
        return T.IntType.get()
    if kind == "SymBoolType":
        return T.BoolType.get()
    inner = t.containedTypes()
    if not inner or isinstance(t, T.ClassType):
        return t
    made = [plain_type(i) for i in inner]
    return t if made == inner else t.with_contained(made)


class FunctionSchema:
    """The name, the arguments and the results of a function."""

    __slots__ = ("arguments", "is_vararg", "is_varret", "name", "overload_name", "returns")

    def __init__(
        self,
        name: str,
        overload_name: str,
        arguments: Sequence[Argument],
        returns: Sequence[Argument],
        is_vararg: bool = False,
        is_varret: bool = False,
    ) -> None:
        self.name = name
        self.overload_name = overload_name
        self.arguments = list(arguments)
        self.returns = list(returns)
        self.is_vararg = is_vararg
        self.is_varret = is_varret

    @property
    def is_mutable(self) -> bool:
        """Whether it writes to an argument."""
        return any(a.is_write for a in self.arguments)

    def _is_view_op(self) -> bool:
        """Whether it gives a view of an argument."""
        return not self.is_mutable and any(
            a.alias_info is not None and a.alias_info.text != "*" for a in self.returns
        )

    def argument(self, name: str) -> Argument | None:
        """The argument of a name."""
        return next((a for a in self.arguments if a.name == name), None)

    def fits(self, interface: FunctionSchema) -> bool:
        """Whether a method of this schema may stand for one of an interface."""
        mine, theirs = self.arguments[1:], interface.arguments[1:]
        if len(mine) < len(theirs) or len(self.returns) != len(interface.returns):
            return False
        if not all(a.has_default_value() for a in mine[len(theirs) :]):
            return False
        return all(
            b.type.isSubtypeOf(a.type) and a.name == b.name
            for a, b in zip(mine, theirs, strict=False)
        ) and all(
            a.type.isSubtypeOf(b.type) for a, b in zip(self.returns, interface.returns, strict=True)
        )

    def is_backward_compatible_with(self, old: FunctionSchema) -> bool:
        """Whether every call that the old schema takes is taken by this one."""
        from ._compatibility import breaks_old_calls

        return not breaks_old_calls(self, old)

    def check_forward_compatible_with(self, old: FunctionSchema) -> tuple[bool, str]:
        """Whether the old schema takes calls as this one writes them, and why not."""
        from ._compatibility import why_not_forward

        reason = why_not_forward(self, old)
        return reason is None, reason or ""

    def __str__(self) -> str:
        inner, keyword = [], False
        for a in self.arguments:
            if a.kwarg_only and not keyword:
                keyword = True
                inner.append("*")
            inner.append(str(a))
        if self.is_vararg:
            inner.append("...")
        name = f"{self.name}.{self.overload_name}" if self.overload_name else self.name
        return f"{name}({', '.join(inner)}) -> {self._returns_text()}"

    def _returns_text(self) -> str:
        if self.is_varret and not self.returns:
            return "..."
        texts = [str(r) for r in self.returns] + (["..."] if self.is_varret else [])
        plain = len(texts) == 1 and not texts[0].startswith("(")
        return texts[0] if plain else f"({', '.join(texts)})"

    __repr__ = __str__

    def __eq__(self, other) -> bool:
        return isinstance(other, FunctionSchema) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __getstate__(self) -> str:
        return str(self)

    def __setstate__(self, text: str) -> None:
        made = parse_schema(text)
        for name in self.__slots__:
            setattr(self, name, getattr(made, name))


# -- text ------------------------------------------------------------------------------------


def parse_schema(text: str) -> FunctionSchema:
    """The schema of a text: `aten::add.Tensor(Tensor self, Tensor other) -> Tensor`."""
    s = Scanner(text)
    name = s.word("_:")
    overload = s.word() if s.take(".") else ""
    if overload == "default":
        raise s.error("default is not a legal overload name")
    s.need("(")
    arguments, vararg = _arguments(s)
    s.need("->")
    if s.take("..."):
        returns, varret = [], True
    elif s.take("("):
        returns, varret = _arguments(s, results=True)
    else:
        returns, varret = [_argument(s, result=True)], False
    s.space()
    if s.at < len(text):
        raise s.error("expected the end of the schema here")
    if vararg and any(a.has_default_value() for a in arguments):
        raise RuntimeError(
            "schemas with vararg (...) can't have default value args: " + text.strip()
        )
    return FunctionSchema(name, overload, arguments, returns, vararg, varret)


def _arguments(s: Scanner, results: bool = False) -> tuple[list[Argument], bool]:
    found: list[Argument] = []
    keyword = vararg = False
    while not s.take(")"):
        if s.take("..."):
            vararg = True
        elif not results and s.peek("*") and not s.peek("*)"):
            s.take("*")
            keyword = True
        else:
            found.append(_argument(s, keyword, results))
        if not s.peek(")"):
            s.need(",")
    return found, vararg


def _argument(s: Scanner, keyword: bool = False, result: bool = False) -> Argument:
    s.space()
    start = s.at
    said: list[str] = []
    s.size = None
    type = read_type(s, _classes, lambda scanner: _alias(scanner, said))
    text = s.text[start : s.at].rstrip()
    size = s.size
    name = s.word()
    default = _NONE
    if s.take("="):
        default = read_literal(s)
        if size and not isinstance(default, list) and default is not None:
            default = [default] * size
        default = _as(type, default)
    alias = AliasInfo(said[0]) if said else None
    return Argument(name, type, size, default, keyword, alias, text)


def _classes(name: str):
    if name.startswith("__torch__.torch.classes."):
        return T.ClassType(name)
    raise RuntimeError(f"Expected classes namespace but got {name.split('.')[1]}")


def _alias(s: Scanner, said: list[str]) -> None:
    # `Tensor(a!)` but not `(Tensor, int)`: a set of names stands right behind a type.
    if s.text[s.at : s.at + 1] != "(":
        return
    end = s.text.index(")", s.at)
    said.append(s.text[s.at + 1 : end].strip())
    s.at = end + 1


def _as(type: T.Type, value: Any) -> Any:
    """A default as its type has it: 0 of a float is 0.0, of a dtype its number."""
    inner = type.element if isinstance(type, T.OptionalType) else type
    if isinstance(inner, T.FloatType) and isinstance(value, int):
        return float(value)
    if isinstance(inner, T.ListType) and isinstance(value, list):
        return [_as(inner.element, v) for v in value]
    return value


_WORDS = {"None": None, "True": True, "False": False, "true": True, "false": False,
          "Mean": 1, "long": 4, "float": 6, "inf": float("inf"), "nan": float("nan")}  # fmt: skip


def read_literal(s: Scanner) -> Any:
    """Read a constant: a number, a string, a list, None, True, False."""
    if s.take("["):
        items = []
        while not s.take("]"):
            items.append(read_literal(s))
            if not s.peek("]"):
                s.need(",")
        return items
    if s.peek('"') or s.peek("'"):
        return read_string(s)
    negative = s.take("-")
    start = s.at
    word = s.word("_.+-")
    if word in _WORDS and not negative:
        return _WORDS[word]
    if word in NUMBERS and not negative:
        return NUMBERS[word]
    try:
        value: Any = complex(word) if word.endswith("j") else (
            float(word) if set(word) & set(".en") else int(word)
        )  # fmt: skip
    except ValueError:
        s.at = start
        raise s.error("expected a constant here") from None
    return -value if negative else value


def read_string(s: Scanner) -> str:
    """Read a string in quotes."""
    import ast

    quote, end = s.text[s.at], s.at + 1
    while end < len(s.text) and s.text[end] != quote:
        end += 2 if s.text[end] == "\\" else 1
    raw = s.text[s.at : end + 1]
    try:
        value = ast.literal_eval("b" + raw.replace("\n", "\\n")).decode("utf-8", "surrogateescape")
    except (SyntaxError, ValueError):
        raise s.error("expected a string here") from None
    s.at = end + 1
    return value
