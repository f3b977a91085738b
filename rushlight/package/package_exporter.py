"""Writing packages."""

from __future__ import annotations

import io
import linecache
import os
import platform
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from ..serialization._containers import PyTorchFileWriter
from ..utils.hooks import RemovableHandle
from ._digraph import DiGraph
from ._mangling import demangle, is_mangled
from ._pickling import Pickled, pickled
from ._refusals import EmptyMatchError, PackagingError, PackagingErrorReason, why_no_source
from .find_file_dependencies import find_files_source_depends_on
from .glob_group import GlobGroup, GlobPattern
from .importer import Importer, OrderedImporter, sys_importer

# Modules of the library that packages must not bring along silently.
_NOT_IMPLICIT = {"sys", "io"}
_MOCKED = (
    "from _mock import MockedObject\n"
    "def __getattr__(attr: str):\n"
    "    return MockedObject(__name__ + '.' + attr, _suppress_err=True)\n"
)
_VERSION = b"6\n"


class _Action(Enum):
    """What is done with a module."""

    INTERN = 1
    EXTERN = 2
    MOCK = 3
    DENY = 4
    REPACKAGED_MOCK_MODULE = 5
    SKIP = 6


class _Pattern:
    """What is done with the modules that a group of names means."""

    def __init__(self, action: _Action, glob: GlobGroup, allow_empty: bool):
        self.action = action
        self.glob = glob
        self.allow_empty = allow_empty
        self.was_matched = False


class PackageExporter:
    """Writes a package to a path or a file that is open; leave the `with` block to finish it.

    importer: where objects and modules are found, or several places in their order. debug: errors
    show how the package came to need a module.
    """

    def __init__(
        self,
        f: str | os.PathLike | IO[bytes],
        importer: Importer | Sequence[Importer] = sys_importer,
        debug: bool = False,
    ):
        self.debug = debug
        self.buffer = None if isinstance(f, (str, os.PathLike)) else f
        self.zip_file = PyTorchFileWriter(f)
        self.zip_file.set_min_version(6)
        self.dependency_graph = DiGraph()
        self.importer: Importer = (
            importer if isinstance(importer, Importer) else OrderedImporter(*importer)
        )
        self.patterns: dict[GlobGroup, _Pattern] = {}
        self._written: set[str] = set()
        self._storages = Pickled()
        self._hooks: dict[_Action, OrderedDict] = {
            a: OrderedDict() for a in (_Action.EXTERN, _Action.MOCK, _Action.INTERN)
        }
        self._next_id = 0
        self.serialized_reduces: dict[int, Any] = {}

    # -- what goes in ---------------------------------------------------------------------------

    def save_source_file(self, module_name: str, file_or_directory: str, dependencies=True):
        """Put a file of source in as a module, or a folder as a package with its modules."""
        path = Path(file_or_directory)
        if not path.is_dir():
            is_package = path.name == "__init__.py"
            self.save_source_string(module_name, path.read_text(), is_package, dependencies)
            return
        sources = []
        for found in sorted(path.glob("**/*.py")):
            parts = [module_name, *found.relative_to(path).with_suffix("").parts]
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            sources.append((name, found.read_text(), is_package))
        for name, source, is_package in sources:
            self.save_source_string(name, source, is_package, dependencies)

    def save_source_string(
        self, module_name: str, src: str, is_package: bool = False, dependencies: bool = True
    ):
        """Put source in as a module; `dependencies` follows what it imports."""
        self.dependency_graph.add_node(
            module_name, source=src, is_package=is_package, provided=True, action=_Action.INTERN
        )
        if dependencies:
            self._follow(src, module_name, is_package)

    def save_module(self, module_name: str, dependencies=True):
        """Put a module in, with the source that the importer knows."""
        if not isinstance(module_name, str):
            raise TypeError(
                "save_module() expects a string input, did you perhaps mean to pass `__name__`?"
            )
        self._intern_module(module_name, dependencies)

    def save_pickle(
        self,
        package: str,
        resource: str,
        obj: Any,
        dependencies: bool = True,
        pickle_protocol: int = 3,
    ):
        """Put an object in, pickled; `dependencies` follows the modules of what it is made of."""
        if pickle_protocol not in (3, 4):
            raise ValueError("torch.package only supports pickle protocols 3 and 4")
        data, used = pickled(obj, self, self._storages, pickle_protocol)
        for key, content in self._storages.fresh():
            self._write(f".data/{key}.storage", content)
        if dependencies:
            self._follow_pickle(package, resource, used)
        self._write(self._filename(package, resource), data)

    def save_text(self, package: str, resource: str, text: str):
        """Put a text in."""
        self.save_binary(package, resource, text.encode("utf-8"))

    def save_binary(self, package: str, resource: str, binary: bytes):
        """Put bytes in."""
        self._write(self._filename(package, resource), binary)

    def add_dependency(self, module_name: str, dependencies=True):
        """Say that the package needs a module: the patterns decide what is done with it."""
        data = self.dependency_graph.nodes.get(module_name)
        if data is not None and ("action" in data or "error" in data):
            return
        if module_name == "_mock":
            self.dependency_graph.add_node(
                module_name, action=_Action.REPACKAGED_MOCK_MODULE, provided=True
            )
            return
        if self._can_implicitly_extern(module_name):
            self.dependency_graph.add_node(module_name, action=_Action.EXTERN, provided=True)
            return
        for pattern in self.patterns.values():
            if pattern.glob.matches(module_name):
                pattern.was_matched = True
                return self._decided(module_name, pattern.action, dependencies)
        self.dependency_graph.add_node(module_name, error=PackagingErrorReason.NO_ACTION)

    def _decided(self, name: str, action: _Action, dependencies: bool) -> None:
        if action is _Action.DENY:
            self.dependency_graph.add_node(name, action=action, error=PackagingErrorReason.DENIED)
        elif action is _Action.INTERN:
            self._intern_module(name, dependencies)
        else:
            self.dependency_graph.add_node(name, action=action, provided=True)

    # -- patterns ---------------------------------------------------------------------------------

    def intern(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True):
        """Modules that go into the package."""
        self._add(_Action.INTERN, include, exclude, allow_empty)

    def mock(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True):
        """Modules that an empty shell stands for: what is in them can be named, not used."""
        self._add(_Action.MOCK, include, exclude, allow_empty)

    def extern(self, include: GlobPattern, *, exclude: GlobPattern = (), allow_empty: bool = True):
        """Modules that whoever reads the package must have."""
        self._add(_Action.EXTERN, include, exclude, allow_empty)

    def deny(self, include: GlobPattern, *, exclude: GlobPattern = ()):
        """Modules that the package must not need."""
        self._add(_Action.DENY, include, exclude, True)

    def _add(self, action, include, exclude, allow_empty) -> None:
        glob = GlobGroup(include, exclude=exclude)
        self.patterns[glob] = _Pattern(action, glob, allow_empty)

    def register_extern_hook(self, hook: Callable[[PackageExporter, str], None]):
        """Call `hook(exporter, name)` for every module that is left out."""
        return self._register(_Action.EXTERN, hook)

    def register_mock_hook(self, hook: Callable[[PackageExporter, str], None]):
        """Call `hook(exporter, name)` for every module that is mocked."""
        return self._register(_Action.MOCK, hook)

    def register_intern_hook(self, hook: Callable[[PackageExporter, str], None]):
        """Call `hook(exporter, name)` for every module that goes in."""
        return self._register(_Action.INTERN, hook)

    def _register(self, action, hook):
        handle = RemovableHandle(self._hooks[action])
        self._hooks[action][handle.id] = hook
        return handle

    # -- following --------------------------------------------------------------------------------

    def _can_implicitly_extern(self, module_name: str) -> bool:
        top = module_name.partition(".")[0]
        return top == "torch" or (top not in _NOT_IMPLICIT and top in sys.stdlib_module_names)

    def _module_exists(self, module_name: str) -> bool:
        try:
            self.importer.import_module(module_name)
            return True
        except Exception:  # whatever a module raises: it cannot be imported
            return False

    def _get_dependencies(self, src: str, module_name: str, is_package: bool) -> list[str]:
        package = module_name if is_package else module_name.rpartition(".")[0]
        try:
            imports = find_files_source_depends_on(src, package)
        except Exception as error:  # of the parser: said in the report
            self.dependency_graph.add_node(
                module_name,
                error=PackagingErrorReason.DEPENDENCY_RESOLUTION_FAILED,
                error_context=str(error),
            )
            return []
        found: dict[str, None] = {}
        for name, attribute in imports:
            below = f"{name}.{attribute}"
            found[below if attribute and self._module_exists(below) else name] = None
        return list(found)

    def _follow(self, source: str, name: str, is_package: bool) -> None:
        for needed in self._get_dependencies(source, name, is_package):
            self.dependency_graph.add_edge(name, needed)
            self.add_dependency(needed)

    def _follow_pickle(self, package: str, resource: str, used: dict[str, list[str]]) -> None:
        node = f"<{package}.{resource}>"
        self.dependency_graph.add_node(node, action=_Action.SKIP, provided=True, is_pickle=True)
        for name, objects in used.items():
            self.dependency_graph.add_edge(node, name)
            self.add_dependency(name)
            if self.dependency_graph.nodes[name].get("action") is _Action.MOCK:
                self.dependency_graph.add_node(
                    name,
                    error=PackagingErrorReason.MOCKED_BUT_STILL_USED,
                    error_context=f"Object(s) '{objects}' from module `{name}` was mocked out "
                    f"during packaging but is being used in resource - `{resource}` in package "
                    f"`{package}`. ",
                )

    def _intern_module(self, module_name: str, dependencies: bool) -> None:
        module = self.importer.import_module(module_name)
        is_package = hasattr(module, "__path__")
        source = self._get_source_of_module(module)
        if source is None:
            reason, context = why_no_source(module)
            self.dependency_graph.add_node(
                module_name,
                action=_Action.INTERN,
                is_package=is_package,
                error=reason,
                error_context=context,
                provided=True,
            )
            return
        self.dependency_graph.add_node(
            module_name,
            action=_Action.INTERN,
            is_package=is_package,
            source=source,
            provided=True,
        )
        if dependencies:
            self._follow(source, module_name, is_package)

    def _get_source_of_module(self, module: ModuleType) -> str | None:
        loader = getattr(module, "__loader__", None)
        if is_mangled(module.__name__) and hasattr(loader, "get_source"):
            return loader.get_source(demangle(module.__name__))
        filename = getattr(module, "__file__", None)
        if filename is None or not filename.endswith(".py"):
            return None
        return "".join(linecache.getlines(filename, module.__dict__)) or _read(filename)

    # -- writing ----------------------------------------------------------------------------------

    def get_unique_id(self) -> str:
        """A number that this package has not used."""
        self._next_id += 1
        return str(self._next_id - 1)

    def _filename(self, package: str, resource: str) -> str:
        return f"{package.replace('.', '/')}/{resource}"

    def _write(self, filename: str, content: str | bytes | memoryview) -> None:
        if filename in self._written:
            raise AssertionError(
                f"Tried to write file '{filename}', but it already exists in this archive. "
                "Please file a bug."
            )
        self._written.add(filename)
        if is_mangled(filename):
            raise AssertionError(f"{filename}: a name of this process must not be in a package")
        data = content.encode("utf-8") if isinstance(content, str) else content
        self.zip_file.write_record(filename, data, memoryview(data).nbytes)

    def _write_source(self, name: str, source: str, is_package: bool) -> None:
        ending = "/__init__.py" if is_package else ".py"
        self._write(name.replace(".", "/") + ending, source)

    def _check(self) -> None:
        for pattern in self.patterns.values():
            if not pattern.allow_empty and not pattern.was_matched:
                raise EmptyMatchError(
                    f"Exporter did not match any modules to {pattern.glob}, which was marked as "
                    "allow_empty=False"
                )
        if any(data.get("error") is not None for data in self.dependency_graph.nodes.values()):
            raise PackagingError(self.dependency_graph, debug=self.debug)

    def close(self):
        """Finish the package: PackagingError where it needs modules that it cannot have."""
        self._check()
        externs, mocks = [], False
        for name, data in list(self.dependency_graph.nodes.items()):
            action = data.get("action")
            for hook in self._hooks.get(action, {}).values():  # type: ignore[call-overload]
                hook(self, name)
            if action is _Action.EXTERN:
                externs.append(name)
            elif action is _Action.MOCK:
                mocks = True
                self._write_source(name, _MOCKED, hasattr_path(self.importer, name))
            elif action is _Action.REPACKAGED_MOCK_MODULE:
                mocks = True
            elif action is _Action.INTERN:
                self._write_source(name, data["source"], data["is_package"])
        if mocks:
            self._write("_mock.py", _read(os.path.join(os.path.dirname(__file__), "_mock.py")))
        self._write(".data/extern_modules", "".join(f"{name}\n" for name in externs))
        self._write(".data/python_version", platform.python_version())
        self._write(".data/version", _VERSION)
        self._finish()

    def _finish(self) -> None:
        self.zip_file.write_end_of_file()
        if self.buffer is not None:
            self.buffer.flush()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        if exc_type is not None:  # what was begun is left without an end
            self._finish()
            return
        self.close()

    # -- questions --------------------------------------------------------------------------------

    def dependency_graph_string(self) -> str:
        """Who needs whom, as text for graphviz."""
        return self.dependency_graph.to_dot()

    def _with_action(self, action: _Action) -> list[str]:
        nodes = self.dependency_graph.nodes.items()
        return sorted(name for name, data in nodes if data.get("action") is action)

    def externed_modules(self) -> list[str]:
        """Modules that are left out so far."""
        return self._with_action(_Action.EXTERN)

    def interned_modules(self) -> list[str]:
        """Modules that go in so far."""
        return self._with_action(_Action.INTERN)

    def mocked_modules(self) -> list[str]:
        """Modules that are mocked so far."""
        return self._with_action(_Action.MOCK)

    def denied_modules(self) -> list[str]:
        """Modules that were refused so far."""
        return self._with_action(_Action.DENY)

    def get_rdeps(self, module_name: str) -> list[str]:
        """Who needs a module."""
        if module_name not in self.dependency_graph:
            return []
        return list(self.dependency_graph.predecessors(module_name))

    def all_paths(self, src: str, dst: str) -> str:
        """How one module comes to need another, as text for graphviz."""
        return self.dependency_graph.all_paths(src, dst)


def _read(filename: str) -> str:
    with io.open_code(filename) as file:
        return file.read().decode("utf-8")


def hasattr_path(importer: Importer, name: str) -> bool:
    """Whether a module is a package; False where it cannot be imported to ask."""
    try:
        return hasattr(importer.import_module(name), "__path__")
    except Exception:  # a module that is mocked need not be there
        return False
