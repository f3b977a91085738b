"""The types of traced modules: one of its own for every module of the tree."""

from __future__ import annotations

from collections.abc import Callable

from ..nn import Module
from . import _types as T
from ._class_types import ClassType
from ._compile.unit import python_unit
from ._compile.unit import qualified_name as name_of_python


def qualified_name(item) -> str:
    """The name of a function or a class as graphs and archives have it."""
    return name_of_python(item if hasattr(item, "__name__") else type(item))


def module_type(mod: Module, path: str = "__module", types: dict | None = None) -> ClassType:
    """A type of its own for a module that is traced, and for each in it: `types` by path."""
    types = {} if types is None else types
    unit = python_unit()
    made = ClassType(unit.free_name(qualified_name(type(mod))), is_module=True)
    types[path] = unit.types[made.qualified_name()] = made
    for name, tensor in mod._parameters.items():
        if tensor is not None:
            made.addAttribute(name, T.TensorType.get(), is_parameter=True)
    for name, tensor in mod._buffers.items():
        if tensor is not None:
            made.addAttribute(name, T.TensorType.get(), is_buffer=True)
    made.addAttribute("training", T.BoolType.get())
    made.addAttribute("_is_full_backward_hook", T.OptionalType(T.BoolType.get()))
    for name, child in mod._modules.items():
        if child is not None:
            compiled = getattr(child, "_jit_type", None)
            inner = f"{path}.{name}"
            if compiled is not None:
                types[inner] = compiled
                _note_children(child, inner, types)
            else:
                compiled = module_type(child, inner, types)
            made.addAttribute(name, compiled)
    return made


def _note_children(mod: Module, path: str, types: dict) -> None:
    """The types within a module that is compiled already."""
    for name, child in mod._modules.items():
        if child is not None:
            types[f"{path}.{name}"] = child._jit_type
            _note_children(child, f"{path}.{name}", types)


def state_of(mod: Module, build: Callable[[Module, str], Module]) -> dict:
    """The values of the attributes that `module_type` gives; `build` makes the children."""
    state: dict = {k: t for k, t in mod._parameters.items() if t is not None}
    state.update((k, t) for k, t in mod._buffers.items() if t is not None)
    state["training"] = mod.training
    state["_is_full_backward_hook"] = mod._is_full_backward_hook
    for name, child in mod._modules.items():
        if child is not None:
            state[name] = child if hasattr(child, "_jit_type") else build(child, name)
    return state
