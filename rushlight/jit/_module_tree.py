"""The modules within a compiled module, each known by the way to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _types as T
from ._script import ScriptModule, value_of
from ._script_objects import is_module

Path = tuple[str, ...]


class ModuleTree:
    """A module and those within it. One that has several names goes by the first."""

    def __init__(self, root: ScriptModule):
        self._modules: dict[Path, ScriptModule] = {}
        self._first: dict[int, Path] = {}
        self._add(root, ())

    def _add(self, module: ScriptModule, path: Path) -> None:
        self._modules[path] = module
        if id(module) in self._first:
            return
        self._first[id(module)] = path
        for name in module._jit_type.attributes:
            child = module._modules.get(name)
            if isinstance(child, ScriptModule):
                self._add(child, (*path, name))

    def first(self, path: Path) -> Path:
        """The first way to the module at a way whose last step may be another of its names."""
        return self._first[id(self._modules[path])]

    def find(self, names: Sequence[str]) -> Path | None:
        """The first way to the module of any way; None where there is none."""
        path: Path = ()
        for name in names:
            if (*path, name) not in self._modules:
                return None
            path = self.first((*path, name))
        return path

    def module(self, path: Path) -> ScriptModule:
        """The module at a first way."""
        return self._modules[path]

    def owner(self, path: Path) -> T.ClassType:
        """The class of the module whose attribute or method a way ends in."""
        return self._modules[path[:-1]]._jit_type

    def held(self, path: Path) -> Any:
        """The value of an attribute or constant."""
        of = self.owner(path)
        if path[-1] in of.attributes:
            return value_of(self._modules[path[:-1]], path[-1])
        return of.constants[path[-1]]

    def methods_within(self, path: Path) -> list[Path]:
        """The methods of a module and of those within it."""
        of = self._modules[path]._jit_type
        found = [(*path, name) for name in of.methods]
        for name, t in of.attributes.items():
            if is_module(t):
                found += self.methods_within(self.first((*path, name)))
        return found
