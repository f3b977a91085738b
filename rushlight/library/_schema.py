"""What an operator takes and returns, in a line: `ns::name(Tensor x, int n=1) -> Tensor`."""

from __future__ import annotations

import ast
import collections.abc
import re
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight as torch

from .. import Tensor


class Parameter(NamedTuple):
    """One parameter: `kind` is the type as it is written, "Tensor?" or "int[]"."""

    name: str
    kind: str
    default: Any
    keyword_only: bool
    mutated: bool

    def __str__(self) -> str:
        head, *tail = re.split(r"(?<=^Tensor)", self.kind, maxsplit=1)
        kind = f"{head}(a{self.name}!){''.join(tail)}" if self.mutated else self.kind
        return f"{kind} {self.name}" + ("" if self.default is REQUIRED else f"={self._text()}")

    def _text(self) -> str:
        if isinstance(self.default, str):
            return f'"{self.default}"'
        if isinstance(self.default, torch.dtype):
            return str(self.default).removeprefix("torch.")
        return str(self.default)


REQUIRED: Any = object()  # marks a parameter without a default


class Schema(NamedTuple):
    """The name with its namespace, the parameters, and what is returned as it is written."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str

    def __str__(self) -> str:
        parts, starred = [], False
        for p in self.parameters:
            if p.keyword_only and not starred:
                parts.append("*")
                starred = True
            parts.append(str(p))
        return f"{self.name}({', '.join(parts)}) -> {self.returns}"

    def bind(self, args: tuple, kwargs: dict) -> list:
        """A value for every parameter, in their order; RuntimeError when they do not fit."""
        positional = [p for p in self.parameters if not p.keyword_only]
        if len(args) > len(positional):
            raise RuntimeError(
                f"{self.name}() expected at most {len(positional)} argument(s) but received "
                f"{len(args) + len(kwargs)} argument(s). Declaration: {self}"
            )
        given = dict(zip((p.name for p in positional), args, strict=False))
        for name, value in kwargs.items():
            if name in given or all(p.name != name for p in self.parameters):
                raise RuntimeError(
                    f"{self.name}(): unknown or repeated keyword argument '{name}'. "
                    f"Declaration: {self}"
                )
            given[name] = value
        values = []
        for position, p in enumerate(self.parameters):
            value = given.get(p.name, p.default)
            if value is REQUIRED:
                raise RuntimeError(
                    f"{self.name}() is missing value for argument '{p.name}'. Declaration: {self}"
                )
            if not accepts(p.kind, value):
                raise RuntimeError(
                    f"{self.name}() Expected a value of type '{p.kind}' for argument '{p.name}' "
                    f"but instead found type '{type(value).__name__}'.\nPosition: {position}\n"
                    f"Value: {value}\nDeclaration: {self}"
                )
            values.append(value)
        return values


_NUMBER = (int, float, complex)
_TYPES: dict[str, Any] = {
    "Tensor": Tensor,
    "int": int,
    "SymInt": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "Scalar": _NUMBER,
    "Device": (torch.device, str),
    "ScalarType": torch.dtype,
    "Generator": torch.Generator,
}


def accepts(kind: str, value) -> bool:
    """Whether a value is of a type as it is written in a schema."""
    if kind.endswith("?"):
        return value is None or accepts(kind[:-1], value)
    if match := re.fullmatch(r"(.+)\[\d*\]", kind):
        return isinstance(value, (list, tuple)) and all(accepts(match[1], v) for v in value)
    if kind in ("int", "SymInt", "float", "Scalar") and isinstance(value, Tensor):
        return value.dim() == 0 and not value.requires_grad
    if kind in ("int", "SymInt") and isinstance(value, bool):
        return False
    known = _TYPES.get(kind)
    return known is None or isinstance(value, known)


# -- reading ---------------------------------------------------------------------------------

_LINE = re.compile(r"\s*([\w:.]+)\s*\((.*)\)\s*->\s*(.+?)\s*", re.S)
_PARAMETER = re.compile(
    r"(Tensor\(\w+!?\)|[\w.]+)((?:\[\d*\])?\??(?:\[\d*\])?\??)\s+(\w+)(?:\s*=\s*(.+))?"
)


def parse(line: str) -> Schema:
    """Read a schema; RuntimeError says what cannot be read."""
    whole = _LINE.fullmatch(line)
    if whole is None:
        raise RuntimeError(f"cannot parse the schema {line!r}: expected name(parameters) -> type")
    parameters, keyword_only = [], False
    for part in _split(whole[2]):
        if part == "*":
            keyword_only = True
            continue
        found = _PARAMETER.fullmatch(part)
        if found is None:
            raise RuntimeError(f"cannot parse the parameter {part!r} of the schema {line!r}")
        kind, suffix, name, default = found.groups()
        mutated = "!" in kind
        kind = kind.partition("(")[0] + suffix
        value = REQUIRED if default is None else _value(default)
        parameters.append(Parameter(name, kind, value, keyword_only, mutated))
    return Schema(whole[1], tuple(parameters), whole[3])


def _split(text: str) -> list[str]:
    """The parts between commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text + ","):
        if sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "," and depth == 0:
            if text[start:at].strip():
                parts.append(text[start:at].strip())
            start = at + 1
    return parts


def _value(text: str):
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        found = getattr(torch, text, None)
        if not isinstance(found, torch.dtype):
            raise RuntimeError(f"cannot parse the default value {text!r} in a schema") from None
        return found


# -- from annotations ------------------------------------------------------------------------

_BASES = {
    Tensor: "Tensor",
    int: "SymInt",
    float: "float",
    bool: "bool",
    str: "str",
    torch.dtype: "ScalarType",
    torch.device: "Device",
}


def _kind(annotation) -> str | None:
    """How an annotation is written in a schema; None: it cannot be."""
    if annotation in _BASES:
        return _BASES[annotation]
    if annotation == typing.Union[int, float, bool] or annotation == typing.Union[int, float]:  # noqa: UP007
        return "Scalar"
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union or type(annotation).__name__ == "UnionType":
        rest = [a for a in inner if a is not type(None)]
        base = _kind(rest[0]) if len(rest) == 1 < len(inner) else None
        return base and base + "?"
    if origin in (list, collections.abc.Sequence) and inner:
        base = _kind(inner[0])
        return base and base + "[]"
    return None


def infer_schema(
    prototype_function: Callable, /, *, mutates_args, op_name: str | None = None, tags=()
) -> str:
    """The schema of a function, from the annotations of its parameters and result.

    `mutates_args`: the names of the parameters that it writes into, or "unknown" for all tensors.
    """
    import inspect

    signature = inspect.signature(prototype_function)
    hints = typing.get_type_hints(prototype_function)

    def refuse(what: str):
        raise ValueError(f"infer_schema(func): {what} Got func with signature {signature})")

    unknown = mutates_args == "unknown"
    named = set() if unknown else set(mutates_args)
    if named - set(signature.parameters):
        refuse(
            f"{named - set(signature.parameters)} in mutates_args were not found in the custom "
            "op's signature. mutates_args should contain the names of all args that the custom op "
            "mutates, or just the string 'unknown' if you don't know."
        )
    parameters = []
    for name, p in signature.parameters.items():
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            refuse("We do not support positional-only args, varargs, or varkwargs.")
        if name not in hints:
            refuse(f"Parameter {name} must have a type annotation.")
        kind = _kind(hints[name])
        if kind is None:
            refuse(f"Parameter {name} has unsupported type {hints[name]}.")
        mutated = name in named or (unknown and kind.startswith("Tensor"))
        default = REQUIRED if p.default is p.empty else p.default
        allowed = (int, float, bool, str, type(None), torch.dtype, torch.device)
        if default is not REQUIRED and not isinstance(default, allowed):
            refuse(
                f"Parameter {name} has an unsupported default value type {type(default)}. Please "
                "file an issue on GitHub so we can prioritize this."
            )
        parameters.append(Parameter(name, kind, default, p.kind == p.KEYWORD_ONLY, mutated))
    if "return" not in hints:
        refuse("No return type annotation was provided. Please add one.")
    returns = _returns(hints["return"])
    if returns is None:
        refuse(f"Return has unsupported type {hints['return']}.")
    return str(Schema(op_name or "", tuple(parameters), returns))


def _returns(annotation) -> str | None:
    if annotation is type(None):
        return "()"
    if typing.get_origin(annotation) is tuple:
        kinds = [_kind(a) for a in typing.get_args(annotation)]
        return None if None in kinds else f"({', '.join(map(str, kinds))})"
    return _kind(annotation)
