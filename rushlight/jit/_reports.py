"""Errors that tell where in the source they are, and type comments of signatures."""

from __future__ import annotations

import ast
from typing import Any

from ._compile import calling


class FatalError(Exception):
    """What must not be caught."""

    __module__ = "torch"


class CallStack:
    """While it lives, errors tell that a function is being compiled."""

    __module__ = "torch"

    def __init__(self, name: str, source_range: Any) -> None:
        self._entry: Any = calling.compiling(name, source_range)
        self._entry.__enter__()

    def __del__(self) -> None:
        if getattr(self, "_entry", None) is not None:
            self._entry.__exit__(None, None, None)
            self._entry = None


class ErrorReport:
    """An error about a piece of source, and how its compilation came about."""

    __module__ = "torch"

    def __init__(self, source_range: Any) -> None:
        self._range = source_range

    def what(self) -> str:
        """The source, underlined, and the calls that led to it."""
        return f":\n{self._range.highlight()}\n{calling.report()}"

    @staticmethod
    def call_stack() -> str:
        """Which functions are being compiled because which others call them."""
        return calling.report()


class Declaration:
    """A signature: expressions of the types of its parameters, and of its result."""

    def __init__(self, parameters: list[str], types: list[str | None], result: str | None) -> None:
        self.parameters = parameters
        self.types = types
        self.result = result

    def __str__(self) -> str:
        said = ", ".join(
            f"(param (ident {n}) (option {f'(variable (ident {t}))' if t else ''}) (option) "
            "(False))"
            for n, t in zip(self.parameters, self.types, strict=True)
        )
        result = f"(option (variable (ident {self.result})))" if self.result else "(option)"
        return f"(decl\n  (list {said})\n  {result})"


def parse_type_comment(comment: str) -> Declaration:
    """The signature of a comment `# type: (int, Tensor) -> Tensor`."""
    text = comment.strip().removeprefix("#").strip()
    if not text.startswith("type:"):
        raise RuntimeError(f"parse_type_comment: expected '# type: (...) -> ...', got {comment!r}")
    left, arrow, right = text.removeprefix("type:").partition("->")
    try:
        tree = ast.parse(left.strip() or "()", mode="eval").body
        result = ast.unparse(ast.parse(right.strip(), mode="eval").body) if arrow else None
    except SyntaxError as error:
        raise RuntimeError(f"parse_type_comment: {error.msg}: got {comment!r}") from None
    parts = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    types: list[str | None] = [ast.unparse(p) for p in parts]
    return Declaration([f"argument_{i}" for i in range(len(types))], types, result)


def merge_type_from_type_comment(
    declaration: Declaration, comment: Declaration, is_method: bool
) -> Declaration:
    """A signature with the types of a comment; `self` of a method stays as it is.

    RuntimeError where the numbers of parameters differ.
    """
    first = 1 if is_method else 0
    mine = declaration.parameters[first:]
    if len(mine) != len(comment.types):
        raise RuntimeError(
            f"Number of type annotations for parameters ({len(comment.types)}) does not match the "
            f"number of parameters on the function ({len(mine)})!"
        )
    return Declaration(
        declaration.parameters, declaration.types[:first] + comment.types, comment.result
    )
