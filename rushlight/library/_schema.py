"""Calls against a schema, and schemas from annotations; `jit._function_schema` reads them."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Callable

import rushlight as torch

from .. import Tensor
from .._aten.schemas import REQUIRED, default_of, kind_of
from ..jit._constants import DTYPE_OF
from ..jit._function_schema import FunctionSchema


def bind(schema: FunctionSchema, args: tuple, kwargs: dict) -> list:
    """A value for every argument, in their order; RuntimeError when they do not fit."""
    name = schema.name
    positional = [a.name for a in schema.arguments if not a.kwarg_only]
    if len(args) > len(positional):
        raise RuntimeError(
            f"{name}() expected at most {len(positional)} argument(s) but received "
            f"{len(args) + len(kwargs)} argument(s). Declaration: {schema}"
        )
    given = dict(zip(positional, args, strict=False))
    for keyword, value in kwargs.items():
        if keyword in given or schema.argument(keyword) is None:
            raise RuntimeError(
                f"{name}(): unknown or repeated keyword argument '{keyword}'. Declaration: {schema}"
            )
        given[keyword] = value
    values = []
    for position, argument in enumerate(schema.arguments):
        kind = kind_of(argument)
        value = given.get(argument.name, default_of(argument))
        if value is REQUIRED:
            raise RuntimeError(
                f"{name}() is missing value for argument '{argument.name}'. Declaration: {schema}"
            )
        if kind.startswith("ScalarType") and type(value) is int:  # as graphs and defaults say it
            value = DTYPE_OF.get(value, value)
        if not accepts(kind, value):
            raise RuntimeError(
                f"{name}() Expected a value of type '{kind}' for argument '{argument.name}' "
                f"but instead found type '{type(value).__name__}'.\nPosition: {position}\n"
                f"Value: {value}\nDeclaration: {schema}"
            )
        values.append(value)
    return values


_NUMBER = (int, float, complex)
_TYPES: dict[str, typing.Any] = {
    "Tensor": Tensor,
    "int": int,
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
    if kind.endswith("]"):
        item = kind.rpartition("[")[0]
        return isinstance(value, (list, tuple)) and all(accepts(item, v) for v in value)
    if kind in ("int", "float", "Scalar") and isinstance(value, Tensor):
        return value.dim() == 0 and not value.requires_grad
    if kind == "int" and isinstance(value, bool):
        return False
    known = _TYPES.get(kind)
    return known is None or isinstance(value, known)


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
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union or type(annotation).__name__ == "UnionType":
        rest = [a for a in inner if a is not type(None)]
        if set(rest) == {int, float, bool}:
            base = "Scalar"
        else:
            base = _kind(rest[0]) if len(rest) == 1 else None
        return base and base + "?" * (len(inner) - len(rest))
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
    parameters, starred = [], False
    for place, (name, p) in enumerate(signature.parameters.items()):
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
        if p.kind == p.KEYWORD_ONLY and not starred:
            parameters.append("*")
            starred = True
        if name in named and not kind.startswith("Tensor"):
            refuse(
                f"Parameter {name} is in mutable_args but only Tensors or collections of Tensors "
                "can be mutated"
            )
        if mutated:
            kind = kind.replace("Tensor", f"Tensor(a{place}!)", 1)
        parameters.append(f"{kind} {name}" + ("" if default is REQUIRED else _default(default)))
    if "return" not in hints:
        refuse("No return type annotation was provided. Please add one.")
    returns = _returns(hints["return"])
    if returns is None:
        refuse(f"Return has unsupported type {hints['return']}.")
    return f"{op_name or ''}({', '.join(parameters)}) -> {returns}"


def _default(value) -> str:
    if isinstance(value, (str, torch.device)):
        return f'="{value}"'
    return f"={str(value).removeprefix('torch.')}"


def _returns(annotation) -> str | None:
    if annotation is type(None):
        return "()"
    if typing.get_origin(annotation) is tuple:
        kinds = [_kind(a) for a in typing.get_args(annotation)]
        return None if None in kinds else f"({', '.join(map(str, kinds))})"
    return _kind(annotation)
