"""Why a package cannot be written."""

from __future__ import annotations

import importlib.machinery
from enum import Enum
from types import ModuleType

from ._digraph import DiGraph


class PackagingErrorReason(Enum):
    """Why a module cannot be in a package."""

    IS_EXTENSION_MODULE = (
        "Module is a C extension module. torch.package supports Python modules only."
    )
    NO_DUNDER_FILE = "Module had no __file__ defined."
    SOURCE_FILE_NOT_FOUND = "Module had a __file__, but we could not find it in your filesystem."
    DEPENDENCY_RESOLUTION_FAILED = "Dependency resolution failed."
    NO_ACTION = "Module did not match against any action pattern. Extern, mock, or intern it."
    DENIED = "Module was denied by a pattern."
    MOCKED_BUT_STILL_USED = (
        "Module was mocked out, but is still being used in the package. Please intern or extern "
        "the mocked modules if objects are supposed to be in the package."
    )


class EmptyMatchError(Exception):
    """A pattern that had to match something matched nothing."""


class PackagingError(Exception):
    """Modules that a package needs cannot be in it; `dependency_graph` says who needs them."""

    def __init__(self, dependency_graph: DiGraph, debug: bool = False):
        broken: dict[PackagingErrorReason, list[str]] = {}
        for name, data in dependency_graph.nodes.items():
            if data.get("error") is not None:
                broken.setdefault(data["error"], []).append(name)
        lines = [""]
        for reason, names in broken.items():
            lines.append(f"* {reason.value}")
            for name in names:
                lines.append(f"    {name}")
                context = dependency_graph.nodes[name].get("error_context")
                if context is not None:
                    lines.append(f"      Context: {context}")
                if debug:
                    path = " -> ".join(dependency_graph.first_path(name))
                    lines.append(f"      A path to {name}: {path}")
        if not debug:
            lines += ["", "Set debug=True when invoking PackageExporter for a visualization of "
                      "where broken modules are coming from!"]  # fmt: skip
        self.dependency_graph = dependency_graph
        super().__init__("\n".join(lines) + "\n")


def why_no_source(module: ModuleType) -> tuple[PackagingErrorReason, str | None]:
    """What is wrong with a module that has no source."""
    filename = getattr(module, "__file__", None)
    if filename is None:
        return PackagingErrorReason.NO_DUNDER_FILE, None
    if filename.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
        return PackagingErrorReason.IS_EXTENSION_MODULE, None
    return PackagingErrorReason.SOURCE_FILE_NOT_FOUND, f"filename: {filename}"
