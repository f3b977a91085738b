"""Signatures of functions and modules, and arguments brought to them."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight as torch

from . import _names
from .node import Argument

__all__ = [
    "ArgsKwargsPair",
    "check_for_mutable_operation",
    "get_signature_for_torch_op",
    "create_type_hint",
    "type_matches",
    "normalize_function",
    "normalize_module",
]


class ArgsKwargsPair(NamedTuple):
    """Positional and keyword arguments of a call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def check_for_mutable_operation(
    target: Callable[..., Any], args: tuple[Argument, ...], kwargs: dict[str, Argument]
) -> None:
    """RuntimeError where a function writes into its arguments."""
    name = getattr(target, "__name__", "")
    ours = isinstance(target, _names._OWN) or hasattr(target, "overloadpacket")
    if ours and (name.split(".")[0].endswith("_") and not name.endswith("__") or "out" in kwargs):
        raise RuntimeError(
            f"Tried to trace mutable operation {name}. FX only supports functional code, so "
            "operations that mutate operands in-place (e.g. via `out` arguments) are not supported"
        )


def get_signature_for_torch_op(op: Callable[..., Any], return_schemas: bool = False) -> Any:
    """The signatures of a function of torch; None where it is not one."""
    found = None
    if hasattr(op, "overloadpacket") or hasattr(op, "overloads"):
        op = getattr(torch, str(op).split(".")[1], op)
    if isinstance(op, _names._OWN):
        found = [_signature_of(op)]
    return (found, None) if return_schemas else found


def _signature_of(op):
    block = getattr(op, "declaration", None)
    function = block.__dict__["forward"] if block is not None else op.__wrapped__
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    keywords = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
    first = len(names) - len(defaults)
    parameters = []
    for i, name in enumerate(names):
        default = defaults[i - first] if i >= first else inspect.Parameter.empty
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(name, kind, default=default))
    for name in keywords:
        default = (function.__kwdefaults__ or {}).get(name, inspect.Parameter.empty)
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default))
    parameters = [p for p in parameters if p.name != "out"]
    return inspect.Signature(parameters)


def create_type_hint(x: object) -> object:
    """A list or tuple of types as annotations write it: `List[int]` for `[int, int]`."""
    if not isinstance(x, (list, tuple)):
        return x
    if isinstance(x, tuple):
        made = lambda kind: typing.Tuple[kind, ...]  # noqa: E731, UP006
    else:
        made = lambda kind: typing.List[kind]  # noqa: E731, UP006
    if not x:
        return made(Any)
    if not all(isinstance(kind, type) for kind in x):
        import warnings

        warnings.warn(
            f"We were not able to successfully create type hint from the type {x}", stacklevel=2
        )
        return x
    base = x[0]
    for kind in x[1:]:
        base = base if issubclass(kind, base) else kind if issubclass(base, kind) else None
        if base is None:
            return made(Any)
    return made(base)


def type_matches(signature_type: Any, argument_type: Any) -> bool:
    """Whether an argument of one type may be given where another is stated."""
    if argument_type == signature_type:
        return True
    origin, inside = typing.get_origin(signature_type), typing.get_args(signature_type)
    if origin is typing.Union or isinstance(signature_type, types.UnionType):
        return any(type_matches(kind, argument_type) for kind in inside)
    if origin is list and inside:
        if inside[0] is int and argument_type is int:  # one number for all
            return True
        given = typing.get_args(argument_type)
        if typing.get_origin(argument_type) in (list, tuple):
            return all(_below(kind, inside[0]) for kind in given if kind is not ...)
        return False
    if signature_type is int and argument_type is bool or argument_type is torch.dtype:
        return signature_type is int
    return signature_type not in (Any, int, float) and _below(argument_type, signature_type)


def _below(kind, base):
    return isinstance(kind, type) and isinstance(base, type) and issubclass(kind, base)


def normalize_function(
    target: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    arg_types: tuple[Any] | None = None,
    kwarg_types: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments of a call by the function's signature; None where that is not known.

    By position as far as parameters can be, or all by name. Types are for overloads, of which the
    functions here have one.
    """
    kwargs = {} if kwargs is None else kwargs
    if isinstance(target, _names._OWN):
        signature = _signature_of(target)
    elif getattr(target, "__module__", None) in ("builtins", "_operator"):
        return None
    elif hasattr(target, "overloadpacket"):
        found = get_signature_for_torch_op(target)
        if not found:
            return None
        signature = found[0]
    elif isinstance(target, types.FunctionType) and _names.is_from_torch(target):
        signature = inspect.signature(target)
    else:
        return None
    return _bound(signature, args, kwargs, normalize_to_only_use_kwargs)


def normalize_module(
    root: torch.nn.Module,
    target: str,
    args: tuple[Any],
    kwargs: dict[str, Any] | None = None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:
    """The arguments of a call of a module of torch.nn, by the signature of its forward."""
    try:
        module = root.get_submodule(target)
    except AttributeError as error:
        raise RuntimeError(
            f"Tried to normalize node with target {target} but root did not have that target!"
        ) from error
    if getattr(torch.nn, type(module).__name__, None) is not type(module):
        return None
    signature = inspect.signature(module.forward)
    return _bound(signature, args, kwargs or {}, normalize_to_only_use_kwargs)


def _bound(signature, args, kwargs, only_kwargs):
    """Arguments with defaults filled in; None where they do not fit."""
    kinds = {p.kind for p in signature.parameters.values()}
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return None
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    given, named = [], {}
    for i, (name, parameter) in enumerate(signature.parameters.items()):
        by_position = parameter.kind is not inspect.Parameter.KEYWORD_ONLY and i < len(args)
        if only_kwargs or not by_position:
            named[name] = bound.arguments[name]
        else:
            given.append(bound.arguments[name])
    return ArgsKwargsPair(tuple(given), named)
