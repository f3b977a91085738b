"""Scripted classes: their methods, attributes and properties, and what a class is in a program."""

from __future__ import annotations

import ast
import sys

from .. import _types as T
from . import annotated
from .calling import fail
from .functions import compiled, define
from .resolver import Namespace
from .source import ParsedDef, parse_class
from .unit import defaults_of, qualified_name
from .values import Arg, Simple, Sugared


class ClassValue(Sugared):
    """A class: calling it makes an object; its static methods are its attributes."""

    said = "class"
    fixed = True

    def __init__(self, t: T.ClassType) -> None:
        self.type = t

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        made = Simple(b.emit1("prim::CreateObject", [], self.type, at))
        if "__init__" not in self.type.methods:
            fail(at, f"Class {self.type.name()} does not have an __init__ function defined")
        made.attr(b, at, "__init__").call(b, at, args, kwargs)
        return made

    def attr(self, b, at, name: str) -> Sugared:
        from .python_values import Function, python_value

        if name == "__new__":
            return _New()
        if name in self.type.static_methods:
            return Function(self.type.static_methods[name])
        if name in self.type.constants:
            return python_value(b, self.type.constants[name], at, constant=True)
        fail(at, f"Tried to lookup unknown attribute on class {self.type.annotation_str}: {name}")
        raise AssertionError

    def has_attr(self, b, at, name: str) -> bool:
        return name in self.type.static_methods


class _New(Sugared):
    """`Class.__new__(Class)`, as archives write it."""

    said = "constructor"

    def call(self, b, at, args, kwargs) -> Sugared:
        given = args[0].given
        return Simple(b.emit1("prim::CreateObject", [], given.type, at))


def compile_class(cls: type, unit, at=None) -> T.ClassType:
    """The type of a Python class, its methods ready to be compiled."""
    _check(cls, at)
    tree, source = parse_class(cls)
    name = unit.free_name(qualified_name(cls))
    made = T.ClassType(name, False, unit)
    made.python_class = cls
    unit.of_class[cls] = made
    unit.types[name] = made
    resolver = ClassScope(unit, cls)
    try:
        define_class(made, tree, source, unit, resolver, cls)
    except BaseException:
        unit.of_class.pop(cls, None)
        unit.types.pop(name, None)
        raise
    return made


def _check(cls: type, at) -> None:
    if not isinstance(cls, type) or not hasattr(cls, "__mro__"):
        fail(at, f"{cls}: expected a class")
    if len(cls.mro()) > 2:
        raise RuntimeError(
            "TorchScript classes does not support inheritance yet. Please directly inherit from "
            f"'object': {cls.__qualname__} has the bases {[c.__name__ for c in cls.mro()[1:-1]]}"
        )
    if cls.__new__ is not object.__new__:
        raise RuntimeError(
            "TorchScript does not support class inheritance: can't compile a class with __new__: "
            f"{cls.__qualname__}"
        )


class ClassScope(Namespace):
    """The names that the methods of a class see: free variables, then the module's globals."""

    def __init__(self, unit, cls: type, extra=None) -> None:
        names: dict = dict(extra or {})
        for member in vars(cls).values():
            function = getattr(member, "fget", getattr(member, "__func__", member))
            for name, cell in _cells(function):
                names.setdefault(name, cell)
        names.setdefault(cls.__name__, cls)
        super().__init__(unit, names)
        self.globals = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}

    def python(self, name: str):
        if name in self.names:
            return self.names[name]
        return self.globals.get(name)


def _cells(function):
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    if code is None:
        return
    for name, cell in zip(code.co_freevars, cells, strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def define_class(made: T.ClassType, tree: ast.ClassDef, source, unit, resolver, cls=None) -> None:
    """Give a type the attributes and methods that a class definition has."""
    methods = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    _declared_attributes(made, tree, source, unit, resolver)
    for node in methods:
        _add_method(made, node, source, unit, resolver, cls)
    if cls is not None and getattr(cls, "__dataclass_fields__", None):
        from .dataclass import add_methods

        add_methods(made, cls, unit, resolver)
    init = made.methods.get("__init__")
    if init is not None:
        init._makes = True
        compiled(init)
    for function in [*made.methods.values(), *made.static_methods.values()]:
        compiled(function)
    for getter, setter in made.properties.values():
        compiled(getter)
        if setter is not None:
            compiled(setter)


def _declared_attributes(made, tree, source, unit, resolver) -> None:
    for node in tree.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        t = annotated.from_tree(node.annotation, resolver.lookup, unit, source.range(node))
        if t is not None:
            made.attributes.setdefault(node.target.id, t)


def _add_method(made, node: ast.FunctionDef, source, unit, resolver, cls) -> None:
    marks = [ast.unparse(d) for d in node.decorator_list]
    python = vars(cls).get(node.name) if cls is not None else None
    function = getattr(python, "__func__", python)
    if getattr(function, "_torchscript_modifier", "").startswith(("ignore", "unused")):
        return
    parsed = ParsedDef(node, source)
    defaults = defaults_of(function) if hasattr(function, "__defaults__") else _literals(node)
    last = marks[-1] if marks else ""
    kind = "_getter" if last == "property" else "_setter" if last.endswith(".setter") else ""
    name = f"{made.qualified_name()}.{f'__{node.name}{kind}' if kind else node.name}"
    static = "staticmethod" in marks
    if "classmethod" in marks:  # stays Python: a program has no class to give it
        return
    function = define(
        unit, name, parsed, resolver, None if static else made, defaults,
        getattr(function, "__annotations__", None),
    )  # fmt: skip
    if static:
        made.static_methods[node.name] = function
    elif last == "property":
        made.properties[node.name] = (function, None)
        made.methods[function.name] = function
    elif last.endswith(".setter"):
        getter = made.properties[last.removesuffix(".setter")][0]
        made.properties[node.name] = (getter, function)
        made.methods[function.name] = function
    else:
        made.methods[node.name] = function


def _literals(node: ast.FunctionDef) -> dict:
    """Defaults that are written out, of source without a Python function."""
    names = [a.arg for a in node.args.args]
    given = node.args.defaults
    found = zip(names[len(names) - len(given) :], given, strict=True)
    keyword = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    pairs = [*found, *((a.arg, d) for a, d in keyword if d is not None)]
    return {name: ast.literal_eval(d) for name, d in pairs}
