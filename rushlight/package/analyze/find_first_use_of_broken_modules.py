"""Why a package needs the modules that it cannot have."""

from __future__ import annotations

from ..package_exporter import PackagingError


def find_first_use_of_broken_modules(exc: PackagingError) -> dict[str, list[str]]:
    """For every module that was refused one way that leads to it."""
    if not isinstance(exc, PackagingError):
        raise AssertionError("exception must be a PackagingError")
    graph = exc.dependency_graph
    return {name: graph.first_path(name) for name, data in graph.nodes.items() if "error" in data}
