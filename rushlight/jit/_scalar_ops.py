"""Operators on numbers, strings, lists and dicts: their forms, and the Python that runs them.

The forms follow a few patterns (`int int`, `float float`, `int float`, ...), which are said here;
`_container_ops` and `_number_ops` say which operators have them.
"""

from __future__ import annotations

from collections.abc import Callable

_RUN: dict[str, Callable] = {}  # by name: what runs every form of it on plain values
_FORMS: dict[str, list[str]] = {}


def _declare() -> None:
    from . import _container_ops, _number_ops  # noqa: F401 (in this order calls try the forms)


def forms_of(name: str) -> list[str]:
    """The schemas of an operator on plain values."""
    _declare()
    return _FORMS.get(name, [])


def function_of(name: str) -> Callable | None:
    """What runs an operator on plain values."""
    _declare()
    return _RUN.get(name)


def names() -> list[str]:
    """All operators on plain values."""
    _declare()
    return list(_FORMS)


def form(name: str, run: Callable | None, *forms: str) -> None:
    """Add forms `overload(arguments) -> results` of an operator."""
    _FORMS.setdefault(name, []).extend(
        f"{name}{'' if form[0] == '(' else '.'}{form}" for form in forms
    )
    if run is not None:
        _RUN[name] = run


_PAIRS = {
    "real": "int,int float,float int,float float,int",
    "complex": (
        "int,int complex,complex float,float int,complex complex,int float,complex complex,float "
        "int,float float,int"
    ),
    "compared": (
        "int,int complex,complex float,float int,float float,int float,complex complex,float"
    ),
}


def binary(name: str, run: Callable, pairs: str, result, scalar: str, last: str = "") -> None:
    """`result` maps the types of a pair to that of the result; `scalar` that of two Scalars."""
    for pair in _PAIRS[pairs].split():
        a, b = pair.split(",")
        overload = a if a == b else f"{a}_{b}"
        form(name, run, f"{overload}({a} a, {b} b) -> {result(a, b)}")
    if scalar:
        form(name, run, f"{last}(Scalar a, Scalar b) -> {scalar}")


def wider(a: str, b: str) -> str:
    return next(t for t in ("complex", "float", "int") if t in (a, b))


def unary(name: str, run: Callable, results: str, scalar: str = "Scalar") -> None:
    """One form for each `type:result`."""
    for said in results.split():
        t, _, result = said.partition(":")
        form(name, run, f"{t}({t} a) -> {result or t}")
    if scalar:
        form(name, run, f"Scalar(Scalar a) -> {scalar}")
