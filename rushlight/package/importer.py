"""Where modules come from, and how objects are called there."""

from __future__ import annotations

import importlib
import pickle
import sys
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

from ..serialization._names import file_name
from ._mangling import demangle, get_mangle_prefix, is_mangled


class ObjNotFoundError(Exception):
    """An object is not where its name says."""


class ObjMismatchError(Exception):
    """Where an object's name says is another object."""


class Importer(ABC):
    """A place where modules come from."""

    modules: dict[str, ModuleType]

    @abstractmethod
    def import_module(self, module_name: str) -> ModuleType:
        """The module of a name."""

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """(module, name) under which this importer finds an object.

        ObjNotFoundError and ObjMismatchError say why it would not.
        """
        if name is None and obj is not None and type(obj).__reduce__ is not object.__reduce__:
            found = obj.__reduce__() if not isinstance(obj, type) else None
            name = found if isinstance(found, str) else None
        if name is None:
            name = getattr(obj, "__qualname__", None) or obj.__name__
        where = self.whichmodule(obj, name)
        module_name = demangle(where)
        try:
            found = self.import_module(module_name)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, KeyError, AttributeError):
            raise ObjNotFoundError(
                f"{obj} was not found as {module_name}.{name}: use the importer that it came from "
                "(`PackageExporter(..., importer=(importer, sys_importer))`)"
            ) from None
        if found is obj:
            return module_name, name
        place = "the current Python environment"
        other = getattr(found, "__module__", where)
        raise ObjMismatchError(
            f"The object being saved: {obj} is from "
            f"{get_mangle_prefix(where) if is_mangled(where) else place}, but {module_name}.{name} "
            f"is another object, from {get_mangle_prefix(other) if is_mangled(other) else place}: "
            "use the importer that the object came from "
            "(`PackageExporter(..., importer=(importer, sys_importer))`)"
        )

    def whichmodule(self, obj: Any, name: str) -> str:
        """The name of the module that an object is from."""
        module = getattr(obj, "__module__", None)
        if module is not None:
            return module
        for known, candidate in self.modules.copy().items():
            if known == "__main__" or candidate is None:
                continue
            if getattr(candidate, name, None) is obj:
                return known
        return "__main__"


class _SysImporter(Importer):
    """The modules of this process; under PyTorch's names our own."""

    @property
    def modules(self) -> dict[str, ModuleType]:  # type: ignore[override]
        return sys.modules

    def import_module(self, module_name: str) -> ModuleType:
        """As `import` does."""
        root, dot, rest = module_name.partition(".")
        if root == "torch":
            module_name = __package__.partition(".")[0] + dot + rest
        return importlib.import_module(module_name)

    def whichmodule(self, obj: Any, name: str) -> str:
        """As pickle finds it, under PyTorch's name."""
        return file_name(pickle.whichmodule(obj, name), name)[0]  # type: ignore[attr-defined]


sys_importer = _SysImporter()


class OrderedImporter(Importer):
    """Several importers, asked in turn."""

    def __init__(self, *args: Importer):
        self._importers: list[Importer] = list(args)

    def import_module(self, module_name: str) -> ModuleType:
        """From the first that has it."""
        last: ModuleNotFoundError | None = None
        for importer in self._importers:
            if not isinstance(importer, Importer):
                raise TypeError(
                    f"{importer} is not a Importer. All importers in OrderedImporter must inherit "
                    "from Importer."
                )
            try:
                return importer.import_module(module_name)
            except ModuleNotFoundError as error:
                last = error
        raise last or ModuleNotFoundError(module_name)

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """By the first that finds the object."""
        for importer in self._importers:
            try:
                return importer.get_name(obj, name)
            except (ObjNotFoundError, ObjMismatchError) as error:
                last = error
        raise last

    def whichmodule(self, obj: Any, name: str) -> str:
        """The first answer that is not __main__."""
        for importer in self._importers:
            found = importer.whichmodule(obj, name)
            if found != "__main__":
                return found
        return "__main__"
