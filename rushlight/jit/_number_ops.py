"""Operators on numbers: their forms, and the Python that runs them (see _scalar_ops)."""

from __future__ import annotations

import cmath
import math
import operator

from . import _plain_functions as plain
from ._scalar_ops import binary, form, unary, wider

# -- arithmetic ------------------------------------------------------------------------------

form("aten::add", operator.add, "t(t[] a, t[] b) -> t[]", "str(str a, str b) -> str")
form("aten::mul", operator.mul, "left_t(t[] l, int n) -> t[]", "right_(int n, t[] l) -> t[]")
for name in ("add", "sub", "mul"):
    binary(f"aten::{name}", getattr(operator, name), "complex", wider, "Scalar")
form(
    "aten::div",
    plain.divided,
    "int(int a, int b) -> float",
    "complex(complex a, complex b) -> complex",
    "float(float a, float b) -> float",
    "(Scalar a, Scalar b) -> float",
)
binary("aten::floordiv", plain.floor_divided, "real", wider, "Scalar")
binary("aten::remainder", operator.mod, "real", wider, "Scalar")
form("aten::__round_to_zero_floordiv", plain.truncated, "int(int a, int b) -> int")
binary("aten::fmod", plain.mathematical(math.fmod), "real", lambda a, b: "float", "float")
binary(
    "aten::mathremainder",
    plain.mathematical(math.remainder),
    "real",
    lambda a, b: "float",
    "float",
)
for pair in ("int,int", "float,float", "int,float", "float,int"):
    a, b = pair.split(",")
    overload = a if a == b else f"{a}_{b}"
    t = wider(a, b)
    form("aten::divmod", divmod, f"{overload}({a} x, {b} y) -> ({t}, {t})")
form(
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

# -- comparisons -----------------------------------------------------------------------------

for name in ("eq", "ne"):
    run = getattr(operator, name)
    form(
        f"aten::{name}",
        run,
        "int_list(int[] a, int[] b) -> bool",
        "device(Device a, Device b) -> bool",
        "bool(bool a, bool b) -> bool",
        "enum(AnyEnumType a, AnyEnumType b) -> bool",
    )
    binary(f"aten::{name}", run, "compared", lambda a, b: "bool", "bool")
    form(
        f"aten::{name}",
        run,
        "str(str a, str b) -> bool",
        *(f"{t}_list({t}[] a, {t}[] b) -> bool" for t in ("float", "Tensor", "bool", "str")),
    )
for name in ("lt", "gt", "le", "ge"):
    run = getattr(operator, name)
    binary(f"aten::{name}", run, "real", lambda a, b: "bool", "bool")
    form(f"aten::{name}", run, "str(str a, str b) -> bool")

# -- logic, and the larger or smaller ---------------------------------------------------------

for name, run in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor)):
    form(f"aten::__{name}__", run, "bool(bool a, bool b) -> bool", "int(int a, int b) -> int")
form("aten::__lshift__", operator.lshift, "int(int a, int b) -> int")
form("aten::__rshift__", operator.rshift, "int(int a, int b) -> int")
form("aten::__not__", operator.not_, "(bool self) -> bool")
form("aten::__is__", plain.is_one, "(t1 self, t2 obj) -> bool")
form("aten::__isnot__", lambda a, b: not plain.is_one(a, b), "(t1 self, t2 obj) -> bool")
form("aten::bitwise_not", operator.invert, "int(int a) -> int")
for name, run in (("max", max), ("min", min)):
    for pair in ("int,int", "float,float", "int,float", "float,int"):
        a, b = pair.split(",")
        overload = a if a == b else f"{a}_{b}"
        form(f"prim::{name}", run, f"{overload}({a} a, {b} b) -> {wider(a, b)}")
    form(f"prim::{name}", run, "(Scalar a, Scalar b) -> Scalar")
    for t in ("int", "float", "bool"):
        form(
            f"prim::{name}",
            run,
            f"{t}_list({t}[] l, {t}[] r) -> {t}[]",
            f"self_{t}({t}[] self) -> {t}",
        )

# -- mathematics -----------------------------------------------------------------------------

both = "int:float float complex"
for name in "exp sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh log10".split():
    run = plain.mathematical(getattr(math, name), getattr(cmath, name))
    unary(f"aten::{name}", run, both)
unary("aten::log", plain.mathematical(math.log, cmath.log), both)
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
    form("aten::log", None, f"{a}_{b}({a} a, {b} b) -> {t}")
form("aten::log", None, "Scalar_Scalar(Scalar a, Scalar b) -> float")
for name in "lgamma log1p expm1 erf erfc gamma fabs degrees radians".split():
    unary(f"aten::{name}", plain.mathematical(getattr(math, name)), "int:float float")
unary("aten::angle", lambda a: cmath.phase(a), "int:float float complex:float")
unary("aten::floor", math.floor, "int float:int")
unary("aten::ceil", math.ceil, "int float:int")
unary("aten::round", plain.rounded, "int:float float")
unary("aten::neg", operator.neg, "int float complex")
unary("prim::abs", abs, "int float complex:float")
form("prim::abs", abs, "(Tensor x) -> Tensor")
for name in ("isnan", "isinf", "isfinite"):
    run = plain.mathematical(getattr(math, name), getattr(cmath, name))
    form(f"aten::{name}", run, "float(float a) -> bool", "complex(complex a) -> bool")
for name in ("copysign", "atan2"):
    last = "Scalar_Scalar" if name == "atan2" else ""
    binary(f"aten::{name}", getattr(math, name), "real", lambda a, b: "float", "float", last)
binary("aten::polar", cmath.rect, "real", lambda a, b: "complex", "Scalar", "Scalar_Scalar")
form("aten::gcd", math.gcd, "int(int a, int b) -> int")
form("aten::ldexp", math.ldexp, "(float x, int i) -> float")
form("aten::frexp", math.frexp, "(float a) -> (float, int)")
form("aten::modf", math.modf, "(float a) -> (float, float)")
form("aten::factorial", math.factorial, "int(int a) -> int")

# -- conversions -----------------------------------------------------------------------------

form(
    "aten::Float",
    float,
    "Tensor(Tensor a) -> float",
    "Scalar(Scalar a) -> float",
    "int(int a) -> float",
    "bool(bool a) -> float",
    "str(str a) -> float",
)
form(
    "aten::Int",
    int,
    "Tensor(Tensor a) -> int",
    "bool(bool a) -> int",
    "float(float a) -> int",
    "Scalar(Scalar a) -> int",
    "str(str a) -> int",
)
form(
    "aten::Bool",
    bool,
    "Tensor(Tensor a) -> bool",
    "int(int a) -> bool",
    "float(float a) -> bool",
)
form(
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
    form("aten::Complex", None, *both)
for name, run, t in (
    ("Float", float, "float"),
    ("Int", int, "int"),
    ("Complex", complex, "complex"),
):
    form(f"aten::{name}Implicit", run, f"(Tensor a) -> {t}")
form("aten::ScalarImplicit", lambda a: a.item(), "(Tensor a) -> Scalar")
form("aten::hash", hash, "generic(t value) -> int")
form("aten::chr", chr, "(int i) -> str")
form("aten::ord", ord, "(str string) -> int")
for run in (bin, oct, hex):
    form(f"aten::{run.__name__}", run, "(int i) -> str")
form("aten::str", plain.as_text, "(t elem) -> str")
form("aten::__range_length", plain.range_length, "(int lo, int hi, int step) -> int")
form(
    "aten::__derive_index",
    lambda i, start, step: start + i * step,
    "(int index, int start, int step) -> int",
)
form("prim::rangelist", lambda n: list(range(n)), "(int n) -> int[]")
