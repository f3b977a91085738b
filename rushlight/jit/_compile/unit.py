"""What has been compiled: functions by their Python functions, types by their classes."""

from __future__ import annotations

import ast
from functools import cache
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from .. import _types as T
from .._function import ScriptFunction
from .annotated import type_comment
from .functions import define
from .source import parse_definition


class Unit:
    """A compilation unit: names of functions and types, and what they stand for."""

    def __init__(self) -> None:
        self.functions: dict[str, ScriptFunction] = {}
        self.types: dict[str, T.Type] = {}
        self.of_python: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self.of_class: WeakKeyDictionary[type, T.Type] = WeakKeyDictionary()

    def free_name(self, name: str, taken=None) -> str:
        """A name that nothing has yet: the name, or with a mark before its last part."""
        taken = self.types if taken is None else taken
        if name not in taken:
            return name
        head, _, last = name.rpartition(".")
        number = 0
        while f"{head}.___torch_mangle_{number}.{last}" in taken:
            number += 1
        return f"{head}.___torch_mangle_{number}.{last}"

    def function_value(self, function: FunctionType, at=None):
        """A Python function as a program calls it: compiled, or left to Python if it is marked."""
        from . import library
        from .overloads import Overloaded, Widened, overloads_of
        from .python_values import Function, PythonCall

        modifier = getattr(function, "_torchscript_modifier", "") or ""
        if modifier.startswith(("ignore", "unused", "_drop")):
            from .signatures import signature_of

            schema = signature_of(self, function, at)
            return PythonCall(function, schema, not modifier.startswith("ignore"))
        stand_in = library.stand_in(function)
        if stand_in is not None:
            wide = getattr(stand_in, "_one_for_list", ())
            made = self.function(stand_in, at)
            return Widened(made, wide) if wide else Function(made)
        overloads = overloads_of(function)
        if overloads:
            return Overloaded([Function(self.function(o, at, function)) for o in overloads])
        return Function(self.function(function, at))

    def function(self, function: FunctionType, at=None, body=None) -> ScriptFunction:
        """A Python function, compiled when first wanted; `body` is what an overload runs."""
        from . import library
        from .resolver import Scope

        function = library.stand_in(function) or function
        known = self.of_python.get(function)
        if known is not None:
            return known
        parsed = parse_definition(body or function)
        if body is not None:
            parsed = with_signature(parsed, parse_definition(function))
        name = self.free_name(qualified_name(function), self.functions)
        defaults = defaults_of(function)
        made = define(
            self, name, parsed, Scope(self, function), defaults=defaults,
            annotations=function.__annotations__,
        )  # fmt: skip
        made._original = function
        self.of_python[function] = made
        self.functions[name] = made
        return made


def with_signature(parsed, declared):
    """The body of one definition under the signature of another."""
    node = ast.FunctionDef(**dict(ast.iter_fields(parsed.node)))
    ast.copy_location(node, parsed.node)
    node.args, node.returns = declared.node.args, declared.node.returns
    first = declared.node.body[0].lineno
    comment = type_comment(declared.source.lines[declared.node.lineno - 1 : first])
    if comment is not None:
        texts, result = comment
        given = [a for a in node.args.args if a.arg != "self"]
        for arg, text in zip(given, texts, strict=False):
            arg.annotation = ast.parse(text, mode="eval").body
        node.returns = ast.parse(result, mode="eval").body if result else None
    return type(parsed)(node, parsed.source)


def defaults_of(function: FunctionType) -> dict[str, Any]:
    """The defaults of a Python function's parameters."""
    code, given = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    found = dict(zip(names[len(names) - len(given) :], given, strict=True))
    return {**found, **(function.__kwdefaults__ or {})}


_LIBRARY = "rushlight.jit._compile.library."
_HOMES = {
    "layers": "torch.nn.modules", "recurrent": "torch.nn.modules.rnn",
    "transformer": "torch.nn.modules.transformer", "unique": "torch.functional",
    "vision_images": "torchvision.transforms", "vision_ops": "torchvision.ops",
}  # fmt: skip


def qualified_name(made) -> str:
    """The name under which programs know a Python function or class."""
    known = getattr(made, "_jit_override_qualname", None)
    if known:
        return f"__torch__.{known}" if not known.startswith("__torch__") else known
    module = getattr(made, "__module__", None)
    if module is None:
        raise RuntimeError(
            f"Could not get qualified name for class '{made.__name__}': __module__ can't be None."
        )
    name = made.__name__
    if name == "<lambda>":
        name = "_lambda"
    if module.startswith(_LIBRARY):
        module = _HOMES.get(module.removeprefix(_LIBRARY), "torch.nn.functional")
    elif module == "rushlight" or module.startswith("rushlight."):
        module = "torch" + module[len("rushlight") :]
        if module.startswith("torch.vision"):
            module = "torchvision" + module[len("torch.vision") :]
    prefix = "" if module == "__main__" else module + "."
    if "." in name:
        raise RuntimeError(
            f"Could not get qualified name for class '{name}': '{name}' is not a valid identifier"
        )
    return f"__torch__.{prefix}{name}"


@cache
def python_unit() -> Unit:
    """The unit of all that Python programs compile."""
    return Unit()
