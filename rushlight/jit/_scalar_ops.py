"""Operators on numbers, strings, lists and dicts: their forms, and the Python that runs them.

The forms follow a few patterns (`int int`, `float float`, `int float`, ...; one form for every
type of key), which is what this file says instead of listing them.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable

from . import _plain_functions as plain

_RUN: dict[str, Callable] = {}  # by name: what runs every form of it on plain values
_FORMS: dict[str, list[str]] = {}


def forms_of(name: str) -> list[str]:
    """The schemas of an operator on plain values."""
    if not _FORMS:
        _declare()
    return _FORMS.get(name, [])


def function_of(name: str) -> Callable | None:
    """What runs an operator on plain values."""
    if not _FORMS:
        _declare()
    return _RUN.get(name)


def names() -> list[str]:
    """All operators on plain values."""
    if not _FORMS:
        _declare()
    return list(_FORMS)


def _form(name: str, run: Callable | None, *forms: str) -> None:
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


def _binary(name: str, run: Callable, pairs: str, result, scalar: str, last: str = "") -> None:
    """`result` maps the types of a pair to that of the result; `scalar` that of two Scalars."""
    for pair in _PAIRS[pairs].split():
        a, b = pair.split(",")
        overload = a if a == b else f"{a}_{b}"
        _form(name, run, f"{overload}({a} a, {b} b) -> {result(a, b)}")
    if scalar:
        _form(name, run, f"{last}(Scalar a, Scalar b) -> {scalar}")


def _wider(a: str, b: str) -> str:
    return next(t for t in ("complex", "float", "int") if t in (a, b))


def _unary(name: str, run: Callable, results: str, scalar: str = "Scalar") -> None:
    """One form for each `type:result`."""
    for said in results.split():
        t, _, result = said.partition(":")
        _form(name, run, f"{t}({t} a) -> {result or t}")
    if scalar:
        _form(name, run, f"Scalar(Scalar a) -> {scalar}")


# -- the operators ---------------------------------------------------------------------------


def _declare() -> None:
    _lists()
    _dicts()
    _strings()
    _arithmetic()
    _mathematics()
    _conversions()


def _arithmetic() -> None:
    _form("aten::add", operator.add, "t(t[] a, t[] b) -> t[]", "str(str a, str b) -> str")
    _form("aten::mul", operator.mul, "left_t(t[] l, int n) -> t[]", "right_(int n, t[] l) -> t[]")
    for name in ("add", "sub", "mul"):
        _binary(f"aten::{name}", getattr(operator, name), "complex", _wider, "Scalar")
    _form(
        "aten::div",
        plain.divided,
        "int(int a, int b) -> float",
        "complex(complex a, complex b) -> complex",
        "float(float a, float b) -> float",
        "(Scalar a, Scalar b) -> float",
    )
    _binary("aten::floordiv", plain.floor_divided, "real", _wider, "Scalar")
    _binary("aten::remainder", operator.mod, "real", _wider, "Scalar")
    _form("aten::__round_to_zero_floordiv", plain.truncated, "int(int a, int b) -> int")
    _binary("aten::fmod", plain.mathematical(math.fmod), "real", lambda a, b: "float", "float")
    _binary(
        "aten::mathremainder",
        plain.mathematical(math.remainder),
        "real",
        lambda a, b: "float",
        "float",
    )
    for pair in ("int,int", "float,float", "int,float", "float,int"):
        a, b = pair.split(",")
        overload = a if a == b else f"{a}_{b}"
        t = _wider(a, b)
        _form("aten::divmod", divmod, f"{overload}({a} x, {b} y) -> ({t}, {t})")
    _form(
        "aten::pow",
        plain.power,
        "int(int a, int b) -> float",
        "complex(complex a, complex b) -> complex",
        "float(float a, float b) -> float",
        "int_float(int a, float b) -> float",
        "float_int(float a, int b) -> float",
        "float_complex(float a, complex b) -> complex",
        "complex_float(complex a, float b) -> complex",
        "Scalar_Scalar(Scalar a, Scalar b) -> float",
        "int_to_int(int a, int b) -> int",
    )
    for name in ("eq", "ne"):
        run = getattr(operator, name)
        _form(
            f"aten::{name}",
            run,
            "int_list(int[] a, int[] b) -> bool",
            "device(Device a, Device b) -> bool",
            "bool(bool a, bool b) -> bool",
            "enum(AnyEnumType a, AnyEnumType b) -> bool",
        )
        _binary(f"aten::{name}", run, "compared", lambda a, b: "bool", "bool")
        _form(
            f"aten::{name}",
            run,
            "str(str a, str b) -> bool",
            *(f"{t}_list({t}[] a, {t}[] b) -> bool" for t in ("float", "Tensor", "bool", "str")),
        )
    for name in ("lt", "gt", "le", "ge"):
        run = getattr(operator, name)
        _binary(f"aten::{name}", run, "real", lambda a, b: "bool", "bool")
        _form(f"aten::{name}", run, "str(str a, str b) -> bool")
    for name, run in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor)):
        _form(f"aten::__{name}__", run, "bool(bool a, bool b) -> bool", "int(int a, int b) -> int")
    _form("aten::__lshift__", operator.lshift, "int(int a, int b) -> int")
    _form("aten::__rshift__", operator.rshift, "int(int a, int b) -> int")
    _form("aten::__not__", operator.not_, "(bool self) -> bool")
    _form("aten::__is__", plain.is_one, "(t1 self, t2 obj) -> bool")
    _form("aten::__isnot__", lambda a, b: not plain.is_one(a, b), "(t1 self, t2 obj) -> bool")
    _form("aten::bitwise_not", operator.invert, "int(int a) -> int")
    for name, run in (("max", max), ("min", min)):
        for pair in ("int,int", "float,float", "int,float", "float,int"):
            a, b = pair.split(",")
            overload = a if a == b else f"{a}_{b}"
            _form(f"prim::{name}", run, f"{overload}({a} a, {b} b) -> {_wider(a, b)}")
        _form(f"prim::{name}", run, "(Scalar a, Scalar b) -> Scalar")
        for t in ("int", "float", "bool"):
            _form(
                f"prim::{name}",
                run,
                f"{t}_list({t}[] l, {t}[] r) -> {t}[]",
                f"self_{t}({t}[] self) -> {t}",
            )


def _mathematics() -> None:
    both = "int:float float complex"
    for (
        name
    ) in "exp sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh log10".split():
        run = plain.mathematical(getattr(math, name), getattr(cmath, name))
        _unary(f"aten::{name}", run, both)
    _unary("aten::log", plain.mathematical(math.log, cmath.log), both)
    for pair in (
        "int,int",
        "float,float",
        "complex,complex",
        "int,float",
        "float,int",
        "int,complex",
        "complex,int",
        "float,complex",
        "complex,float",
    ):
        a, b = pair.split(",")
        t = "complex" if "complex" in pair else "float"
        _form("aten::log", None, f"{a}_{b}({a} a, {b} b) -> {t}")
    _form("aten::log", None, "Scalar_Scalar(Scalar a, Scalar b) -> float")
    for name in "lgamma log1p expm1 erf erfc gamma fabs degrees radians".split():
        _unary(f"aten::{name}", plain.mathematical(getattr(math, name)), "int:float float")
    _unary("aten::angle", lambda a: cmath.phase(a), "int:float float complex:float")
    _unary("aten::floor", math.floor, "int float:int")
    _unary("aten::ceil", math.ceil, "int float:int")
    _unary("aten::round", plain.rounded, "int:float float")
    _unary("aten::neg", operator.neg, "int float complex")
    _unary("prim::abs", abs, "int float complex:float")
    _form("prim::abs", abs, "(Tensor x) -> Tensor")
    for name in ("isnan", "isinf", "isfinite"):
        run = plain.mathematical(getattr(math, name), getattr(cmath, name))
        _form(f"aten::{name}", run, "float(float a) -> bool", "complex(complex a) -> bool")
    for name in ("copysign", "atan2"):
        last = "Scalar_Scalar" if name == "atan2" else ""
        _binary(f"aten::{name}", getattr(math, name), "real", lambda a, b: "float", "float", last)
    _binary("aten::polar", cmath.rect, "real", lambda a, b: "complex", "Scalar", "Scalar_Scalar")
    _form("aten::gcd", math.gcd, "int(int a, int b) -> int")
    _form("aten::ldexp", math.ldexp, "(float x, int i) -> float")
    _form("aten::frexp", math.frexp, "(float a) -> (float, int)")
    _form("aten::modf", math.modf, "(float a) -> (float, float)")
    _form("aten::factorial", math.factorial, "int(int a) -> int")


def _conversions() -> None:
    _form(
        "aten::Float",
        float,
        "Tensor(Tensor a) -> float",
        "Scalar(Scalar a) -> float",
        "int(int a) -> float",
        "bool(bool a) -> float",
        "str(str a) -> float",
    )
    _form(
        "aten::Int",
        int,
        "Tensor(Tensor a) -> int",
        "bool(bool a) -> int",
        "float(float a) -> int",
        "Scalar(Scalar a) -> int",
        "str(str a) -> int",
    )
    _form(
        "aten::Bool",
        bool,
        "Tensor(Tensor a) -> bool",
        "int(int a) -> bool",
        "float(float a) -> bool",
    )
    _form(
        "aten::Complex",
        complex,
        "Scalar(Scalar a) -> complex",
        "Tensor_Tensor(Tensor a, Tensor b) -> complex",
        *(
            f"{a}_{b}({a} x, {b} y) -> complex"
            for a in ("int", "bool", "float")
            for b in ("int", "bool", "float")
        ),
    )
    for t in ("float", "int", "bool"):
        both = f"Tensor_{t}(Tensor x, {t} y) -> complex", f"{t}_Tensor({t} x, Tensor y) -> complex"
        _form("aten::Complex", None, *both)
    for name, run, t in (
        ("Float", float, "float"),
        ("Int", int, "int"),
        ("Complex", complex, "complex"),
    ):
        _form(f"aten::{name}Implicit", run, f"(Tensor a) -> {t}")
    _form("aten::ScalarImplicit", lambda a: a.item(), "(Tensor a) -> Scalar")
    _form("aten::hash", hash, "generic(t value) -> int")
    _form("aten::chr", chr, "(int i) -> str")
    _form("aten::ord", ord, "(str string) -> int")
    for run in (bin, oct, hex):
        _form(f"aten::{run.__name__}", run, "(int i) -> str")
    _form("aten::str", plain.as_text, "(t elem) -> str")
    _form("aten::__range_length", plain.range_length, "(int lo, int hi, int step) -> int")
    _form(
        "aten::__derive_index",
        lambda i, start, step: start + i * step,
        "(int index, int start, int step) -> int",
    )
    _form("prim::rangelist", lambda n: list(range(n)), "(int n) -> int[]")


def _lists() -> None:
    _form(
        "aten::len", plain.length, "t(t[] a) -> int", "Tensor(Tensor t) -> int", "str(str s) -> int"
    )
    _form("aten::append", plain.appended, "t(t[](a!) self, t(c -> *) el) -> t[](a!)")
    _form("aten::extend", lambda a, b: a.extend(b), "t(t[](a!) self, t[] other) -> ()")
    _form(
        "aten::insert",
        lambda a, i, x: a.insert(i, x),
        "t(t[](a!) self, int idx, t(b -> *) el) -> ()",
    )
    _form("aten::pop", plain.popped, "t(t[](a!) self, int idx=-1) -> t(*)")
    _form("aten::Delete", plain.delete, "t(t[](a!) self, int idx) -> ()")
    _form("aten::clear", lambda a: a.clear(), "t(t[](a!) self) -> ()")
    _form("aten::reverse", lambda a: a.reverse(), "t(t[](a!) self) -> ()")
    _form("aten::copy", plain.copied, "t(t[](a) self) -> t[]")
    _form("aten::_set_item", plain.set_item, "t(t[](a!) l, int idx, t(b -> *) el) -> t[](a!)")
    _form(
        "aten::__getitem__",
        operator.getitem,
        "t(t[](a) list, int idx) -> t(*)",
        "str(str s, int index) -> str",
    )
    _form("aten::select", operator.getitem, "t(t[](a) list, int idx) -> t(*)")
    _form(
        "aten::slice",
        plain.sliced,
        "t(t[] l, int? start=None, int? end=None, int step=1) -> t[]",
        "str(str string, int? start=None, int? end=None, int step=1) -> str",
    )
    _form("aten::list", list, "(str t) -> str[]", "t(t[] l) -> t[]")
    _form("aten::add_", plain.extended, "t(t[](a!) self, t[] b) -> t[]")
    _form("aten::mul_", plain.repeated, "t(t[](a!) l, int n) -> t[](a!)")
    five = ("int", "float", "bool", "Tensor", "str")
    _form(
        "aten::count",
        plain.counted,
        *(f"{t}({t}[] self, {t} el) -> int" for t in five),
    )
    _form(
        "aten::remove",
        lambda a, x: a.remove(x),
        *(f"{t}({t}[](a!) self, {t} el) -> ()" for t in five),
    )
    _form("aten::index", plain.index_of, *(f"list_{t}({t}[] self, {t} el) -> int" for t in five))
    _form(
        "aten::sort",
        plain.sorted_in_place,
        *(f"{t}({t}[](a!) self, bool reverse=False) -> ()" for t in five),
        "any(t[](a!) self, bool reverse=False) -> ()",
    )
    _form(
        "aten::sorted",
        sorted,
        *(f"{t}({t}[](a) input) -> {t}[]" for t in five),
        "any(t[](a) self) -> t[]",
    )
    _form(
        "aten::sum",
        sum,
        *(f"{t}({t}[] self) -> {t}" for t in ("int", "float", "complex")),
        "bool(bool[] self) -> int",
    )
    _form("aten::all", all, *(f"{t}({t}[] self) -> bool" for t in ("int", "float", "bool")))
    _form("aten::any", any, *(f"{t}({t}[] self) -> bool" for t in ("str", "int", "float", "bool")))
    _form(
        "aten::__contains__",
        operator.contains,
        "int_list(int[] l, int item) -> bool",
        "str_list(str[] l, str item) -> bool",
        "float_list(float[] l, float item) -> bool",
    )
    _form("aten::Size", list, "(int[] sizes) -> int[]")


def _dicts() -> None:
    for k in ("str", "int", "bool", "float", "complex", "Tensor"):
        d, write = f"Dict({k}, t)", f"Dict({k}, t)(a!)"
        _form("aten::len", plain.length, f"Dict_{k}({d} self) -> int")
        _form("aten::keys", lambda a: list(a), f"{k}({d} self) -> {k}[](*)")
        _form("aten::values", lambda a: list(a.values()), f"{k}({d} self) -> t[](*)")
        _form("aten::items", lambda a: list(a.items()), f"{k}({d} self) -> (({k}, t)[])")
        _form("aten::__getitem__", None, f"Dict_{k}({d} self, {k} key) -> t(*)")
        _form(
            "aten::get",
            lambda a, *args: a.get(*args),
            f"{k}({d} self, {k} key) -> t(*)?",
            f"default_{k}({d} self, {k} key, t default_value) -> t(*)",
        )
        _form(
            "aten::setdefault",
            lambda a, key, v: a.setdefault(key, v),
            f"{k}({write} self, {k}(b -> *) key, t(c -> *) default_value) -> t(*)",
        )
        _form(
            "aten::pop",
            None,
            f"Dict_{k}({write} self, {k} key) -> t(*)",
            f"Dict_default_{k}({write} self, {k} key, t default_value) -> t(*)",
        )
        _form("aten::popitem", lambda a: a.popitem(), f"{k}({write} self) -> (({k}, t))")
        _form("aten::Delete", None, f"Dict_{k}({write} self, {k} key) -> ()")
        _form("aten::clear", None, f"{k}({write} self) -> ()")
        _form("aten::update", lambda a, b: a.update(b), f"{k}({write} self, {write} to_add) -> ()")
        _form("aten::copy", None, f"Dict_{k}(Dict({k}, t)(a) self) -> {d}")
        _form("aten::_set_item", None, f"{k}({write} l, {k}(b -> *) idx, t(c -> *) v) -> ()")
        _form("aten::__contains__", None, f"{k}({d} dict, {k} key) -> bool")
        _form(
            "aten::dict",
            dict,
            *(["() -> Dict(str, Tensor)"] if k == "str" else []),
            f"{k}(({k}, tVal)[] inputs) -> Dict({k}, tVal)",
            f"Dict_{k}(Dict({k}, t)(a) self) -> {d}",
        )
    _form("aten::len", None, "any(Any[] a) -> int")


def _strings() -> None:
    for name in (
        "isspace isalpha isnumeric isprintable islower isupper istitle isalnum isdigit "
        "isdecimal isidentifier"
    ).split():
        _form(f"aten::{name}", getattr(str, name), "(str self) -> bool")
    for name in "lower upper swapcase capitalize title".split():
        _form(f"aten::{name}", getattr(str, name), "(str self) -> str")
    within = "(str self, str substr, int start=0, int end=-1)"
    _form("aten::find", plain.position_of, within + " -> int")
    _form("aten::rfind", plain.last_position_of, within + " -> int")
    _form("aten::index", plain.index_of, f"str{within} -> int")
    _form("aten::rindex", plain.index_last, within + " -> int")
    _form("aten::count", plain.counted, within + " -> int")
    _form("aten::startswith", plain.begins, within + " -> bool")
    _form("aten::endswith", plain.ends, within + " -> bool")
    for name in "center ljust rjust".split():
        _form(f"aten::{name}", getattr(str, name), '(str self, int width, str fillchar=" ") -> str')
    _form("aten::zfill", str.zfill, "(str self, int width) -> str")
    _form("aten::expandtabs", str.expandtabs, "(str self, int tabsize=8) -> str")
    for name in "strip lstrip rstrip".split():
        _form(f"aten::{name}", getattr(str, name), '(str self, str chars=" \\n\\t\\f\\v") -> str')
    _form("aten::replace", str.replace, "(str self, str old, str new, int max=-1) -> str")
    _form("aten::split", str.split, "str(str self, str? separator=None, int max=-1) -> str[]")
    _form("aten::rsplit", str.rsplit, '(str self, str separator=" ", int max=-1) -> str[]')
    _form("aten::splitlines", str.splitlines, "(str self, bool keepends=False) -> str[]")
    for name in ("partition", "rpartition"):
        _form(f"aten::{name}", getattr(str, name), "(str self, str separator) -> (str, str, str)")
    _form("aten::join", str.join, "(str self, str[] values) -> str")
    _form("aten::format", plain.formatted, "(str self, ...) -> str")
    _form("aten::percentFormat", plain.percent_formatted, "(str self, ...) -> str")
