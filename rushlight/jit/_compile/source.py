"""Source text: where it is, and what an error about a piece of it says."""

from __future__ import annotations

import ast
import linecache
import sys
import textwrap
from types import CodeType

_CONTEXT = 2  # lines shown on either side of the one that an error is about


class Source:
    """Text that was parsed: its file, its first line there, and the indent that was taken off."""

    def __init__(self, text: str, filename: str, first_line: int = 1, indent: int = 0) -> None:
        self.text = text
        self.lines = text.splitlines()
        self.filename = filename
        self.first_line = first_line
        self.indent = indent

    def range(self, node: ast.AST) -> SourceRange:
        """Where `node` stands."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        end_line = getattr(node, "end_lineno", line) or line
        end = getattr(node, "end_col_offset", column + 1) or column + 1
        for inner in ast.walk(node):  # PyTorch counts the characters of a string, not its quotes
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                if (inner.end_lineno, inner.end_col_offset) == (end_line, end):
                    end = inner.col_offset + len(inner.value) + 1
        return SourceRange(self, line, column, end_line, end)

    def span(self, node: ast.AST, length: int) -> SourceRange:
        """The first `length` characters of `node`."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        return SourceRange(self, line, column, line, column + length)


class SourceRange:
    """A piece of a source; graphs print its start, errors show it."""

    __slots__ = ("column", "end_column", "end_line", "line", "source")

    def __init__(self, source: Source, line: int, column: int, end_line: int, end: int) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end

    @property
    def filename(self) -> str:
        """The file."""
        return self.source.filename

    @property
    def file_line(self) -> int:
        """The line in the file."""
        return self.source.first_line + self.line - 1

    @property
    def file_column(self) -> int:
        """The column in the file, from zero."""
        return self.source.indent + self.column

    def __str__(self) -> str:
        return f"{self.filename}:{self.file_line}:{self.file_column}"

    def to(self, other: SourceRange) -> SourceRange:
        """From the start of this to the end of another."""
        return SourceRange(self.source, self.line, self.column, other.end_line, other.end_column)

    def highlight(self) -> str:
        """The lines around it, with what it covers underlined."""
        lines = self.source.lines
        first = max(self.line - _CONTEXT, 1)
        last = min(self.end_line + _CONTEXT, len(lines))
        shown = [f'  File "{self.filename}", line {self.file_line}']
        for number in range(first, last + 1):
            text = lines[number - 1]
            shown.append(" " * self.source.indent + text if text else text)
            if self.line <= number <= self.end_line:
                shown.append(self._underline(number, text))
        return "\n".join(shown)

    def _underline(self, number: int, text: str) -> str:
        start = self.column if number == self.line else len(text) - len(text.lstrip())
        end = self.end_column if number == self.end_line else len(text)
        line = " " * (self.source.indent + start) + "~" * max(end - start, 1)
        return line + " <--- HERE" if number == self.end_line else line


class FrontendError(Exception):
    """Source that the language does not have; shows where."""

    def __init__(self, source_range, msg: str) -> None:
        from . import calling

        self.source_range = source_range
        self.msg = msg
        self.error_report = f"{msg}:\n{source_range.highlight()}\n{calling.report()}"

    def __str__(self) -> str:
        return self.error_report


class NotSupportedError(FrontendError):
    """A Python feature used in a way that scripting does not support."""


class UnsupportedNodeError(NotSupportedError):
    """A kind of statement or expression that scripting does not support."""

    def __init__(self, ctx, offending_node, reason: str = "") -> None:
        word = _KEYWORDS.get(type(offending_node))
        length = len(word) if word else 1
        name = _SAID.get(type(offending_node), type(offending_node).__name__)
        said = f"{name} aren't supported"
        if reason:
            said += f": {reason}"
        super().__init__(ctx.span(offending_node, length), said)


class FrontendTypeError(FrontendError):
    """An annotation that is none."""


_KEYWORDS: dict[type, str] = {
    ast.FunctionDef: "def", ast.AsyncFunctionDef: "async def", ast.ClassDef: "class",
    ast.Return: "return", ast.Delete: "del", ast.For: "for", ast.AsyncFor: "async for",
    ast.While: "while", ast.If: "if", ast.With: "with", ast.AsyncWith: "async with",
    ast.Raise: "raise", ast.Try: "try", ast.Import: "import", ast.ImportFrom: "from",
    ast.Global: "global", ast.Nonlocal: "nonlocal", ast.Break: "break",
    ast.Continue: "continue",
}  # fmt: skip
_SAID: dict[type, str] = {
    ast.FunctionDef: "function definitions", ast.AsyncFunctionDef: "async function definitions",
    ast.ClassDef: "class definitions", ast.Delete: "del statements",
    ast.AsyncFor: "async for loops", ast.AsyncWith: "async with statements",
    ast.Try: "try blocks", ast.Import: "import statements",
    ast.ImportFrom: "import statements", ast.Global: "global variables",
    ast.Nonlocal: "nonlocal variables",
}  # fmt: skip


class ParsedDef:
    """A function definition: its tree, its source and where it came from."""

    __slots__ = ("node", "source")

    def __init__(self, node: ast.FunctionDef, source: Source) -> None:
        self.node = node
        self.source = source


def parse_definition(function) -> ParsedDef:
    """The tree of one function's source; OSError where there is no source."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        raise OSError(_NO_SOURCE.format(function))
    text, first = _block_at(code, function)
    source = _dedented(text, code.co_filename, first)
    tree = ast.parse(source.text)
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise RuntimeError(f"Expected a single top-level function: {code.co_filename}:{first}")
    return ParsedDef(tree.body[0], source)


def parse_class(cls: type) -> tuple[ast.ClassDef, Source]:
    """The tree of one class's source; OSError where there is no source."""
    module = sys.modules.get(cls.__module__)
    filename = getattr(module, "__file__", None)
    for member in vars(cls).values():  # one that was made in a cell or by exec knows its file
        member = getattr(member, "fget", getattr(member, "__func__", member))
        code = getattr(member, "__code__", None)
        if code is not None and code.co_filename != "<string>":
            filename = code.co_filename
            break
    lines = linecache.getlines(filename, vars(module) if module else None) if filename else []
    found = _find_class("".join(lines), cls.__qualname__)
    if found is None:
        raise OSError(_NO_SOURCE.format(cls))
    node, text, first = found
    source = _dedented(text, filename or "", first)
    return ast.parse(source.text).body[0], source  # type: ignore[return-value]


_NO_SOURCE = (
    "Can't get source for {}. TorchScript requires source access in order to carry out "
    "compilation, make sure original .py files are available."
)


def _block_at(code: CodeType, function) -> tuple[str, int]:
    """The lines of a function, decorators included, and the number of the first."""
    first = code.co_firstlineno
    lines = linecache.getlines(code.co_filename, getattr(function, "__globals__", None))
    if not lines or first > len(lines):
        raise OSError(_NO_SOURCE.format(function))
    # The last line that holds code is known; what follows in the same statement is sought.
    last = max(_last_line(code), first)
    indent = len(lines[first - 1]) - len(lines[first - 1].lstrip())
    while last < len(lines):
        text = lines[last]
        if (
            text.strip()
            and len(text) - len(text.lstrip()) <= indent
            and _parses("".join(lines[first - 1 : last]))
        ):
            break
        last += 1
    return "".join(lines[first - 1 : last]), first


def _last_line(code: CodeType) -> int:
    last = max((line for _, _, line in code.co_lines() if line), default=code.co_firstlineno)
    return max([last, *(_last_line(c) for c in code.co_consts if isinstance(c, CodeType))])


def _parses(text: str) -> bool:
    try:
        ast.parse(textwrap.dedent(text))
    except SyntaxError:
        return False
    return True


def _dedented(text: str, filename: str, first: int) -> Source:
    dedented = textwrap.dedent(text)
    indent = len(text) - len(text.lstrip()) - (len(dedented) - len(dedented.lstrip()))
    return Source(dedented, filename, first, indent)


def _find_class(text: str, qualname: str):
    names = [n for n in qualname.split(".") if n != "<locals>"]
    candidates: list[ast.AST] = [ast.parse(text)] if text else []
    for name in names:
        candidates = [
            inner
            for outer in candidates
            for inner in ast.walk(outer)
            if inner is not outer
            and isinstance(inner, (ast.ClassDef, ast.FunctionDef))
            and inner.name == name
        ]
    if not candidates or not isinstance(candidates[-1], ast.ClassDef):
        return None
    node = candidates[-1]
    lines = text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
    return node, "".join(lines), node.lineno
