"""Names of modules that come out of a package: `<torch_package_0>.name`."""

from __future__ import annotations

from itertools import count

_PREFIX = "<torch_package_"
_numbers = count()


class PackageMangler:
    """Gives the modules of one importer names of their own."""

    def __init__(self):
        self._parent = f"{_PREFIX}{next(_numbers)}>"

    def mangle(self, name: str) -> str:
        """The name with what says where the module is from."""
        return f"{self._parent}.{name}"

    def demangle(self, mangled: str) -> str:
        """The name without it, if it is of this importer."""
        return mangled.removeprefix(self._parent + ".")

    def parent_name(self) -> str:
        """What says where a module is from."""
        return self._parent


def is_mangled(name: str) -> bool:
    """Whether a module's name says that it is from a package."""
    return name.startswith(_PREFIX)


def demangle(name: str) -> str:
    """A module's name without what says where it is from."""
    if is_mangled(name):
        return name.partition(".")[2]
    return name


def get_mangle_prefix(name: str) -> str:
    """What says where a module is from; the name itself of others."""
    return name.partition(".")[0] if is_mangled(name) else name
