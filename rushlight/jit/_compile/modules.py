"""Modules in a program: parameters, children and constants by name, containers written out."""

from __future__ import annotations

import ast
from typing import Any

from ..._module_names import in_rushlight
from .. import _types as T
from . import annotated
from .attributes import get_attribute, set_attribute
from .calling import fail
from .functions import define
from .resolver import Scope
from .source import parse_definition
from .unit import defaults_of
from .values import Arg, Parts, Simple, Sugared


class Concrete:
    """All that programs may know of a module: its type, and what types do not hold.

    Modules whose concretes are alike share one: the same class, attributes of the same types, equal
    constants.
    """

    def __init__(self, t: T.ClassType, cls: type, unit) -> None:
        self.type = t
        self.cls = cls
        self.unit = unit
        self.kind = "module"  # or list, dict, parameters
        self.children: dict[str, Concrete] = {}
        self.functions: dict[str, Any] = {}
        self.failed: dict[str, str] = {}
        self.hooks: list = []
        self.pre_hooks: list = []

    def method(self, name: str, at=None):
        """The compiled method of a name, or None: methods are compiled when first called."""
        known = self.type.methods.get(name)
        if known is not None:
            return known
        from . import library

        function = getattr(self.cls, name, None) or library.method(self.cls, name)
        function = getattr(function, "__func__", function)
        if function is None or not hasattr(function, "__code__"):
            return None
        return self.compile(name, function)

    def compile(self, name: str, function, signature=None):
        """Make a method of the type from a Python function; `signature` is an overload of it."""
        from . import library
        from .unit import with_signature

        function = library.method(self.cls, name) or function
        parsed = parse_definition(function)
        if signature is not None:
            parsed = with_signature(parsed, parse_definition(signature))
        closed = {"__class__": self.cls}
        made = define(
            self.unit, f"{self.type.qualified_name()}.{name}", parsed,
            Scope(self.unit, function, closed if "__class__" in _free(function) else None),
            self.type, defaults_of(function), (signature or function).__annotations__,
            lambda ir: ModuleValue(ir, self),
        )  # fmt: skip
        made.__name__ = name
        self.type.methods[name] = made
        return made


def _free(function) -> tuple:
    return function.__code__.co_freevars


class ModuleValue(Simple):
    """A module within a program."""

    __slots__ = ("concrete",)
    said = "module"

    def __init__(self, ir, concrete: Concrete) -> None:
        super().__init__(ir)
        self.concrete = concrete

    # -- attributes ------------------------------------------------------------------------

    def attr(self, b, at, name: str) -> Sugared:
        known = self.find(b, at, name)
        if known is not None:
            return known
        t = self.concrete.type
        hint = self.concrete.failed.get(name, "")
        said = f"Module '{t.name()}' has no attribute '{name}' {hint}".rstrip()
        fail(at, said)
        raise AssertionError

    def find(self, b, at, name: str) -> Sugared | None:
        """What an attribute is, or None."""
        from .python_values import Method, python_value

        concrete, t = self.concrete, self.concrete.type
        if name in t.attributes:
            found = get_attribute(b, at, self.ir, name, t.attributes[name])
            child = concrete.children.get(name)
            return Simple(found) if child is None else ModuleValue(found, child)
        if name in t.constants:
            return python_value(b, t.constants[name], at, constant=True, said=name)
        if name in concrete.functions:
            return python_value(b, concrete.functions[name], at, said=name)
        container = self._container_method(b, at, name)
        if container is not None:
            return container
        overloads = self._overloads(name)
        if overloads is not None:
            return overloads
        if name in t.methods:
            return Method(self.ir, t.methods[name], name)
        return self._from_class(b, at, name)

    def _from_class(self, b, at, name: str) -> Sugared | None:
        from . import library
        from .python_values import Method, PythonCall, python_value

        lent = library.method(self.concrete.cls, name)
        if lent is not None:
            method = self.concrete.method(name, at)
            return Method(self.ir, method, name)
        found = getattr(self.concrete.cls, name, None)
        if isinstance(found, property):
            if self._left_out(name):
                fail(at, f"property '{name}' is ignored: it is named in __jit_unused_properties__")
            getter = self.concrete.compile(f"__{name}_getter", found.fget)
            return Method(self.ir, getter, getter.name).call(b, at, [], [])
        modifier = getattr(found, "_torchscript_modifier", "") or ""
        if modifier.startswith(("ignore", "unused", "_drop")):
            from .signatures import signature_of

            schema = signature_of(self.concrete.unit, found, at, method=True)
            return PythonCall(found, schema, not modifier.startswith("ignore"), self.ir)
        if isinstance(_static(self.concrete.cls, name), staticmethod):
            return python_value(b, found, at, said=name)
        if isinstance(found, type) or name not in dir(self.concrete.cls):
            return None
        if isinstance(found, str | int | float | tuple) and _is_ours(self.concrete.cls, name):
            return python_value(b, found, at, constant=True, said=name)
        if getattr(found, "__code__", None) is None:
            return None
        method = self.concrete.method(name, at)
        return None if method is None else Method(self.ir, method, name)

    def _overloads(self, name: str) -> Sugared | None:
        from .overloads import overloaded_method, overloads_of

        found = getattr(self.concrete.cls, name, None)
        declared = overloads_of(found) if hasattr(found, "__qualname__") else []
        return overloaded_method(self, name, found, declared) if declared else None

    def _left_out(self, name: str) -> bool:
        return name in getattr(self.concrete.cls, "__jit_unused_properties__", ())

    def has_attr(self, b, at, name: str) -> bool:
        concrete, t = self.concrete, self.concrete.type
        return (
            name in t.attributes or name in t.constants or name in concrete.functions
            or name in t.methods or hasattr(concrete.cls, name)
        )  # fmt: skip

    def set_attr(self, b, at, name: str, value) -> None:
        t = self.concrete.type
        if name not in t.attributes:
            found = getattr(self.concrete.cls, name, None)
            if isinstance(found, property) and found.fset is not None:
                from .python_values import Method

                setter = self.concrete.compile(f"__{name}_setter", found.fset)
                Method(self.ir, setter, setter.name).call(b, at, [Arg(Simple(value), at)], [])
                return
        set_attribute(b, at, self.ir, name, value)

    # -- calls -----------------------------------------------------------------------------

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        if self.concrete.hooks or self.concrete.pre_hooks:
            from .hooks import call_with_hooks

            return call_with_hooks(self, b, at, args, kwargs)
        return self.attr(b, at, "forward").call(b, at, args, kwargs)

    # -- containers ------------------------------------------------------------------------

    def entries(self, b, at) -> list[tuple[str, Sugared]]:
        """The elements of a container, by name."""
        concrete, t = self.concrete, self.concrete.type
        if concrete.kind == "parameters":
            names = [n for n in t.attributes if n in t.parameters]
        else:
            names = list(concrete.children)
        found: list[tuple[str, Sugared]] = []
        for name in names:
            value = get_attribute(b, at, self.ir, name, t.attributes[name])
            child = concrete.children.get(name)
            found.append((name, Simple(value) if child is None else ModuleValue(value, child)))
        return found

    def _is_container(self) -> bool:
        return self.concrete.kind != "module"

    def elements(self, b, at, count: int | None = None) -> list[Sugared]:
        if not self._is_container():
            fail(
                at,
                "Only constant Sequential, ModuleList, ModuleDict, or ParameterList can be "
                f"used as an iterable: got {self.concrete.type.name()}",
            )
        if self.concrete.kind == "dict":
            return [Simple(b.constant(name, at)) for name, _ in self.entries(b, at)]
        return [value for _, value in self.entries(b, at)]

    def iterated(self, b, at) -> Sugared:
        return Parts(self.elements(b, at))

    def length(self, b, at):
        if not self._is_container():
            return self.attr(b, at, "__len__").call(b, at, [], []).value(b, at)
        t = self.concrete.type
        held = t.parameters if self.concrete.kind == "parameters" else self.concrete.children
        return b.constant(len(held), at)

    def static_length(self) -> int | None:
        return len(self.concrete.children) if self._is_container() else None

    def item(self, b, at, index, hint=None) -> Sugared:
        from .subscripts import folded

        if not self._is_container():
            return self.attr(b, at, "__getitem__").call(b, at, [Arg(Simple(index), at)], [])
        known = folded(index)
        names = [n for n, _ in self.entries(b, at)] if known is not None else []
        if isinstance(known, str):
            if known not in names:
                fail(at, f"Key Error, {known}")
            return self._child(b, at, known)
        if isinstance(known, int):
            if not -len(names) <= known < len(names):
                fail(at, f"Index {known} out of range of length {len(names)}")
            return self._child(b, at, names[known])
        if isinstance(hint, T.InterfaceType):
            inputs = [self.ir, index]
            return Simple(b.emit1("prim::ModuleContainerIndex", inputs, hint, at))
        fail(
            at,
            (
                "Unable to extract string literal index. ModuleDict indexing is only "
                'supported with string literals. For example, \'i = "a"; '
                "self.layers[i](x)' will fail because i is not a literal. Enumeration of "
                "ModuleDict is supported, e.g. 'for k, v in self.layers.items(): out = "
                "v(inp)'"
            )
            if self.concrete.kind == "dict"
            else (
                "Expected integer literal for index. ModuleList/Sequential indexing is "
                "only supported with integer literals. For example, 'i = 4; "
                "self.layers[i](x)' will fail because i is not a literal. Enumeration is "
                "supported, e.g. 'for index, v in enumerate(self): out = v(inp)'"
            ),
        )
        raise AssertionError

    def _child(self, b, at, name: str) -> Sugared:
        t = self.concrete.type
        value = get_attribute(b, at, self.ir, name, t.attributes[name])
        child = self.concrete.children.get(name)
        return Simple(value) if child is None else ModuleValue(value, child)

    def contains(self, b, at, key: Sugared):
        """`key in module_dict`."""
        name = key.value(b, at).toIValue()
        if self.concrete.kind != "dict" or not isinstance(name, str):
            fail(at, "in: expected a string literal and a ModuleDict")
        return b.constant(name in self.concrete.children, at)

    def _container_method(self, b, at, name: str) -> Sugared | None:
        if self.concrete.kind == "dict" and name in ("keys", "values", "items"):
            return _Listing(self, name)
        if name in _WALKS and getattr(self.concrete.cls, name, None) is _module_method(name):
            return _Listing(self, name)
        return None


_WALKS = (
    "children", "named_children", "modules", "named_modules", "parameters", "named_parameters",
    "buffers", "named_buffers",
)  # fmt: skip


def _module_method(name: str):
    from ...nn import Module

    return getattr(Module, name)


def _static(cls: type, name: str):
    for base in cls.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None


def _is_ours(cls: type, name: str) -> bool:
    """Whether an attribute stands in a class of torch.nn: those are constants."""
    owner = next(c for c in cls.__mro__ if name in vars(c))
    return in_rushlight(owner.__module__).startswith("rushlight.")


class _Listing(Sugared):
    """`module.children()` and its like: the list is known while compiling."""

    said = "method"

    def __init__(self, module: ModuleValue, name: str) -> None:
        self.module = module
        self.name = name

    def call(self, b, at, args, kwargs) -> Sugared:
        named = self.name in ("items",) or self.name.startswith("named_")
        pairs = self._pairs(b, at)
        if self.name == "keys":
            return Parts([Simple(b.constant(n, at)) for n, _ in pairs])
        if named:
            return Parts([Parts([Simple(b.constant(n, at)), v]) for n, v in pairs])
        return Parts([v for _, v in pairs])

    def _pairs(self, b, at) -> list[tuple[str, Sugared]]:
        module, kind = self.module, self.name.removeprefix("named_")
        if kind in ("keys", "values", "items"):
            return module.entries(b, at)
        if kind == "children":
            return _children(b, at, module)
        if kind == "modules":
            return [("", module), *_walk(b, at, module, "")]
        owners = [("", module), *_walk(b, at, module, "")]
        return [
            (f"{prefix}.{name}" if prefix else name, owner._child(b, at, name))
            for prefix, owner in owners
            for name in _tensors(owner.concrete.type, kind)
        ]


def _tensors(t: T.ClassType, kind: str) -> list[str]:
    held = t.parameters if kind == "parameters" else t.buffers
    return [n for n in t.attributes if n in held and isinstance(t.attributes[n], T.TensorType)]


def _children(b, at, module: ModuleValue) -> list[tuple[str, Any]]:
    return [(name, module._child(b, at, name)) for name in module.concrete.children]


def _walk(b, at, module: ModuleValue, prefix: str) -> list[tuple[str, Any]]:
    found = []
    for name, child in _children(b, at, module):
        path = f"{prefix}.{name}" if prefix else name
        found += [(path, child), *_walk(b, at, child, path)]
    return found


def module_classes(b, targets: list[ast.expr]) -> dict[type, ast.expr]:
    """Those of an isinstance's classes that are classes of modules."""
    from ...nn import Module

    found: dict[type, ast.expr] = {}
    for node in targets:
        cls = annotated.looked_up(node, b.resolver.lookup)
        if isinstance(cls, type) and issubclass(cls, Module):
            found[cls] = node
    return found


def super_method(b, node: ast.Call) -> Sugared:
    """`super().method`: the method of the next class that has it."""
    from .python_values import Method

    at = b.source.range(node.func)
    function: ast.Attribute = node.func  # type: ignore[assignment]
    owner = b.get("self", at)
    if not isinstance(owner, ModuleValue):
        fail(at, "super() is only supported in the methods of modules")
    given = function.value.args  # type: ignore[attr-defined]
    start = b.resolver.python(given[0].id) if given else b.resolver.python("__class__")
    mro = owner.concrete.cls.__mro__
    for base in mro[mro.index(start) + 1 :]:
        found = vars(base).get(function.attr)
        if found is not None:
            name = f"__{base.__name__}_{function.attr}"
            method = owner.concrete.type.methods.get(name) or owner.concrete.compile(name, found)
            return Method(owner.ir, method, name)
    fail(at, f"'super' object has no attribute '{function.attr}'")
    raise AssertionError
