"""Python objects as a program sees them: modules, functions, classes, constants."""

from __future__ import annotations

import enum
import sys
import types

from ... import _C
from .. import _types as T
from .._function import FunctionType, ScriptFunction
from . import annotated
from .calling import fail
from .calls import plain_values
from .special import Special
from .values import Arg, Parts, Simple, Sugared


class Builtin(Sugared):
    """An operator, perhaps with the object it is a method of."""

    said = "builtin"

    def __init__(self, name: str, me=None) -> None:
        self.name = name
        self.me = me

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .match import call_builtin

        values, named = plain_values(b, args, kwargs)
        if self.name == "aten::format":
            inputs = values if self.me is None else [self.me, *values]
            return Simple(b.emit1("aten::format", inputs, T.StringType.get(), at))
        return Simple(call_builtin(b, self.name, at, values, named, self.me))


class Function(Sugared):
    """A compiled function."""

    said = "function"

    def __init__(self, function: ScriptFunction) -> None:
        self.function = function

    def value(self, b, at):
        node = b.node("prim::Constant", [], None, 1)
        node.s_("name", self.function.name)
        return node.output().setType(FunctionType(self.function))

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .functions import compiled

        schema = compiled(self.function, at).schema
        values, named = plain_values(b, args, kwargs)
        leading = [self.value(b, at)]
        return Simple(b.call(schema, "prim::CallFunction", at, values, named, leading))


class Method(Sugared):
    """A compiled method of a value."""

    said = "method"

    def __init__(self, me, function, name: str) -> None:
        self.me = me
        self.function = function
        self.name = name

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .functions import compiled

        function = self.function
        if isinstance(function, ScriptFunction):  # else an interface's, which has only a schema
            compiled(function, at)
        schema = function.schema
        values, named = plain_values(b, args, kwargs)
        attributes = {"name": self.name}
        # The object is the first argument of the schema.
        found = b.call(schema, "prim::CallMethod", at, [self.me, *values], named, (), attributes)
        return Simple(found)


class PythonCall(Sugared):
    """A function that stays Python: @torch.jit.ignore."""

    said = "python function"

    def __init__(self, function, signature, drop: bool, me=None) -> None:
        self.me = me
        self.function = function
        self.signature = signature
        self.drop = drop

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        schema = self.signature
        values, named = plain_values(b, args, kwargs)
        if self.drop:
            b.node("prim::RaiseException", [b.constant(_DROPPED, at), b.none(at)], at)
            return Simple(b.uninitialized(schema.returns[0].type))
        leading = [] if self.me is None else [self.me]
        found = b.call(schema, "prim::PythonOp", at, values, named, leading)
        made = b.last
        made.callable_ = self.function
        return Simple(found)


_DROPPED = "This Python function is annotated to be ignored and cannot be run"


class OperatorSpaces(Sugared):
    """torch.ops: spaces of operators."""

    said = "module"
    fixed = True

    def attr(self, b, at, name: str) -> Sugared:
        from .operators import Operators

        return Operators(name)


class PythonModule(Sugared):
    """A Python module: its attributes are looked up while compiling."""

    said = "module"
    fixed = True

    def __init__(self, module) -> None:
        self.module = module

    def attr(self, b, at, name: str) -> Sugared:
        try:
            found = getattr(self.module, name)
        except AttributeError:
            builtin = builtin_named(self.module.__name__, name)
            if builtin is None:
                fail(at, f"module has no attribute '{name}': {self.module.__name__}")
            return builtin  # type: ignore[return-value]
        if self.module.__name__ == "rushlight" and name == "ops":
            return OperatorSpaces()
        if callable(found) and not isinstance(found, type):
            known = builtin_named(self.module.__name__, name)
            if known is not None:
                return known
        return python_value(b, found, at, constant=True, said=name)


class ExceptionClass(Sugared):
    """An exception class."""

    said = "exception"

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        if not args:
            message = b.constant("", at)
        else:
            message = args[0].given.value(b, args[0].at)
            if not isinstance(message.type(), T.StringType):
                message = b.builtin("aten::str", at, [message])
        return ExceptionMade(self.cls, message)


class ExceptionMade(Sugared):
    """An exception with its message, about to be raised."""

    said = "exception"

    def __init__(self, cls: type, message) -> None:
        self.message = message
        module = "builtins" if cls.__module__ == "builtins" else cls.__module__
        self.qualified_name = f"{module}.{cls.__qualname__}"


class EnumClass(Sugared):
    """An enumeration: its members are constants."""

    said = "enum class"
    fixed = True

    def __init__(self, cls: type[enum.Enum], t: T.EnumType) -> None:
        self.cls = cls
        self.type = t

    def attr(self, b, at, name: str) -> Sugared:
        try:
            return Simple(self.member(b, self.cls[name]))
        except KeyError:
            fail(at, f"{self.cls.__name__}' has no attribute '{name}'")
            raise AssertionError from None

    def member(self, b, member):
        """A member as a constant of the graph."""
        made = b.graph.insertConstant(member)
        return made.setType(self.type)

    def iterated(self, b, at) -> Sugared:
        return Simple(b.list([self.member(b, m) for m in self.cls], self.type, at)).iterated(b, at)

    def item(self, b, at, index, hint=None) -> Sugared:
        return self.attr(b, at, index.toIValue())


class NamedTupleClass(Sugared):
    """A NamedTuple: calling it makes one."""

    said = "named tuple constructor"

    def __init__(self, t: T.TupleType) -> None:
        self.type = t

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .._function_schema import Argument, FunctionSchema

        arguments = [
            Argument(f, e, default_value=self.type.defaults[f]) if f in self.type.defaults
            else Argument(f, e)
            for f, e in zip(self.type.fields, self.type.elements(), strict=True)
        ]  # fmt: skip
        schema = FunctionSchema(str(self.type.name), "", arguments, [Argument("", self.type)])
        values, named = plain_values(b, args, kwargs)
        return Simple(b.call(schema, "prim::TupleConstruct", at, values, named))


# -- builtins --------------------------------------------------------------------------------

_SPACES = {
    "rushlight.nn.functional": "", "rushlight": "", "rushlight._VF": "",
    "rushlight.functional": "", "rushlight._C._nn": "",
    "rushlight.linalg": "linalg_", "rushlight.fft": "fft_",
    "rushlight.special": "special_", "rushlight.sparse": "_sparse_",
    "math": "", "cmath": "", "torch": "",
}  # fmt: skip
_RENAMED = {
    ("math", "remainder"): "aten::mathremainder",
    ("rushlight", "_shape_as_tensor"): "aten::_shape_as_tensor",
    ("rushlight", "device"): "aten::device", ("rushlight", "no_grad"): "",
    ("rushlight", "is_grad_enabled"): "aten::is_grad_enabled",
    ("rushlight.nn.functional", "logsigmoid"): "aten::log_sigmoid",
}  # fmt: skip


def builtin_named(module: str, name: str) -> Sugared | None:
    """The operator, or the compiled function of ours, that `module.name` is in a program."""
    from .. import _registry
    from . import library

    if module not in _SPACES:
        return None
    known = library.function(module, name)
    if known is not None:
        return known
    full = _RENAMED.get((module, name))
    if full is None:
        full = f"aten::{_SPACES[module]}{name}"
    # A call of what is no operator is refused by its name, whatever our function is made of.
    refused = module == "rushlight" and name in _registry.COMPOSED
    return Builtin(full) if full and (refused or _registry.schemas_of(full)) else None


def builtin_of(function) -> Sugared | None:
    """The operator, or the compiled function of ours, that a function object is."""
    given = getattr(function, "__name__", None)
    if not isinstance(given, str):
        return None
    for name in dict.fromkeys((given, given.lstrip("_"))):
        for module in _SPACES:
            space = sys.modules.get(module)
            if space is not None and getattr(space, name, None) is function:
                return builtin_named(module, name)
    return None


_GLOBALS: dict[str, str] = {
    "float": "aten::Float", "int": "aten::Int", "bool": "aten::Bool", "complex": "aten::Complex",
    "sorted": "aten::sorted", "abs": "prim::abs", "all": "aten::all", "any": "aten::any",
    "divmod": "aten::divmod", "sum": "aten::sum", "ord": "aten::ord", "chr": "aten::chr",
    "bin": "aten::bin", "pow": "aten::pow", "round": "aten::round", "hex": "aten::hex",
    "oct": "aten::oct", "hash": "aten::hash", "id": "prim::id",
}  # fmt: skip
_SPECIAL = (
    "print range zip enumerate len min max list tuple dict str isinstance hasattr getattr"
).split()


class Cast(Builtin):
    """int(x), float(x), bool(x): of an object the method that says so."""

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        if len(args) == 1 and not kwargs:
            value = args[0].given.value(b, args[0].at)
            kind = self.name[6:]
            if value.type().kind() == kind + "Type":
                return Simple(value)
            magic = f"__{kind.lower()}__"
            if isinstance(value.type(), T.ClassType):
                return Simple(value).attr(b, at, magic).call(b, at, [], [])
        return super().call(b, at, args, kwargs)


def builtin_name(name: str) -> Sugared | None:
    """What a name of Python's builtins is in a program."""
    if name in _SPECIAL:
        return Special(name)
    if name in ("float", "int", "bool", "complex"):
        return Cast(_GLOBALS[name])
    return Builtin(_GLOBALS[name]) if name in _GLOBALS else None


# -- any object ------------------------------------------------------------------------------


def python_value(b, found, at, constant: bool = False, said: str = "") -> Sugared:
    """What a Python object is in a program."""
    if constant:
        made = constant_value(b, found, at)
        if made is not None:
            return made
    if isinstance(found, Sugared):
        return found
    if isinstance(found, types.ModuleType):
        return PythonModule(found)
    if isinstance(found, ScriptFunction):
        return Function(found)
    special = _special_form(found)
    if special is not None:
        return special
    if isinstance(found, type):
        return _class_value(b, found, at)
    made = builtin_of(found) or _operator(found)
    if made is not None:
        return made
    if isinstance(found, types.FunctionType):
        return b.unit.function_value(found, at)
    if isinstance(found, types.BuiltinFunctionType) and found.__module__ in ("math", "cmath"):
        known = builtin_named(found.__module__, found.__name__)
        if known is not None:
            return known
    if isinstance(found, staticmethod):
        return python_value(b, found.__func__, at)
    wrapped = getattr(found, "__wrapped__", None)
    if isinstance(wrapped, types.FunctionType):
        return b.unit.function_value(wrapped, at)
    fail(at, _UNUSABLE.format(type(found).__name__))
    raise AssertionError


_UNUSABLE = (
    "python value of type '{}' cannot be used as a value. Perhaps it is a closed over global "
    "variable? If so, please consider passing it in as an argument or use a local variable instead."
)


def constant_value(b, found, at) -> Sugared | None:
    """A constant of the graph of a Python value; None if it can be none."""
    from ...tensor import layout, memory_format

    if found is None or isinstance(found, bool | int | float | complex | str):
        if not isinstance(found, enum.Enum):
            return Simple(b.constant(found, at))
    if isinstance(found, _C.dtype | layout | memory_format):
        from .._constants import as_number

        return Simple(b.constant(as_number(found), at))
    if type(found).__name__ == "device":
        return Simple(b.graph.insertConstant(found))
    if isinstance(found, tuple) and not hasattr(found, "_fields"):
        parts = [constant_value(b, f, at) or python_value(b, f, at) for f in found]
        return Parts(parts)
    if isinstance(found, enum.Enum):
        return _class_value(b, type(found), at).attr(b, at, found.name)
    return None


def _special_form(found) -> Sugared | None:
    import builtins

    name = getattr(found, "__name__", None)
    if name is None:
        return None
    if getattr(builtins, name, None) is found:
        if isinstance(found, type) and issubclass(found, BaseException):
            return ExceptionClass(found)
        return builtin_name(name)
    module = getattr(found, "__module__", "") or ""
    if module.startswith("rushlight.jit") or module in ("torch.jit", "torch._jit_internal"):
        if name in ("annotate", "isinstance", "fork", "is_scripting", "is_tracing"):
            return Special(name)
        if name == "_isinstance":
            return Special("isinstance")
        if name == "wait":
            return Builtin("aten::wait")
        if name == "_unwrap_optional":
            return Builtin("aten::_unwrap_optional")
    if name == "cast" and module == "typing":
        return Special("annotate")
    if name == "OrderedDict" and module == "collections":  # dicts of programs have an order
        return Special("dict")
    if name == "warn" and module in ("warnings", "_warnings"):
        return Builtin("aten::warn")
    return None


def _class_value(b, cls: type, at) -> Sugared:
    from .classes import ClassValue
    from .named import named_type

    if issubclass(cls, BaseException):
        return ExceptionClass(cls)
    if cls.__name__ == "device" and cls.__module__ in ("torch", "rushlight", "rushlight._device"):
        return Builtin("aten::device")
    if issubclass(cls, _C.Tensor):
        fail(at, "Tensor: a program makes tensors with torch.tensor, torch.zeros and the like")
    if cls in annotated._SIMPLE or cls.__module__ == "builtins":
        fail(at, _UNUSABLE.format("type"))
    from . import library

    known = library.class_named(cls)
    if known is not None:
        return ClassValue(known)
    t = named_type(cls, b.unit, at)
    if isinstance(t, T.EnumType):
        return EnumClass(cls, t)
    if isinstance(t, T.TupleType):
        return NamedTupleClass(t)
    return ClassValue(t)


def _operator(found) -> Sugared | None:
    """torch.ops.space.name, or one overload of it."""
    name = getattr(found, "_qualified_op_name", None) or getattr(found, "_name", None)
    if isinstance(name, str) and "::" in name:
        return Builtin(name.partition(".")[0])
    return None
