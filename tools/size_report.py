"""How much there is to read: lines of Python and C++ by folder, and what is too long.

Code lines count neither blank lines nor comments. The exit status is 1 when a file or a function
is longer than the limits, so growth shows up before it is merged.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE_LIMIT = 600  # physical lines; near 400 is the aim
FUNCTION_LIMIT = 110  # lines of one Python function; under 40 is the aim
# Files that were longer when the limit came. They may shrink, not grow.
LONGER: dict[str, int] = {}


def sources(root: Path = ROOT) -> list[Path]:
    """The Python and C++ files of the package, its kernels, tools, examples, tests, benchmarks."""
    folders = ["rushlight", "csrc", "tools", "examples", "bench", "tests"]
    found = [p for f in folders for p in sorted((root / f).rglob("*")) if p.is_file()]
    return [p for p in found if p.suffix in (".py", ".cpp", ".h") and "__pycache__" not in p.parts]


def code_lines(path: Path) -> int:
    """Lines that are neither blank nor only a comment."""
    mark = "#" if path.suffix == ".py" else "//"
    lines = (line.strip() for line in path.read_text().splitlines())
    return sum(1 for line in lines if line and not line.startswith(mark))


def long_functions(path: Path) -> list[tuple[str, int]]:
    """(name, lines) of the Python functions beyond the limit."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LIMIT:
                found.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length))
    return found


def too_long(files: list[Path]) -> list[tuple[str, int]]:
    """(what, lines) of every file and function beyond its limit."""
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        lines = len(path.read_text().splitlines())
        if lines > LONGER.get(name, FILE_LIMIT):
            found.append((name, lines))
        if path.suffix == ".py":
            found += long_functions(path)
    return found


def main() -> int:
    files = sources()
    totals: Counter[tuple[str, str]] = Counter()
    for path in files:
        parts = path.relative_to(ROOT).parts
        folder = "/".join(parts[: 2 if len(parts) > 2 else 1])
        totals[folder, "Python" if path.suffix == ".py" else "C++"] += code_lines(path)
    for (folder, language), lines in sorted(totals.items()):
        print(f"{lines:>7,}  {language:<6}  {folder}")
    for language in ("Python", "C++"):
        package = sum(
            n
            for (folder, kind), n in totals.items()
            if kind == language and folder.split("/")[0] in ("rushlight", "csrc")
        )
        print(f"{package:>7,}  {language:<6}  in the package")
    long = too_long(files)
    for what, lines in long:
        print(f"too long: {what}: {lines} lines")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
