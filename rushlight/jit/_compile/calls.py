"""Calls: the arguments, then what is called decides."""

from __future__ import annotations

import ast

from .. import _types as T
from . import calling
from .calling import fail
from .source import NotSupportedError
from .special import Special
from .values import Arg, Sugared


def call(b, node: ast.Call, hint: T.Type | None) -> Sugared:
    """`function(*args, **kwargs)`."""
    at = b.source.range(node.func)
    function = _callee(b, node)
    if isinstance(function, Special):
        return function.apply(b, node, b.source.range(node), hint)
    args, kwargs = arguments(b, node)
    calling.calls_from(at)
    return function.call(b, at, args, kwargs)


def _callee(b, node: ast.Call) -> Sugared:
    if _is_super(node.func):
        from .modules import super_method

        return super_method(b, node)
    return b.expression(node.func)


def _is_super(node: ast.expr) -> bool:
    """Whether this is super().method."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
    )


def arguments(b, node: ast.Call, skip: int = 0) -> tuple[list[Arg], list[Arg]]:
    """The arguments of a call, positional and by keyword."""
    args: list[Arg] = []
    for given in node.args[skip:]:
        at = b.source.range(given)
        if isinstance(given, ast.Starred):
            found = b.expression(given.value)
            args += [Arg(e, at) for e in found.elements(b, at)]
            continue
        args.append(Arg(b.expression(given), at))
    kwargs: list[Arg] = []
    for keyword in node.keywords:
        at = b.source.range(keyword.value)
        if keyword.arg is None:
            raise NotSupportedError(at, "keyword-arg expansion is not supported")
        kwargs.append(Arg(b.expression(keyword.value), at, keyword.arg))
    return args, kwargs


def plain_values(b, args: list[Arg], kwargs: list[Arg]):
    """Arguments as values of the graph: a list, and a mapping by keyword."""
    named = {k.name: k.given.value(b, k.at) for k in kwargs}
    return [a.given.value(b, a.at) for a in args], named


def only(b, at, args: list[Arg], kwargs: list[Arg], said: str):
    """The one argument that `said` takes."""
    if len(args) != 1 or kwargs:
        fail(at, f"{said} expected exactly 1 argument: got {len(args) + len(kwargs)}")
    return args[0]
