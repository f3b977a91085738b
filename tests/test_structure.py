"""The shape of the package: who may import whom, how long files are, what an import costs."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rushlight"

spec = importlib.util.spec_from_file_location("size_report", ROOT / "tools" / "size_report.py")
size_report = importlib.util.module_from_spec(spec)
spec.loader.exec_module(size_report)

# From the bottom to the top. A module may import what stands on its own layer or below while it
# is itself being imported; inside functions anything goes.
LAYERS = [
    ["_C", "_lazy", "version", "_errors"],
    ["op", "_device", "_number_limits", "_tensor_str", "data"],
    ["ops"],
    ["tensor", "_functions", "_utils", "_legacy", "_storage", "storage", "random", "types"],
    ["autograd"],
    ["amp"],
    [
        "linalg",
        "fft",
        "special",
        "backends",
        "cuda",
        "serialization",
        "multiprocessing",
        "overrides",
    ],
    ["utils", "nn", "testing", "masked", "array_api"],
    ["optim"],
]
LEVEL = {name: i for i, names in enumerate(LAYERS) for name in names}


def python_files():
    return [p for p in sorted(PACKAGE.rglob("*.py")) if "__pycache__" not in p.parts]


def top_of(path):
    """The module of the package's first level that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first[:-3] if first.endswith(".py") else first


def imported_at_load(path):
    """(line, first-level module of rushlight) of each import outside functions."""
    depth = len(path.relative_to(PACKAGE).parts) - 1
    found = []

    def visit(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                names = [a.name.split(".") for a in child.names]
                found.extend((child.lineno, n[1]) for n in names if n[0] == "rushlight" and n[1:])
            elif isinstance(child, ast.ImportFrom):
                module = (child.module or "").split(".")
                if child.level == 0 and module[0] == "rushlight":
                    parts = module[1:]
                elif child.level == depth + 1:
                    parts = [p for p in module if p]
                else:
                    parts = None  # the standard library, or inside its own first-level module
                if parts is not None:
                    tops = parts[:1] or [a.name for a in child.names]
                    found.extend((child.lineno, top) for top in tops)
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def test_imports_point_downward():
    wrong = []
    for path in python_files():
        own = top_of(path)
        if own == "__init__" or own not in LEVEL:
            continue
        for line, other in imported_at_load(path):
            if other != own and LEVEL.get(other, -1) > LEVEL[own]:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {own} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_the_package_never_imports_torch():
    pattern = re.compile(r"^\s*(import torch\b|from torch\b)", re.M)
    assert [str(p) for p in python_files() if pattern.search(code_of(p))] == []


def code_of(path):
    """The source without strings, where examples may well import torch."""
    tree = ast.parse(path.read_text())
    imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return "\n".join(ast.unparse(n) for n in imports if not getattr(n, "level", 0))


def test_files_and_functions_stay_within_the_limits():
    long = size_report.too_long(size_report.sources())
    assert not long, "\n".join(f"{what}: {lines} lines" for what, lines in long)


def test_every_public_function_and_class_of_the_package_has_a_docstring():
    missing = []
    for path in python_files():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                decorated = any("op(" in ast.unparse(d) or "public(" in ast.unparse(d)
                                for d in node.decorator_list)  # fmt: skip
                if decorated and not ast.get_docstring(node):
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not missing, "\n".join(missing)


MEASURE = """
import resource, sys, time
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, modules = memory(), set(sys.modules)
start = time.process_time()  # the machine may be busy
import rushlight
seconds = time.process_time() - start
new = set(sys.modules) - modules
print(seconds, memory() - before, len(new), *sorted(n for n in new if "." not in n))
"""


def measure_import(folder):
    """Processor seconds, bytes, number of modules and their first-level names of a fresh import."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # The package under test, whether it is installed or lies in the working tree.
    environment["PYTHONPATH"] = str(Path(rushlight.__file__).parent.parent)
    out = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    return float(out[0]), int(out[1]), int(out[2]), set(out[3:])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_import_is_quick_small_and_leaves_numpy_alone(tmp_path):
    runs = [measure_import(tmp_path) for _ in range(7)]
    assert "numpy" not in runs[0][3]
    assert not runs[0][3] & {"inspect", "dataclasses", "torch", "scipy", "matplotlib"}
    assert runs[0][2] < 200
    # The best of several: the first writes the bytecode.
    assert min(r[0] for r in runs) < 0.050
    assert min(r[1] for r in runs) < 30e6
