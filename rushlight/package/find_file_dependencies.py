"""What a module's source imports."""

from __future__ import annotations

import ast


class _Imports(ast.NodeVisitor):
    """Collects (module, name or None) of every import, also of `__import__("name")`."""

    def __init__(self, package: str):
        self.package = package
        self.found: dict[tuple[str, str | None], None] = {}

    def visit_Import(self, node):  # noqa: N802 (ast calls it so)
        """import a.b, c"""
        for alias in node.names:
            self.found[alias.name, None] = None

    def visit_ImportFrom(self, node):  # noqa: N802
        """from .a import b"""
        module = node.module or ""
        if node.level:
            parts = self.package.split(".")
            above = parts[: len(parts) - node.level + 1]
            module = ".".join([*above, module] if module else above)
        for alias in node.names:
            self.found[module, None if alias.name == "*" else alias.name] = None

    def visit_Call(self, node):  # noqa: N802
        """__import__("a")"""
        called = node.func.id if isinstance(node.func, ast.Name) else None
        if called == "__import__" and node.args:
            name = node.args[0]
            level = node.args[4].value if len(node.args) > 4 else 0  # type: ignore[attr-defined]
            if isinstance(name, ast.Constant) and isinstance(name.value, str) and not level:
                self.found[name.value, None] = None
        self.generic_visit(node)


def find_files_source_depends_on(source: str, package: str) -> list[tuple[str, str | None]]:
    """(module, name or None) of what a source imports, as a module of a package."""
    visitor = _Imports(package)
    visitor.visit(ast.parse(source))
    return list(visitor.found)
