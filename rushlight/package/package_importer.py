"""Reading packages: their code runs, apart from what this process has imported."""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import linecache
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from ..serialization._containers import PyTorchFileReader
from ._mangling import PackageMangler, demangle
from ._pickling import unpickled
from .file_structure_representation import Directory, directory_of
from .glob_group import GlobPattern
from .importer import Importer, sys_importer

# What every package may import though it does not say so.
_ALWAYS = {"builtins", "__future__"}


class PackageImporter(Importer):
    """The modules and objects of a package: a path, a folder it was unpacked to, or a file.

    module_allowed: whether a module that the package leaves to its reader may be imported;
    ImportError otherwise.
    """

    modules: dict[str, ModuleType]

    def __init__(
        self,
        file_or_buffer: str | os.PathLike | IO[bytes] | PyTorchFileReader,
        module_allowed: Callable[[str], bool] = lambda module_name: True,
    ):
        self.zip_reader: Any
        if isinstance(file_or_buffer, PyTorchFileReader):
            self.filename = "<pytorch_file_reader>"
            self.zip_reader = file_or_buffer
        elif isinstance(file_or_buffer, (str, os.PathLike)):
            self.filename = os.fspath(file_or_buffer)
            if os.path.isdir(self.filename):
                self.zip_reader = _FolderReader(self.filename)
            else:
                self.zip_reader = PyTorchFileReader(self.filename)
        else:
            self.filename = "<binary>"
            self.zip_reader = PyTorchFileReader(file_or_buffer)
        self._mangler = PackageMangler()
        self._files = self.zip_reader.get_all_records()
        self.extern_modules = self._read_extern()
        for name in self.extern_modules:
            if not module_allowed(name):
                raise ImportError(
                    f"package '{file_or_buffer}' needs the external module '{name}' but that "
                    "module has been disallowed"
                )
        self.modules = {}
        self.patched_builtins = builtins.__dict__.copy()
        self.patched_builtins["__import__"] = self.__import__
        self.modules["torch_package_importer"] = self  # type: ignore[assignment]

    def _read_extern(self) -> list[str]:
        text = self.zip_reader.get_record(".data/extern_modules").decode("utf-8")
        return text.splitlines()

    # -- what is in it ----------------------------------------------------------------------------

    def load_binary(self, package: str, resource: str) -> bytes:
        """The bytes of a resource."""
        return self.zip_reader.get_record(self._place(package, resource))

    def load_text(
        self, package: str, resource: str, encoding: str = "utf-8", errors: str = "strict"
    ) -> str:
        """The text of a resource."""
        return self.load_binary(package, resource).decode(encoding, errors)

    def load_pickle(self, package: str, resource: str, map_location=None) -> Any:
        """An object, made by the code of the package: read only what you trust."""
        return unpickled(self.load_binary(package, resource), self, map_location)

    def id(self) -> str:
        """What the names of modules of this package begin with."""
        return self._mangler.parent_name()

    def python_version(self) -> str | None:
        """The version of Python that wrote the package."""
        path = ".data/python_version"
        if not self.zip_reader.has_record(path):
            return None
        return self.zip_reader.get_record(path).decode("utf-8").strip()

    def file_structure(
        self, *, include: GlobPattern = "**", exclude: GlobPattern = ()
    ) -> Directory:
        """The files of the package as a tree."""
        return directory_of(self.filename, self._files, include, exclude)

    def _place(self, package: str, resource: str) -> str:
        return f"{package.replace('.', '/')}/{resource}" if package else resource

    # -- modules ----------------------------------------------------------------------------------

    def import_module(self, name: str, package=None) -> ModuleType:
        """A module of the package, or one that it leaves to its reader."""
        name = self._mangler.demangle(name)
        if name.startswith("."):
            import importlib.util

            name = importlib.util.resolve_name(name, package)
        return self._find(name)

    def get_source(self, module_name: str) -> str:
        """The source of a module of the package."""
        return self.zip_reader.get_record(self._source_place(demangle(module_name))[0]).decode()

    def get_resource_reader(self, fullname: str):
        """What importlib.resources reads of a package inside; None of a module."""
        name = demangle(fullname)
        folder = name.replace(".", "/") + "/"
        if not any(f.startswith(folder) for f in self._files):
            return None
        return _ResourceReader(self, name)

    def _source_place(self, name: str) -> tuple[str, bool]:
        """(file, whether it is a package) of a module; an empty name for folders without one."""
        base = name.replace(".", "/")
        if base + "/__init__.py" in self._files:
            return base + "/__init__.py", True
        if base + ".py" in self._files:
            return base + ".py", False
        if any(f.startswith(base + "/") for f in self._files):
            return "", True
        raise ModuleNotFoundError(
            f'No module named "{name}" in self-contained archive "{self.filename}" and the module '
            f"is also not in the list of allowed external modules: {self.extern_modules}",
            name=name,
        )

    def _is_extern(self, name: str) -> bool:
        while name:
            if name in self.extern_modules or name in _ALWAYS:
                return True
            name = name.rpartition(".")[0]
        return False

    def _find(self, name: str) -> ModuleType:
        module = self.modules.get(name)
        if module is not None:
            return module
        if self._leads_outside(name):
            module = self.modules[name] = sys_importer.import_module(name)
            return module
        parent, _, leaf = name.rpartition(".")
        if parent:
            self._find(parent)
            if name in self.modules:  # the parent's own code imported it
                return self.modules[name]
        module = self._run(name)
        if parent:
            setattr(self.modules[parent], leaf, module)
        return module

    def _leads_outside(self, name: str) -> bool:
        """Whether a module comes from outside: one that is left out, or a package above such."""
        if self._is_extern(name):
            return True
        try:
            self._source_place(name)
        except ModuleNotFoundError:
            return any(e.startswith(name + ".") for e in self.extern_modules)
        return False

    def _run(self, name: str) -> ModuleType:
        path, is_package = self._source_place(name)
        mangled = self._mangler.mangle(name)
        spec = importlib.machinery.ModuleSpec(mangled, self, is_package=is_package)  # type: ignore[arg-type]
        module = ModuleType(mangled)
        filename = f"{self._mangler.parent_name()}.{path}" if path else None
        module.__dict__.update(
            __spec__=spec,
            __loader__=self,
            __file__=filename,
            __builtins__=self.patched_builtins,
            __torch_package__=True,
            __package__=mangled if is_package else mangled.rpartition(".")[0],
        )
        if is_package:
            module.__path__ = [self._mangler.mangle(name)]
            spec.submodule_search_locations = module.__path__
        self.modules[name] = module
        if not path:
            return module
        source = self.zip_reader.get_record(path).decode("utf-8")
        # Tracebacks and inspect find the lines there.
        lines = [line + "\n" for line in source.splitlines()]
        linecache.cache[filename] = (len(source), None, lines, filename)  # type: ignore[index]
        try:
            exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
        except BaseException:
            del self.modules[name]
            raise
        return self.modules.get(name, module)

    def __import__(self, name, globals=None, locals=None, fromlist=(), level=0):
        """What `import` does in the code of the package."""
        if level:
            package = demangle((globals or {}).get("__package__") or "")
            parts = package.split(".") if package else []
            if level > len(parts):
                raise ImportError("attempted relative import beyond top-level package")
            above = parts[: len(parts) - level + 1]
            name = ".".join([*above, name] if name else above)
        module = self._find(name)
        if not fromlist:
            if level:
                return module
            return self._find(name.partition(".")[0])
        if hasattr(module, "__path__"):
            for item in getattr(module, "__all__", ()) if "*" in fromlist else fromlist:
                if not hasattr(module, item):
                    self._try(f"{name}.{item}", module, item)
        return module

    def _try(self, name: str, parent: ModuleType, leaf: str) -> None:
        """A module below another, if there is one: else `from` says what is missing."""
        try:
            setattr(parent, leaf, self._find(name))
        except ModuleNotFoundError as error:
            if error.name != name:
                raise


class _FolderReader:
    """The records of a package that was unpacked to a folder."""

    def __init__(self, directory: str):
        self._directory = Path(directory)

    def get_record(self, name: str) -> bytes:
        """The bytes of a record."""
        path = (self._directory / name).resolve()
        if not path.is_relative_to(self._directory.resolve()) or not path.is_file():
            raise RuntimeError(f"PackageImporter: {self._directory} has no file {name}")
        return path.read_bytes()

    def has_record(self, name: str) -> bool:
        """Whether there is a record of this name."""
        return (self._directory / name).is_file()

    def get_all_records(self) -> list[str]:
        """The names of all records."""
        files = (p for p in self._directory.rglob("*") if p.is_file())
        return sorted(p.relative_to(self._directory).as_posix() for p in files)


class _ResourceReader:
    """The files beside a module of a package."""

    def __init__(self, importer: PackageImporter, name: str):
        self._importer = importer
        self._folder = name.replace(".", "/") + "/"

    def open_resource(self, resource: str) -> IO[bytes]:
        """A file, open for reading; FileNotFoundError where there is none."""
        if not self.is_resource(resource):
            raise FileNotFoundError(self._folder + resource)
        return io.BytesIO(self._importer.zip_reader.get_record(self._folder + resource))

    def resource_path(self, resource: str) -> str:
        """Refused with FileNotFoundError: the files are in an archive."""
        raise FileNotFoundError(self._folder + resource)

    def is_resource(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self._folder + name in self._importer._files

    def contents(self):
        """The names of files and folders."""
        found = {
            f[len(self._folder) :].partition("/")[0]
            for f in self._importer._files
            if f.startswith(self._folder)
        }
        yield from sorted(found)
