"""Instances of compiled classes, and compiled modules as graphs see them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ._class_types import ClassType
from ._function import ScriptMethod

if TYPE_CHECKING:
    from ._script import ScriptModule


def is_module(of) -> bool:
    """Whether a type is that of a module (or of a module's interface)."""
    return getattr(of, "is_module", False)


class ScriptObject:
    """An instance of a compiled class that is no module."""

    __module__ = "torch"

    def __init__(self, of: ClassType) -> None:
        self.__dict__["_jit_type"] = of

    def _type(self) -> ClassType:
        return self.__dict__["_jit_type"]

    def __getattr__(self, name: str):
        of = self.__dict__["_jit_type"]
        found = of.methods.get(name)
        if found is not None:
            return ScriptMethod(self, found)
        if name in of.static_methods:
            return of.static_methods[name]
        if name in of.properties:
            getter = of.properties[name]
            return ScriptMethod(self, getter[0] if isinstance(getter, tuple) else getter)()
        if name in of.constants:
            return of.constants[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute or method '{name}'")

    def getattr(self, name: str):
        """The value of an attribute."""
        return getattr(self, name)

    def setattr(self, name: str, value) -> None:
        """Set the value of an attribute."""
        setattr(self, name, value)

    def hasattr(self, name: str) -> bool:
        """Whether the class has this attribute."""
        return name in self._type().attributes

    @property
    def qualified_name(self) -> str:
        """The name of the class."""
        return self._type().qualified_name()

    def _method_names(self) -> list[str]:
        return list(self._type().methods)

    def _has_method(self, name: str) -> bool:
        return name in self._type().methods

    def _get_method(self, name: str) -> ScriptMethod:
        return ScriptMethod(self, self._type().methods[name])

    def __eq__(self, other) -> bool:
        if "__eq__" in self._type().methods:
            return ScriptMethod(self, self._type().methods["__eq__"])(other)
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<torch.ScriptObject object at {id(self):#x}>"

    def __str__(self) -> str:
        if "__str__" in self._type().methods:
            return ScriptMethod(self, self._type().methods["__str__"])()
        return f"ScriptObject <{self.qualified_name}>"

    def __copy__(self):
        return _copied(self, dict(_state(self)))

    def __deepcopy__(self, memo):
        return _copied(self, copy.deepcopy(_state(self), memo))

    def __reduce__(self):
        raise refused(self._type())


def _state(instance) -> dict:
    return {k: v for k, v in instance.__dict__.items() if k != "_jit_type"}


def _copied(instance: ScriptObject, state: dict) -> ScriptObject:
    made = ScriptObject(instance._type())
    made.__dict__.update(state)
    return made


def refused(of: ClassType) -> RuntimeError:
    """Compiled objects are saved, not pickled."""
    return RuntimeError(
        f"Tried to serialize object {of.qualified_name()} which does not have a __getstate__ "
        "method defined!"
    )


for _name in (
    "add sub mul truediv floordiv mod pow matmul and or xor lt le gt ge ne neg len contains "
    "getitem setitem delitem call int float bool"
).split():

    def _forward(self, *args, _method=f"__{_name}__"):
        found = self._type().methods.get(_method)
        if found is None:
            raise NotImplementedError(f"{self.qualified_name} has no method {_method}")
        return ScriptMethod(self, found)(*args)

    if _name not in ("bool", "len"):
        setattr(ScriptObject, f"__{_name}__", _forward)
del _name, _forward


class ModuleObject(ScriptObject):
    """`module._c`: a compiled module as the object that graphs run on."""

    __slots__ = ()

    def __init__(self, module: ScriptModule) -> None:
        self.__dict__["_jit_type"] = module._jit_type
        self.__dict__["_module"] = module

    def __getattr__(self, name: str):
        from ._script import ScriptModule

        found = getattr(self.__dict__["_module"], name)
        return found._c if isinstance(found, ScriptModule) else found

    def getattr(self, name: str):
        """The value of an attribute; of a child, its own object."""
        return getattr(self, name)

    def setattr(self, name: str, value) -> None:
        """Set the value of an attribute."""
        setattr(self._module, name, value._module if isinstance(value, ModuleObject) else value)

    def _get_method(self, name: str) -> ScriptMethod:
        return ScriptMethod(self._module, self._type().methods[name])

    def _get_forward_hooks(self) -> list:
        return list(self._type().forward_hooks)

    def _get_forward_pre_hooks(self) -> list:
        return list(self._type().forward_pre_hooks)

    def _properties(self) -> dict:
        return dict(self._type().properties)

    def dump_to_str(self, code: bool = True, attrs: bool = True, params: bool = True) -> str:
        """What the module holds, as text."""
        from ._dump import dumped

        return dumped(self._module, code, attrs, params)

    def dump(self, code: bool = True, attrs: bool = True, params: bool = True) -> None:
        """Print what the module holds."""
        print(self.dump_to_str(code, attrs, params))

    def save(self, filename: str, _extra_files: dict | None = None) -> None:
        """Write an archive that PyTorch reads too."""
        self._module.save(filename, _extra_files=_extra_files)

    def save_to_buffer(self, _extra_files: dict | None = None) -> bytes:
        """The archive as bytes."""
        return self._module.save_to_buffer(_extra_files=_extra_files)

    def __copy__(self):
        return ModuleObject(copy.copy(self._module))

    def __deepcopy__(self, memo):
        return ModuleObject(copy.deepcopy(self._module, memo))

    def __eq__(self, other) -> bool:
        return isinstance(other, ModuleObject) and self._module is other._module

    def __hash__(self) -> int:
        return id(self._module)


ModuleObject.__name__ = ModuleObject.__qualname__ = "ScriptModule"
