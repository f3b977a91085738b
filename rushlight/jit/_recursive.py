"""From modules to compiled modules: the types of their attributes, which methods to compile."""

from __future__ import annotations

import inspect
import types
from typing import Any
from weakref import WeakKeyDictionary

from .._module_names import in_rushlight
from ..nn import Module, ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from . import _types as T
from ._attribute import Attribute
from ._attribute_types import _is_final, type_of_object, valid_constant
from ._compile import annotated
from ._compile.functions import compiled
from ._compile.modules import Concrete, ModuleValue
from ._compile.unit import python_unit, qualified_name
from ._function import ScriptFunction

_OWN = set(vars(Module())) | {"_unhooked", "_version", "dump_patches"}
_OWN -= {"training"}
_concretes: WeakKeyDictionary[type, list[Concrete]] = WeakKeyDictionary()


def script_module(module: Module, memo: dict | None = None) -> Any:
    """A compiled module of a module, with the same parameters and buffers."""
    memo = {} if memo is None else memo
    check_initialised(module)
    concrete = concrete_of(module, {})
    return _instance(module, concrete, memo)


def check_initialised(module: Module) -> None:
    """RuntimeError where a class has not called super().__init__(), or a parameter is lazy."""
    if "_parameters" not in vars(module):
        name = type(module).__qualname__
        raise RuntimeError(
            f"'{type(module).__module__}.{name}' has not been initialized, did you forget to call "
            "'super()'?"
        )
    from ..nn.parameter import UninitializedTensorMixin

    for name, held in [*module._parameters.items(), *module._buffers.items()]:
        if isinstance(held, UninitializedTensorMixin):
            raise RuntimeError(
                f"'{type(module).__name__}' has uninitialized parameters {name}. Did you forget "
                "to run a forward pass?"
            )


# -- types -----------------------------------------------------------------------------------


def concrete_of(module: Module, memo: dict) -> Concrete:
    """The concrete of a module: one that is known and alike, or a new one."""
    from ._script import ScriptModule

    if isinstance(module, ScriptModule) and "_jit_type" in vars(module):
        return _of_compiled(module)
    if id(module) in memo:
        return memo[id(module)]
    made = _infer(module, memo)
    for known in _concretes.setdefault(type(module), []):
        if _alike(known, made):
            memo[id(module)] = known
            return known
    unit = python_unit()
    name = unit.free_name(qualified_name(type(module)))
    made.type.name_ = name
    unit.types[name] = made.type
    _concretes[type(module)].append(made)
    memo[id(module)] = made
    _compile_all(made)
    return made


def _of_compiled(module) -> Concrete:
    """A compiled module within a new one keeps its type."""
    t = module._jit_type
    known = getattr(t.unit, "concretes", {}).get(t) if t.unit is not None else None
    if known is not None:
        return known
    made = Concrete(t, type(module), python_unit())
    for name, child in module._modules.items():
        if child is not None:
            made.children[name] = concrete_of(child, {})
    return made


def _alike(one: Concrete, other: Concrete) -> bool:
    a, b = one.type, other.type
    return (
        list(a.attributes.items()) == list(b.attributes.items())
        and a.parameters == b.parameters
        and a.buffers == b.buffers
        and _same(a.constants, b.constants)
        and one.kind == other.kind
        and list(one.children) == list(other.children)
        and one.functions == other.functions
        and one.failed == other.failed
        and one.hooks == other.hooks
        and one.pre_hooks == other.pre_hooks
    )


def _same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        type(v) is type(other[k]) and repr(v) == repr(other[k]) for k, v in one.items()
    )


def _infer(module: Module, memo: dict) -> Concrete:
    cls = type(module)
    t = T.ClassType(qualified_name(cls), True, python_unit())
    t.python_class = cls
    made = Concrete(t, cls, python_unit())
    made.kind = _kind(module)
    hints = _hints(cls)
    ignored = set(getattr(cls, "__jit_ignored_attributes__", ()))
    reader = _Reader(made, hints, memo)
    for name, held in module._parameters.items():
        reader.tensor(name, held, is_parameter=True)
    for name, held in module._buffers.items():
        reader.tensor(name, held, is_buffer=True)
    for name, child in module._modules.items():
        reader.child(name, child)
    reader.constants(module, cls)
    for name, value in vars(module).items():
        if name in _OWN or name in ignored or name.startswith("__") or name in t.attributes:
            continue
        if name not in t.constants and not name.endswith("_hooks"):
            reader.attribute(name, value)
    # Looked up in the dictionary: asking a module for its hooks makes room for some, and slows it.
    made.hooks = list(vars(module).get("_forward_hooks", {}).values())
    made.pre_hooks = list(vars(module).get("_forward_pre_hooks", {}).values())
    return made


def _kind(module: Module) -> str:
    if isinstance(module, ModuleList | Sequential):
        return "list"
    if isinstance(module, ModuleDict):
        return "dict"
    return "parameters" if isinstance(module, ParameterList | ParameterDict) else "module"


def _hints(cls: type) -> dict[str, Any]:
    """The annotations of a class, or of the nearest base that has some: (annotation, class)."""
    from ._compile import library

    for base in cls.__mro__:
        if base is Module:
            break
        found = {**vars(base).get("__annotations__", {}), **library.annotations_of(base)}
        if found:
            return {name: (hint, base) for name, hint in found.items()}
    return {}


class _Reader:
    """Goes through what a module holds, and notes it in its concrete."""

    def __init__(self, concrete: Concrete, hints: dict, memo: dict) -> None:
        self.concrete = concrete
        self.type = concrete.type
        self.hints = hints
        self.memo = memo

    def declared(self, name: str) -> T.Type | None:
        """The type that an annotation of the class gives an attribute."""
        if name not in self.hints:
            return None
        hint, base = self.hints[name]
        if isinstance(hint, T.Type):
            return hint
        if hint is None or _is_final(hint):
            return None
        if isinstance(hint, str):
            import ast
            import sys

            space = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
            tree = ast.parse(hint, mode="eval").body
            return annotated.from_tree(tree, space.get, python_unit())
        return annotated.from_object(hint, python_unit())

    def tensor(self, name: str, held, is_parameter=False, is_buffer=False) -> None:
        """A parameter or a buffer."""
        declared = self.declared(name)
        if declared is None:
            declared = T.NoneType.get() if held is None else T.TensorType.get()
        if held is None and isinstance(declared, T.TensorType):
            declared = T.NoneType.get()
        self.type.addAttribute(name, declared, is_parameter, is_buffer)

    def child(self, name: str, child: Module | None) -> None:
        """A submodule."""
        if child is None:
            self.type.addAttribute(name, self.declared(name) or T.NoneType.get())
            return
        declared = self.declared(name)
        concrete = concrete_of(child, self.memo)
        if isinstance(declared, T.InterfaceType):
            reason = concrete.type.lacks(declared)
            if reason:
                raise RuntimeError(f"attribute '{name}': {reason}")
            self.type.addAttribute(name, declared)
            return
        self.type.addAttribute(name, concrete.type)
        self.concrete.children[name] = concrete

    def constants(self, module: Module, cls: type) -> None:
        """What __constants__ and Final name."""
        names = list(getattr(module, "__constants__", ()))
        names += [n for n, (hint, _) in self.hints.items() if _is_final(hint) and n not in names]
        for name in names:
            if name in self.type.attributes or not hasattr(module, name):
                continue
            value = getattr(module, name)
            self.type.constants[name] = valid_constant(name, value, cls.__name__)

    def attribute(self, name: str, value) -> None:
        """Anything else that the module holds."""
        if isinstance(value, Attribute):
            found = annotated.from_object(value.type, python_unit())
            self.type.addAttribute(name, found or T.TensorType.get())
            return
        if isinstance(value, types.FunctionType | ScriptFunction):
            self.concrete.functions[name] = value
            return
        from ._compile.python_values import builtin_of

        if callable(value) and not isinstance(value, Module | type):
            if builtin_of(value) is not None or isinstance(value, types.BuiltinFunctionType):
                self.concrete.functions[name] = value
                return
        found = self.declared(name)
        if found is None:
            found = self.inferred(name, value)
        if found is not None:
            self.type.addAttribute(name, found)

    def inferred(self, name: str, value) -> T.Type | None:
        """The type of a value, or None and a note why it has none."""
        known = type_of_object(value)
        if known.success():
            return known.type().unshaped()
        reason = known.reason() or "Cannot infer type"
        kind = type(value)
        said = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        self.concrete.failed[name] = (
            f"(This attribute exists on the Python module, but we failed to convert Python type: "
            f"'{said}' to a TorchScript type. {reason}. Its type was inferred; try adding a type "
            "annotation for the attribute.)"
        )
        return None


# -- methods ---------------------------------------------------------------------------------


def _compile_all(concrete: Concrete) -> None:
    """Compile what a module offers: forward, exported methods, properties."""
    from ._compile.hooks import add_hooks
    from ._compile.overloads import overloads_of

    for name in methods_of(concrete.cls):
        found = getattr(concrete.cls, name)
        if name not in concrete.type.methods and not overloads_of(found):
            concrete.compile(name, found)
    _properties(concrete)
    add_hooks(concrete)
    for function in list(concrete.type.methods.values()):
        compiled(function)


def methods_of(cls: type) -> list[str]:
    """The methods that `script` compiles even if nothing calls them."""
    names = []
    forward = getattr(cls, "forward", None)
    modifier = getattr(forward, "_torchscript_modifier", "") or ""
    if (
        forward is not None
        and not _is_unimplemented(forward)
        and not modifier.startswith(("ignore", "unused"))
    ):
        names.append("forward")
    for name in dir(cls):
        found = inspect.getattr_static(cls, name)
        mark = getattr(found, "_torchscript_modifier", "") or ""
        if mark.startswith("export") and name not in names:
            names.append(name)
    return names


def _is_unimplemented(forward) -> bool:
    return getattr(forward, "__name__", "") == "_forward_unimplemented" or (
        forward is getattr(Module, "forward", None)
    ) or forward is getattr(ModuleList, "forward", object()) or forward is getattr(
        ModuleDict, "forward", object()
    )  # fmt: skip


def _properties(concrete: Concrete) -> None:
    from ._script import ScriptModule

    left_out = set(getattr(concrete.cls, "__jit_unused_properties__", ()))
    for name in dir(concrete.cls):
        found = inspect.getattr_static(concrete.cls, name)
        if not isinstance(found, property) or name in left_out or hasattr(Module, name):
            continue
        owner = next(c for c in concrete.cls.__mro__ if name in vars(c))
        home = in_rushlight(owner.__module__)
        if home.startswith("rushlight.") or issubclass(ScriptModule, owner):
            continue
        if (getattr(found.fget, "_torchscript_modifier", "") or "").startswith(("ign", "unu")):
            continue
        getter = concrete.compile(f"__{name}_getter", found.fget)
        setter = None
        if found.fset is not None:
            setter = concrete.compile(f"__{name}_setter", found.fset)
        concrete.type.properties[name] = (getter, setter)


# -- ScriptModule, the older way -------------------------------------------------------------


def compile_in_place(module: Any) -> None:
    """Compile a ScriptModule whose class has script_methods, once it is made."""
    from ._compile.text import define_methods
    from ._function import ScriptMethod

    sources = vars(module).pop("_sources", ())
    concrete = concrete_of(module, {})
    for text in sources:
        define_methods(concrete.type, text, lambda ir: ModuleValue(ir, concrete))
    memo: dict = {}
    for name, child in module._modules.items():
        if child is not None:
            module._modules[name] = _instance(child, concrete.children[name], memo)
    attributes = vars(module)
    attributes.update(concrete.type.constants)
    for name, function in concrete.type.methods.items():
        attributes[name] = ScriptMethod(module, function)
    attributes["_jit_type"] = concrete.type


# -- instances -------------------------------------------------------------------------------


def _instance(module: Module, concrete: Concrete, memo: dict):
    from ._script import RecursiveScriptModule, ScriptModule

    if isinstance(module, ScriptModule) and "_jit_type" in vars(module):
        return module
    if id(module) in memo:
        return memo[id(module)]
    t = concrete.type
    state: dict[str, Any] = {}
    for name in t.attributes:
        value = getattr(module, name)
        if isinstance(value, Attribute):
            value = value.value
        if isinstance(value, Module):
            child = concrete.children.get(name) or concrete_of(value, {})
            value = _instance(value, child, memo)
        state[name] = value
    made = RecursiveScriptModule._construct(t, state)
    memo[id(module)] = made
    _keep_python(module, made, concrete)
    return made


def _keep_python(module: Module, made, concrete: Concrete) -> None:
    """What is not compiled stays reachable from Python."""
    attributes = vars(made)
    attributes["_non_persistent_buffers_set"] = set(module._non_persistent_buffers_set)
    for name, value in vars(module).items():
        if name not in _OWN and name not in attributes and name not in concrete.type.attributes:
            attributes[name] = value
    for name in dir(concrete.cls):
        found = inspect.getattr_static(concrete.cls, name)
        mark = getattr(found, "_torchscript_modifier", "") or ""
        if mark.startswith("ignore") and isinstance(found, types.FunctionType):
            attributes[name] = types.MethodType(found, made)
