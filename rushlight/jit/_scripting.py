"""torch.jit.script and what goes with it: compiling functions, modules, classes and source text."""

from __future__ import annotations

import enum
import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

from ..nn import Module
from ._function import ScriptFunction
from ._script import ScriptModule
from ._script_objects import ScriptObject
from ._state import _enabled

__all__ = ["CompilationUnit", "RecursiveScriptClass", "ScriptWarning", "script", "script_method"]
RecursiveScriptClass = ScriptObject


class ScriptWarning(Warning):
    """What scripting warns of."""


def script(
    obj: Any,
    optimize: None = None,
    _frames_up: int = 0,
    _rcb: Callable | None = None,
    example_inputs: Any = None,
) -> Any:
    """Compile a function, a module or a class, with all that it calls, from its source.

    A function gives a ScriptFunction, a module a RecursiveScriptModule that shares its parameters
    and buffers, a class itself (its objects may then be used in programs). RuntimeError, with the
    place in the source, where a program says what the language has not.
    """
    if not _enabled:
        return obj
    warnings.warn(
        "`torch.jit.script` is deprecated. Please switch to `torch.compile` or `torch.export`.",
        DeprecationWarning,
        stacklevel=2,
    )
    if isinstance(obj, ScriptModule | ScriptFunction | ScriptObject):
        return obj
    if isinstance(obj, Module):
        from ._recursive import script_module

        return script_module(_prepared(obj))
    if isinstance(obj, dict | list):
        return obj
    if isinstance(obj, type):
        return _script_class(obj)
    if isinstance(obj, types.FunctionType | types.MethodType):
        return _script_function(obj)
    wrapped = getattr(obj, "__wrapped__", None)
    if callable(obj) and isinstance(wrapped, types.FunctionType):
        return _script_function(wrapped)
    if type(obj).__module__ == "builtins":
        raise TypeError(f"{type(obj)} is a built-in class")
    raise RuntimeError(
        f"torch.jit.script: got an object of {type(obj)}, expected a function, a module or a class"
    )


def _prepared(module: Module) -> Module:
    prepare = getattr(module, "__prepare_scriptable__", None)
    return prepare() if prepare is not None else module


def _script_class(cls: type) -> type:
    from ._compile.named import named_type
    from ._compile.unit import python_unit

    if issubclass(cls, Module):
        raise RuntimeError(
            f"Type '{cls}' cannot be compiled since it inherits from nn.Module, pass "
            "an instance instead"
        )
    if issubclass(cls, enum.Enum):
        return cls
    if not hasattr(cls, "_fields"):
        named_type(cls, python_unit())
    return cls


def _script_function(function: Any) -> ScriptFunction:
    from ._compile.functions import compiled
    from ._compile.unit import python_unit

    if isinstance(function, types.MethodType):
        raise RuntimeError(
            f"torch.jit.script: got the method '{function.__name__}', expected a function: script "
            "the module, and mark the method with @torch.jit.export"
        )
    unit = python_unit()
    made = compiled(unit.function(function))
    functools.update_wrapper(made, function, ("__name__", "__doc__", "__module__"), ())
    made._torchdynamo_inline = function
    return made


# -- the older way ---------------------------------------------------------------------------


def script_method(fn: Callable) -> Callable:
    """Mark a method of a ScriptModule subclass: compiled when an object is made."""
    if _enabled:
        fn._torchscript_modifier = "export (compile this function even if nothing calls it)"  # type: ignore[attr-defined]
        fn._script_method = True  # type: ignore[attr-defined]
    return fn


# -- source text -----------------------------------------------------------------------------


class CompilationUnit:
    """Functions and classes compiled from source text: `CompilationUnit(text).name(...)`."""

    def __init__(self, lang: str | None = None, _frames_up: int = 0) -> None:
        from ._compile.unit import Unit

        self._unit = Unit()
        if lang is not None:
            self.define(lang)

    def define(self, lang: str, rcb: Callable | None = None, _frames_up: int = 0) -> None:
        """Compile the definitions of a text."""
        from ._compile.text import define_text

        define_text(self._unit, lang, rcb)

    def __getattr__(self, name: str) -> ScriptFunction:
        if name.startswith("__") or name == "_unit":
            raise AttributeError(name)
        found = self.find_function(name)
        if found is None:
            raise AttributeError(f"'CompilationUnit' has no attribute '{name}'")
        return found

    def find_function(self, name: str) -> ScriptFunction | None:
        """The function of a name, or None."""
        return self._unit.functions.get(name)

    def get_functions(self) -> list[ScriptFunction]:
        """All functions."""
        return list(self._unit.functions.values())

    def get_class(self, name: str) -> Any:
        """The class of a qualified name, or None."""
        return self._unit.types.get(name)

    get_interface = get_class

    def create_function(self, name: str, graph: Any, shouldMangle: bool = False) -> ScriptFunction:  # noqa: N803
        """Add a function that computes a graph."""
        functions = self._unit.functions
        if shouldMangle:
            name = self._unit.free_name(name, functions)
        if name in functions:
            raise RuntimeError(f"create_function: method '{name}' already defined.")
        functions[name] = ScriptFunction(name, graph.copy())
        return functions[name]

    def drop_all_functions(self) -> None:
        """Forget all functions."""
        self._unit.functions.clear()

    def set_optimized(self, o: bool) -> None:
        """Accepted; graphs run in one way."""
