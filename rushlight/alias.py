"""Run programs written for PyTorch: make `import torch` mean rushlight, where asked to.

    import rushlight.alias
    rushlight.alias.install()
    import torch                     # sys.modules["torch"] is rushlight

`python -m rushlight script.py` does the same for a whole program. While the alias is active
`torch`, `torch.*` and, where rushlight.vision exists, `torchvision.*` are rushlight's own
modules, `importlib.metadata.version("torch")` is the version that rushlight follows, and new
processes of `multiprocessing` have the alias too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ._module_names import in_pytorch
from .version import __version__

GAPS = "docs/gaps.md lists what rushlight lacks"
_US = f"rushlight {__version__.rpartition('rushlight.')[2]}"

# What an import of the name on the left finds.
_ROOTS = {
    "torch": "rushlight",
    "torchvision": "rushlight.vision",
    "torchsummary": "rushlight.torchsummary",
    "functorch": "rushlight.functorch",
}
# Modules that in PyTorch lie inside its extension module.
_INSIDE = {
    "torch._C._functorch": "rushlight._functorch.bindings",
    "rushlight._C._functorch": "rushlight._functorch.bindings",
}
# Parts of the standard library that PyTorch imports, so that programs find them without asking.
_BESIDE = {
    "concurrent": ("futures",),
    "importlib": ("abc", "metadata", "resources"),
    "multiprocessing": ("connection", "resource_sharer", "resource_tracker", "spawn"),
    "urllib": ("error", "parse", "request", "response"),
}
_VERSIONS = {"torch": __version__.split("+")[0], "torchvision": "0.28.0", "torchsummary": "1.5.1"}


def install() -> None:
    """Make `torch` mean rushlight in this process; once is enough.

    RuntimeError where PyTorch itself is imported already.
    """
    for root, own in _ROOTS.items():
        loaded = sys.modules.get(root)
        if loaded is not None and loaded is not sys.modules.get(own):
            raise RuntimeError(
                f"alias.install: {root} is imported already, from "
                f"{getattr(loaded, '__file__', 'an unknown place')}: install the alias first"
            )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
        sys.meta_path.append(_missing)
        _pass_on_to_new_processes(True)
        for name in [n for n in sys.modules if n.partition(".")[0] == "rushlight"]:
            _mark(sys.modules[name])
        for package, parts in _BESIDE.items():
            vars(import_module(package))["__getattr__"] = _parts_of(package, parts)
        if "pkg_resources" in sys.modules:
            _tell_pkg_resources(sys.modules["pkg_resources"])


def pass_on() -> None:
    """Give the alias to the Python processes that this one starts, whatever starts them."""
    import os

    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_children")
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if here not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([here, *filter(None, paths)])


def uninstall() -> None:
    """Undo `install`: `torch` means again what is installed under that name."""
    if _finder not in sys.meta_path:
        return
    sys.meta_path.remove(_finder)
    sys.meta_path.remove(_missing)
    _pass_on_to_new_processes(False)
    for package in _BESIDE:
        vars(sys.modules[package]).pop("__getattr__", None)
    for name in ("__getattr__", "__path__"):
        vars(sys.modules["rushlight._C"]).pop(name, None)
    for name in [n for n in sys.modules if _own_name(n) is not None]:
        if sys.modules[name] is sys.modules.get(_own_name(name) or ""):
            del sys.modules[name]
    while _renamed:
        kind, kind.__module__ = _renamed.pop()
    for name, module in list(sys.modules.items()):
        if type(module) is _Aliased:
            module.__class__ = ModuleType
            module.__name__ = name


def is_installed() -> bool:
    """Whether `torch` means rushlight now."""
    return _finder in sys.meta_path


def _is_public(module):
    return (
        module == "rushlight._C" or (module + ".").startswith("rushlight.") and "._" not in module
    )


def _own_name(name: str) -> str | None:
    """The name of our module for one of PyTorch's; None for any other."""
    if name in _INSIDE:
        return _INSIDE[name]
    root, dot, rest = name.partition(".")
    return _ROOTS[root] + dot + rest if root in _ROOTS else None


class _Aliased(ModuleType):
    """A module that says, about a name that it lacks, where the list of gaps is."""

    def __getattr__(self, name: str) -> Any:
        where = self.__name__.replace("rushlight.vision", "torchvision")
        message = f"module '{where.replace('rushlight', 'torch', 1)}' has no attribute '{name}'"
        hook = self.__dict__.get("__getattr__")
        if hook is not None:  # it has been asked before: this is for its words
            try:
                return hook(name)
            except AttributeError as error:
                message = str(error)
        if not name.startswith("__") and "docs/gaps.md" not in message:
            message += f" ({_US}; {GAPS})"
        raise AttributeError(message, name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system puts a module into the package above it, though a function of its name
        # has taken that place already: torch.nn.utils.weight_norm.
        held = self.__dict__.get(name)
        loading = isinstance(value, ModuleType) and callable(held)
        if not (loading and value.__name__.endswith(f".{name}")):
            super().__setattr__(name, value)


for _name, _value in (
    ("__module__", "builtins"),
    ("__name__", "module"),
    ("__qualname__", "module"),
):
    setattr(_Aliased, _name, _value)  # as type(torch) is printed
_renamed: list[tuple[type, str]] = []


def _mark(module):
    """Make a module of ours that has run PyTorch's: its errors, its classes, its place."""
    if type(module) is not ModuleType:
        return
    module.__class__ = _Aliased
    theirs = in_pytorch(module.__spec__.name)
    if theirs not in _ROOTS:  # for what looks up a class by its module
        sys.modules.setdefault(theirs, module)
    for value in list(vars(module).values()):
        own = issubclass(type(value), type) and value.__module__
        if isinstance(own, str) and _is_public(own):
            value.__module__ = in_pytorch(own)
            _renamed.append((value, own))


class _Loader:
    """Gives an import our own module instead of a new one."""

    def __init__(self, own: str) -> None:
        self.own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.own)
        # The import system is about to write its own there.
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
        if self.own == "rushlight":
            module._C.__path__ = []  # some of its parts are modules
        if self.own in _ROOTS.values():  # libraries tell array packages apart by this
            module.__name__ = next(name for name, own in _ROOTS.items() if own == self.own)


class _Finder:
    """Finds our modules under PyTorch's names, and PyTorch's versions in the metadata."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        if fullname.startswith("rushlight."):
            return _then(PathFinder.find_spec(fullname, path), _mark)
        if fullname == "pkg_resources":
            found = (f.find_spec(fullname, None, None) for f in sys.meta_path if f is not _finder)
            return _then(next(filter(None, found), None), _tell_pkg_resources)
        own = _own_name(fullname)
        found = own and _spec_of(own)
        if not found:
            return None
        spec = ModuleSpec(fullname, _Loader(own), origin=found.origin)  # type: ignore[arg-type]
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def find_distributions(self, context: Any = None) -> Iterator[Any]:
        from ._alias_metadata import distribution

        wanted = getattr(context, "name", None)
        for root, version in _VERSIONS.items():
            if wanted in (None, root) and _spec_of(_ROOTS[root]):
                yield distribution(root, version)

    def invalidate_caches(self) -> None:
        """Nothing is kept."""


class _Missing:
    """Comes last: says that a module is not there, and where the list of gaps is."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> None:
        own = _own_name(fullname)
        # importlib.util.find_spec only asks, and wants None.
        if own is None or not own.startswith("rushlight.") or _only_asked(sys._getframe(1)):
            return
        if fullname in _ROOTS:
            return
        raise ModuleNotFoundError(f"No module named '{fullname}' ({_US}; {GAPS})", name=fullname)

    def invalidate_caches(self) -> None:
        """Nothing is kept."""


def _tell_pkg_resources(module: Any) -> None:
    """The old way to ask for versions has a list of its own."""
    from ._alias_metadata import distribution

    for root, version in _VERSIONS.items():
        if _spec_of(_ROOTS[root]):
            place = str(distribution(root, version).locate_file(""))
            stated = module.Distribution(place, project_name=root, version=version)
            module.working_set.add(stated, replace=True)


def _then(spec: ModuleSpec | None, act: Callable[[ModuleType], None]) -> ModuleSpec | None:
    """The spec of a module that `act` is called with when it has run."""
    if spec is None or spec.loader is None:
        return spec
    run = spec.loader.exec_module

    def exec_module(module):
        run(module)
        act(module)

    spec.loader.exec_module = exec_module  # type: ignore[method-assign]
    return spec


def _spec_of(own: str) -> ModuleSpec | None:
    try:
        return find_spec(own)
    except ModuleNotFoundError:  # a package above it is missing
        return None


def _only_asked(frame: Any) -> bool:
    while frame is not None and frame.f_globals.get("__name__") == "importlib._bootstrap":
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "importlib.util"


def _parts_of(package, parts):
    """A module's `__getattr__` that imports these parts of it when they are first asked for."""

    def find(name):
        if name in parts:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find


# -- processes ----------------------------------------------------------------------------
_PRELUDE = "import rushlight.alias; rushlight.alias.install(); "
_STARTS = ("from multiprocessing.spawn import", "from multiprocessing.forkserver import")


def _pass_on_to_new_processes(on):
    """Install the alias first thing in processes that do not inherit it by a fork."""
    from multiprocessing import util

    if not on:
        util.spawnv_passfds = getattr(util.spawnv_passfds, "plain", util.spawnv_passfds)
        return
    plain = util.spawnv_passfds

    def spawn(path, args, passfds):
        args = [_PRELUDE + a if isinstance(a, str) and a.startswith(_STARTS) else a for a in args]
        return plain(path, args, passfds)

    spawn.plain = plain  # type: ignore[attr-defined]
    util.spawnv_passfds = spawn


_finder = _Finder()
_missing = _Missing()
