"""Compiled modules and objects: what `script`, `trace` and `load` give.

A compiled module is a Module whose class is a ClassType: parameters, buffers and children live
where those of any Module live, other attributes in its dictionary, and its methods are
`ScriptMethod`s over the graphs of its type. So `parameters()`, `to`, `state_dict` and training need
nothing of their own.
"""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from ..nn import Module, Parameter
from ._class_types import ClassType
from ._function import ScriptFunction, ScriptMethod
from ._script_objects import ModuleObject, is_module, refused

_OWN = "_parameters _buffers _modules _non_persistent_buffers_set _unhooked training".split()


def _compile_when_made(cls: type) -> None:
    """An object of a class with `@script_method`s is compiled once its __init__ is done."""
    begin = cls.__dict__["__init__"]

    @wraps(begin)
    def __init__(self, *args, **kwargs):  # noqa: N807 (it is one)
        begin(self, *args, **kwargs)
        if type(self) is cls and not self._is_compiled():
            from ._recursive import compile_in_place

            compile_in_place(self)

    cls.__init__ = __init__


class ScriptModule(Module):
    """The base of compiled modules; a subclass with `@script_method`s is compiled when made."""

    __module__ = "torch.jit"
    _jit_type: ClassType

    def __init_subclass__(cls, **options) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__ and cls.__module__ != __name__:
            _compile_when_made(cls)

    @classmethod
    def _construct(cls, of: ClassType, state: dict[str, Any]) -> ScriptModule:
        """A module of a type; `state` maps the names of its attributes to their values."""
        made = cls.__new__(cls)
        Module.__init__(made)
        attributes = made.__dict__
        attributes["_jit_type"] = of
        attributes.update(of.constants)
        for name, kind in of.attributes.items():
            made._place(name, kind, state[name])
        for name, function in of.methods.items():
            attributes[name] = ScriptMethod(made, function)
        return made

    def _place(self, name: str, kind, value) -> None:
        """Put the value of an attribute where it belongs."""
        of = self._jit_type
        attributes = self.__dict__
        if name in of.parameters:
            attributes["_parameters"][name] = value
        elif name in of.buffers:
            attributes["_buffers"][name] = value
        elif is_module(kind):
            attributes["_modules"][name] = value
        else:
            attributes[name] = value

    def _is_compiled(self) -> bool:
        return "_jit_type" in self.__dict__

    def __setattr__(self, name: str, value) -> None:
        if "_jit_type" not in self.__dict__:
            super().__setattr__(name, value)
            return
        of = self._jit_type
        known = of.attributes.get(name)
        if known is None:
            if isinstance(value, Parameter):
                raise RuntimeError(
                    "Can't add a new parameter after ScriptModule construction. Tried to add "
                    f"'{name}"
                )
            if name in of.constants:
                raise AttributeError(
                    f"Cannot mutate TorchScript constant value: '{name}'. Value: '{value}'"
                )
            if isinstance(value, Module):
                raise _not_compiled(name, value)
            self.__dict__[name] = value
            return
        if is_module(known):
            if not isinstance(value, ScriptModule):
                raise _not_compiled(name, value)
            self.__dict__["_modules"][name] = value
            return
        from ._values import Unfit, checked

        try:
            value = checked(value, known)
        except Unfit as error:
            raise RuntimeError(
                f"Could not cast attribute '{name}' to type {known.annotation_str}: {error}"
            ) from None
        self._place(name, known, value)

    def add_module(self, name: str, module: Module | None) -> None:
        """Modules are added before compiling."""
        if self._is_compiled():
            raise _not_compiled(name, module)
        super().add_module(name, module)

    def register_buffer(self, name: str, tensor, persistent: bool = True) -> None:
        """Buffers are added before compiling."""
        if self._is_compiled() and name not in self._jit_type.attributes:
            raise RuntimeError(
                f"Can't add a new parameter after ScriptModule construction. Tried to add '{name}"
            )
        super().register_buffer(name, tensor, persistent)

    def _get_methods(self) -> dict[str, ScriptFunction]:
        return self._jit_type.methods

    @property
    def _c(self) -> ModuleObject:
        """The module as the object that graphs run on."""
        return ModuleObject(self)

    @property
    def original_name(self) -> str:
        """The name of the class that was compiled."""
        return self._jit_type.name()

    def _forward_method(self) -> ScriptMethod:
        found = self._jit_type.methods.get("forward")
        if found is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute 'forward'")
        return ScriptMethod(self, found)

    @property
    def graph(self):
        """The graph of `forward`."""
        return self._forward_method().graph

    @property
    def inlined_graph(self):
        """The graph of `forward` with those of what it calls in it."""
        return self._forward_method().inlined_graph

    @property
    def code(self) -> str:
        """The source of `forward`."""
        return self._forward_method().code

    @property
    def code_with_constants(self):
        """The source of `forward`, and the tensors that it refers to."""
        return self._forward_method().code_with_constants

    def graph_for(self, *args, **kwargs):
        """The graph that runs for these arguments."""
        return self._forward_method().graph_for(*args, **kwargs)

    def get_debug_state(self):
        """What is known of how `forward` runs."""
        return self._forward_method().get_debug_state()

    def define(self, src: str) -> None:
        """Add the methods of a source text."""
        from ._compile.text import define_methods

        if not self._is_compiled():  # within __init__: with the rest, at its end
            self.__dict__.setdefault("_sources", []).append(src)
            return
        define_methods(self._jit_type, src)
        for name, function in self._jit_type.methods.items():
            if name not in self.__dict__:
                self.__dict__[name] = ScriptMethod(self, function)

    def save(self, f, _extra_files: dict | None = None, **kwargs) -> None:
        """Write an archive that PyTorch reads too."""
        from ._archive import save

        save(self, f, _extra_files)

    def save_to_buffer(self, _extra_files: dict | None = None, **kwargs) -> bytes:
        """The archive as bytes."""
        from ._archive import to_bytes

        return to_bytes(self, _extra_files)

    def _attribute_values(self) -> dict[str, Any]:
        """The values of the attributes that the type names, in its order."""
        return {name: value_of(self, name) for name in self._jit_type.attributes}

    def __copy__(self):
        if not self._is_compiled():
            return copy._reconstruct(self, None, *self.__reduce_ex__(4))  # type: ignore[attr-defined]
        return self._with_extras(type(self)._construct(
            self._jit_type, self._attribute_values()
        ))  # fmt: skip

    def __deepcopy__(self, memo):
        if not self._is_compiled():
            rv = self.__reduce_ex__(4)
            return copy._reconstruct(self, memo, *rv)  # type: ignore[attr-defined]
        state = {k: copy.deepcopy(v, memo) for k, v in self._attribute_values().items()}
        made = self._with_extras(RecursiveScriptModule._construct(self._jit_type, state))
        memo[id(self)] = made
        return made

    def _with_extras(self, made):
        """Hooks and what is not persistent go with a copy."""
        made.__dict__["_non_persistent_buffers_set"] = set(self._non_persistent_buffers_set)
        for name, value in self.__dict__.items():
            if name.endswith("_hooks") and value:
                made.__dict__[name] = value
                made.__dict__.pop("_unhooked", None)
        return made

    def __reduce_ex__(self, protocol):
        if self._is_compiled():
            raise refused(self._jit_type)
        return super().__reduce_ex__(protocol)

    def __dir__(self):
        return super().__dir__()

    def _replicate_for_data_parallel(self):
        return copy.copy(self)


def _not_compiled(name: str, value) -> RuntimeError:
    return RuntimeError(
        "Cannot re-assign modules in a ScriptModule with non-scripted module, tried to replace "
        f"existing module '{name}': {value}"
    )


def value_of(module: Module, name: str):
    """The value of an attribute of a compiled module."""
    of = module._jit_type
    attributes = module.__dict__
    if name in of.parameters:
        return attributes["_parameters"][name]
    if name in of.buffers:
        return attributes["_buffers"][name]
    if is_module(of.attributes[name]):
        return attributes["_modules"][name]
    return attributes[name]


class RecursiveScriptModule(ScriptModule):
    """A module that `script` or `load` made."""

    __module__ = "torch.jit"

    def __init__(self, *args, **kwargs) -> None:
        raise RuntimeError(
            "RecursiveScriptModule instances are made by torch.jit.script, torch.jit.trace and "
            "torch.jit.load"
        )

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"


def _passed_on(name: str):
    """A method that Python calls by itself: the compiled one, or that of the class it was."""

    def method(self, *args):
        compiled = self._jit_type.methods.get(name)
        if compiled is not None:
            return ScriptMethod(self, compiled)(*args)
        original = self._jit_type.python_class
        if not hasattr(original, name):
            raise NotImplementedError(f"{self.original_name} has no method {name}")
        same = original.__new__(original)  # the container that it was, with what it holds now
        same.__dict__.update(self.__dict__)
        return getattr(same, name)(*args)

    method.__name__ = name
    return method


for _name in ("__len__", "__getitem__", "__iter__", "__contains__"):
    setattr(RecursiveScriptModule, _name, _passed_on(_name))
RecursiveScriptModule.__bool__ = lambda self: True  # type: ignore[attr-defined]
del _name


class TracedModule(ScriptModule):
    """A module within a traced one."""

    __module__ = "torch.jit"
    extra_repr = RecursiveScriptModule.extra_repr

    def _get_name(self) -> str:
        return self.original_name

    def forward(self, *args, **kwargs):
        raise RuntimeError("Trace submodules cannot be called.")


class TopLevelTracedModule(TracedModule):
    """What `trace` gives for a module."""

    __module__ = "torch.jit"
