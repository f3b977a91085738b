"""Operators on numbers, strings, lists and dicts: their forms, and the Python that runs them.

The forms follow a few patterns (`int int`, `float float`, `int float`, ...; one form for every
type of key), which is what this file says instead of listing them.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable

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


# -- what Python does otherwise --------------------------------------------------------------


def _divided(a, b):
    if b == 0 and not isinstance(a, complex) and not isinstance(b, complex):
        raise ZeroDivisionError("division by zero")
    return a / b


def _floor_divided(a, b):
    if b == 0:
        raise ZeroDivisionError("division by zero")
    return a // b


def _truncated(a: int, b: int) -> int:
    return int(a / b) if abs(a) < 2**53 else (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)


def _power(a, b):
    if isinstance(a, int) and isinstance(b, int):
        return float(a**b)
    return a**b


def _mathematical(real: Callable, complex_one: Callable | None = None) -> Callable:
    """A function of numbers: NaN or infinity where Python's raises, as C's does."""

    def run(a, *more):
        if isinstance(a, complex) or any(isinstance(m, complex) for m in more):
            return (complex_one or real)(a, *more)
        try:
            return real(a, *more)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan if real is not math.log or a else -math.inf

    return run


def _rounded(a):
    return float(round(a))


def _length(items) -> int:
    from .. import _C

    return items.shape[0] if isinstance(items, _C.Tensor) else len(items)


def _format(text: str, *args) -> str:
    return text.format(*args)


def _percent(text: str, *args) -> str:
    return text % args


def _sliced(items, start=None, end=None, step=1):
    return items[start:end:step]


def _set_item(items, key, value):
    items[key] = value
    return items


def _appended(items, item):
    items.append(item)
    return items


def _extended(items, more):
    items.extend(more)
    return items


def _repeated(items, n):
    items *= n
    return items


def _found(text: str, part: str, start: int = 0, end: int = -1) -> int:
    return text.find(part, start, len(text) if end == -1 else end)


def _found_last(text: str, part: str, start: int = 0, end: int = -1) -> int:
    return text.rfind(part, start, len(text) if end == -1 else end)


def _index(items, item, start: int = 0, end: int = -1) -> int:
    if isinstance(items, str):
        found = _found(items, item, start, end)
        if found < 0:
            raise ValueError(f"ValueError: substring not found: {item!r}")
        return found
    if item not in items:
        raise ValueError(f"'{item}' is not in list")
    return items.index(item)


def _index_last(text: str, part: str, start: int = 0, end: int = -1) -> int:
    found = _found_last(text, part, start, end)
    if found < 0:
        raise ValueError(f"ValueError: substring not found: {part!r}")
    return found


def _counted(items, item, start: int = 0, end: int = -1) -> int:
    if isinstance(items, str):
        return items.count(item, start, len(items) if end == -1 else end)
    return items.count(item)


def _begins(text: str, part: str, start: int = 0, end: int = -1) -> bool:
    return text.startswith(part, start, len(text) if end == -1 else end)


def _ends(text: str, part: str, start: int = 0, end: int = -1) -> bool:
    return text.endswith(part, start, len(text) if end == -1 else end)


def _delete(items, key) -> None:
    del items[key]


def _popped(items, *args):
    return items.pop(*args)


def _sort(items, reverse: bool = False) -> None:
    items.sort(reverse=reverse)


def _copied(items):
    return items.copy()


def _text(value) -> str:
    from .. import _C

    return str(value) if not isinstance(value, _C.Tensor) else repr(value)


def _is_one(a, b) -> bool:
    return a is b or (type(a) is type(b) and isinstance(a, bool | int | float) and a == b)


def _range_length(low: int, high: int, step: int) -> int:
    if step == 0:
        raise RuntimeError("range() arg 3 must not be zero")
    return len(range(low, high, step))


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
        _divided,
        "int(int a, int b) -> float",
        "complex(complex a, complex b) -> complex",
        "float(float a, float b) -> float",
        "(Scalar a, Scalar b) -> float",
    )
    _binary("aten::floordiv", _floor_divided, "real", _wider, "Scalar")
    _binary("aten::remainder", operator.mod, "real", _wider, "Scalar")
    _form("aten::__round_to_zero_floordiv", _truncated, "int(int a, int b) -> int")
    _binary("aten::fmod", _mathematical(math.fmod), "real", lambda a, b: "float", "float")
    _binary(
        "aten::mathremainder", _mathematical(math.remainder), "real", lambda a, b: "float", "float"
    )
    for pair in ("int,int", "float,float", "int,float", "float,int"):
        a, b = pair.split(",")
        overload = a if a == b else f"{a}_{b}"
        t = _wider(a, b)
        _form("aten::divmod", divmod, f"{overload}({a} x, {b} y) -> ({t}, {t})")
    _form(
        "aten::pow",
        _power,
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
    _form("aten::__is__", _is_one, "(t1 self, t2 obj) -> bool")
    _form("aten::__isnot__", lambda a, b: not _is_one(a, b), "(t1 self, t2 obj) -> bool")
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
        run = _mathematical(getattr(math, name), getattr(cmath, name))
        _unary(f"aten::{name}", run, both)
    _unary("aten::log", _mathematical(math.log, cmath.log), both)
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
        _unary(f"aten::{name}", _mathematical(getattr(math, name)), "int:float float")
    _unary("aten::angle", lambda a: cmath.phase(a), "int:float float complex:float")
    _unary("aten::floor", math.floor, "int float:int")
    _unary("aten::ceil", math.ceil, "int float:int")
    _unary("aten::round", _rounded, "int:float float")
    _unary("aten::neg", operator.neg, "int float complex")
    _unary("prim::abs", abs, "int float complex:float")
    _form("prim::abs", abs, "(Tensor x) -> Tensor")
    for name in ("isnan", "isinf", "isfinite"):
        run = _mathematical(getattr(math, name), getattr(cmath, name))
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
    _form("aten::str", _text, "(t elem) -> str")
    _form("aten::__range_length", _range_length, "(int lo, int hi, int step) -> int")
    _form(
        "aten::__derive_index",
        lambda i, start, step: start + i * step,
        "(int index, int start, int step) -> int",
    )
    _form("prim::rangelist", lambda n: list(range(n)), "(int n) -> int[]")


def _lists() -> None:
    _form("aten::len", _length, "t(t[] a) -> int", "Tensor(Tensor t) -> int", "str(str s) -> int")
    _form("aten::append", _appended, "t(t[](a!) self, t(c -> *) el) -> t[](a!)")
    _form("aten::extend", lambda a, b: a.extend(b), "t(t[](a!) self, t[] other) -> ()")
    _form(
        "aten::insert",
        lambda a, i, x: a.insert(i, x),
        "t(t[](a!) self, int idx, t(b -> *) el) -> ()",
    )
    _form("aten::pop", _popped, "t(t[](a!) self, int idx=-1) -> t(*)")
    _form("aten::Delete", _delete, "t(t[](a!) self, int idx) -> ()")
    _form("aten::clear", lambda a: a.clear(), "t(t[](a!) self) -> ()")
    _form("aten::reverse", lambda a: a.reverse(), "t(t[](a!) self) -> ()")
    _form("aten::copy", _copied, "t(t[](a) self) -> t[]")
    _form("aten::_set_item", _set_item, "t(t[](a!) l, int idx, t(b -> *) el) -> t[](a!)")
    _form(
        "aten::__getitem__",
        operator.getitem,
        "t(t[](a) list, int idx) -> t(*)",
        "str(str s, int index) -> str",
    )
    _form("aten::select", operator.getitem, "t(t[](a) list, int idx) -> t(*)")
    _form(
        "aten::slice",
        _sliced,
        "t(t[] l, int? start=None, int? end=None, int step=1) -> t[]",
        "str(str string, int? start=None, int? end=None, int step=1) -> str",
    )
    _form("aten::list", list, "(str t) -> str[]", "t(t[] l) -> t[]")
    _form("aten::add_", _extended, "t(t[](a!) self, t[] b) -> t[]")
    _form("aten::mul_", _repeated, "t(t[](a!) l, int n) -> t[](a!)")
    four, five = ("int", "float", "bool", "str"), ("int", "float", "Tensor", "bool", "str")
    _form("aten::count", _counted, *(f"{t}({t}[] self, {t} el) -> int" for t in four))
    _form(
        "aten::remove",
        lambda a, x: a.remove(x),
        *(f"{t}({t}[](a!) self, {t} el) -> ()" for t in four),
    )
    _form("aten::index", _index, *(f"list_{t}({t}[] self, {t} el) -> int" for t in five))
    _form(
        "aten::sort",
        _sort,
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
        _form("aten::len", _length, f"Dict_{k}({d} self) -> int")
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
    _form("aten::find", _found, within + " -> int")
    _form("aten::rfind", _found_last, within + " -> int")
    _form("aten::index", _index, f"str{within} -> int")
    _form("aten::rindex", _index_last, within + " -> int")
    _form("aten::count", _counted, within + " -> int")
    _form("aten::startswith", _begins, within + " -> bool")
    _form("aten::endswith", _ends, within + " -> bool")
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
    _form("aten::format", _format, "(str self, ...) -> str")
    _form("aten::percentFormat", _percent, "(str self, ...) -> str")
