"""Operators on lists, dicts and strings: their forms, and what runs them (see _scalar_ops)."""

from __future__ import annotations

import operator

from . import _plain_functions as plain
from ._scalar_ops import form

# -- lists -----------------------------------------------------------------------------------

form("aten::len", plain.length, "t(t[] a) -> int", "Tensor(Tensor t) -> int", "str(str s) -> int")
form("aten::append", plain.appended, "t(t[](a!) self, t(c -> *) el) -> t[](a!)")
form("aten::extend", lambda a, b: a.extend(b), "t(t[](a!) self, t[] other) -> ()")
form(
    "aten::insert",
    lambda a, i, x: a.insert(i, x),
    "t(t[](a!) self, int idx, t(b -> *) el) -> ()",
)
form("aten::pop", plain.popped, "t(t[](a!) self, int idx=-1) -> t(*)")
form("aten::Delete", plain.delete, "t(t[](a!) self, int idx) -> ()")
form("aten::clear", lambda a: a.clear(), "t(t[](a!) self) -> ()")
form("aten::reverse", lambda a: a.reverse(), "t(t[](a!) self) -> ()")
form("aten::copy", plain.copied, "t(t[](a) self) -> t[]")
form("aten::_set_item", plain.set_item, "t(t[](a!) l, int idx, t(b -> *) el) -> t[](a!)")
form(
    "aten::__getitem__",
    operator.getitem,
    "t(t[](a) list, int idx) -> t(*)",
    "str(str s, int index) -> str",
)
form("aten::select", operator.getitem, "t(t[](a) list, int idx) -> t(*)")
form(
    "aten::slice",
    plain.sliced,
    "t(t[] l, int? start=None, int? end=None, int step=1) -> t[]",
    "str(str string, int? start=None, int? end=None, int step=1) -> str",
)
form("aten::list", list, "(str t) -> str[]", "t(t[] l) -> t[]")
form("aten::add_", plain.extended, "t(t[](a!) self, t[] b) -> t[]")
form("aten::mul_", plain.repeated, "t(t[](a!) l, int n) -> t[](a!)")
five = ("int", "float", "bool", "Tensor", "str")
form(
    "aten::count",
    plain.counted,
    *(f"{t}({t}[] self, {t} el) -> int" for t in five),
)
form(
    "aten::remove",
    lambda a, x: a.remove(x),
    *(f"{t}({t}[](a!) self, {t} el) -> ()" for t in five),
)
form("aten::index", plain.index_of, *(f"list_{t}({t}[] self, {t} el) -> int" for t in five))
form(
    "aten::sort",
    plain.sorted_in_place,
    *(f"{t}({t}[](a!) self, bool reverse=False) -> ()" for t in five),
    "any(t[](a!) self, bool reverse=False) -> ()",
)
form(
    "aten::sorted",
    sorted,
    *(f"{t}({t}[](a) input) -> {t}[]" for t in five),
    "any(t[](a) self) -> t[]",
)
form(
    "aten::sum",
    sum,
    *(f"{t}({t}[] self) -> {t}" for t in ("int", "float", "complex")),
    "bool(bool[] self) -> int",
)
form("aten::all", all, *(f"{t}({t}[] self) -> bool" for t in ("int", "float", "bool")))
form("aten::any", any, *(f"{t}({t}[] self) -> bool" for t in ("str", "int", "float", "bool")))
form(
    "aten::__contains__",
    operator.contains,
    "int_list(int[] l, int item) -> bool",
    "str_list(str[] l, str item) -> bool",
    "float_list(float[] l, float item) -> bool",
)
form("aten::Size", list, "(int[] sizes) -> int[]")

# -- dicts: one form for every type of key -----------------------------------------------------

for k in ("str", "int", "bool", "float", "complex", "Tensor"):
    d, write = f"Dict({k}, t)", f"Dict({k}, t)(a!)"
    form("aten::len", plain.length, f"Dict_{k}({d} self) -> int")
    form("aten::keys", lambda a: list(a), f"{k}({d} self) -> {k}[](*)")
    form("aten::values", lambda a: list(a.values()), f"{k}({d} self) -> t[](*)")
    form("aten::items", lambda a: list(a.items()), f"{k}({d} self) -> (({k}, t)[])")
    form("aten::__getitem__", None, f"Dict_{k}({d} self, {k} key) -> t(*)")
    form(
        "aten::get",
        lambda a, *args: a.get(*args),
        f"{k}({d} self, {k} key) -> t(*)?",
        f"default_{k}({d} self, {k} key, t default_value) -> t(*)",
    )
    form(
        "aten::setdefault",
        lambda a, key, v: a.setdefault(key, v),
        f"{k}({write} self, {k}(b -> *) key, t(c -> *) default_value) -> t(*)",
    )
    form(
        "aten::pop",
        None,
        f"Dict_{k}({write} self, {k} key) -> t(*)",
        f"Dict_default_{k}({write} self, {k} key, t default_value) -> t(*)",
    )
    form("aten::popitem", lambda a: a.popitem(), f"{k}({write} self) -> (({k}, t))")
    form("aten::Delete", None, f"Dict_{k}({write} self, {k} key) -> ()")
    form("aten::clear", None, f"{k}({write} self) -> ()")
    form("aten::update", lambda a, b: a.update(b), f"{k}({write} self, {write} to_add) -> ()")
    form("aten::copy", None, f"Dict_{k}(Dict({k}, t)(a) self) -> {d}")
    form("aten::_set_item", None, f"{k}({write} l, {k}(b -> *) idx, t(c -> *) v) -> ()")
    form("aten::__contains__", None, f"{k}({d} dict, {k} key) -> bool")
    form(
        "aten::dict",
        dict,
        *(["() -> Dict(str, Tensor)"] if k == "str" else []),
        f"{k}(({k}, tVal)[] inputs) -> Dict({k}, tVal)",
        f"Dict_{k}(Dict({k}, t)(a) self) -> {d}",
    )
form("aten::len", None, "any(Any[] a) -> int")

# -- strings ---------------------------------------------------------------------------------

for name in (
    "isspace isalpha isnumeric isprintable islower isupper istitle isalnum isdigit "
    "isdecimal isidentifier"
).split():
    form(f"aten::{name}", getattr(str, name), "(str self) -> bool")
for name in "lower upper swapcase capitalize title".split():
    form(f"aten::{name}", getattr(str, name), "(str self) -> str")
within = "(str self, str substr, int start=0, int end=-1)"
form("aten::find", plain.position_of, within + " -> int")
form("aten::rfind", plain.last_position_of, within + " -> int")
form("aten::index", plain.index_of, f"str{within} -> int")
form("aten::rindex", plain.index_last, within + " -> int")
form("aten::count", plain.counted, within + " -> int")
form("aten::startswith", plain.begins, within + " -> bool")
form("aten::endswith", plain.ends, within + " -> bool")
for name in "center ljust rjust".split():
    form(f"aten::{name}", getattr(str, name), '(str self, int width, str fillchar=" ") -> str')
form("aten::zfill", str.zfill, "(str self, int width) -> str")
form("aten::expandtabs", str.expandtabs, "(str self, int tabsize=8) -> str")
for name in "strip lstrip rstrip".split():
    form(f"aten::{name}", getattr(str, name), '(str self, str chars=" \\n\\t\\f\\v") -> str')
form("aten::replace", str.replace, "(str self, str old, str new, int max=-1) -> str")
form("aten::split", str.split, "str(str self, str? separator=None, int max=-1) -> str[]")
form("aten::rsplit", str.rsplit, '(str self, str separator=" ", int max=-1) -> str[]')
form("aten::splitlines", str.splitlines, "(str self, bool keepends=False) -> str[]")
for name in ("partition", "rpartition"):
    form(f"aten::{name}", getattr(str, name), "(str self, str separator) -> (str, str, str)")
form("aten::join", str.join, "(str self, str[] values) -> str")
form("aten::format", plain.formatted, "(str self, ...) -> str")
form("aten::percentFormat", plain.percent_formatted, "(str self, ...) -> str")
