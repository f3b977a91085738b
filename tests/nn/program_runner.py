"""Small programs that must do the same under PyTorch and here: values, types, words, warnings.

A file of `programs/` holds programs parted by empty lines. Each statement that is an expression
gives one line of output: its value, or the class (and text) of what it raised. Beside it lies what
PyTorch gave, so that the tests run without it. A statement ending in `# differs` is not compared.

    python tests/nn/program_runner.py [NAME ...]     writes those files anew; needs PyTorch
"""

from __future__ import annotations

import ast
import copy
import importlib
import io
import json
import pickle
import re
import sys
import warnings
from collections import OrderedDict
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "programs"
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)")
ADDRESS = re.compile(r"0x[0-9a-f]+")


def programs(name):
    """The programs of a file."""
    text = (FOLDER / f"{name}.txt").read_text()
    return [part.strip("\n") for part in re.split(r"\n\s*\n(?=\S)", text) if part.strip()]


def golden(name):
    """What PyTorch gave for each program: lines and classes of warnings."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def shown(torch, value):
    """A value as text in which all that matters can be compared."""
    if isinstance(value, torch.Tensor) and not type(value).__name__.startswith("Uninitialized"):
        plain = value.detach()
        plain = plain.to_dense() if plain.is_sparse else plain
        if plain.dtype in (torch.bfloat16, torch.float16):
            plain = plain.float()
        kind = f"{type(value).__name__}{tuple(value.shape)} {value.dtype}"
        numbers = json.dumps(_rounded(plain.tolist()))
        return f"{kind}{' grad' if value.requires_grad else ''} {numbers}"
    if isinstance(value, dict):
        pairs = (f"{shown(torch, k)}: {shown(torch, v)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        kind = type(value).__name__ if hasattr(value, "_fields") else ""
        return kind + "(" + ", ".join(shown(torch, item) for item in value) + ")"
    return repr(value)


def _rounded(values):
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return float(f"{values:.6g}") if isinstance(values, float) else str(values)


class Run:
    """One program under one framework."""

    def __init__(self, framework, source):
        self.torch = importlib.import_module(framework)
        self.lines = []
        self.source = source.replace("import torch", f"import {framework}")
        self.source = self.source.replace("from torch", f"from {framework}")
        self.differs = {
            i for i, line in enumerate(source.splitlines(), 1) if line.endswith("# differs")
        }

    def add(self, *values):
        text = " ".join(v if isinstance(v, str) else shown(self.torch, v) for v in values)
        self.lines.append(ADDRESS.sub("0x", text.replace("rushlight", "torch")))

    def call(self, fn, *args, **kwargs):
        try:
            self.add(fn(*args, **kwargs))
        except Exception as error:
            self.add(f"!{type(error).__name__}: {error}")

    def go(self):
        """(lines, classes of warnings)."""
        torch = self.torch
        names = {
            "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np, "copy": copy,
            "pickle": pickle, "OrderedDict": OrderedDict, "io": io, "P": self.add, "T": self.call,
            "show": lambda value: shown(torch, value), "warnings": warnings,
        }  # fmt: skip
        torch.manual_seed(0)
        with warnings.catch_warnings(record=True) as caught, redirect_stdout(io.StringIO()):
            warnings.simplefilter("always")
            for statement in ast.parse(self.source).body:
                start = len(self.lines)
                self.run(statement, names)
                if statement.end_lineno in self.differs:
                    self.lines[start:] = ["..."]
        kinds = [w.category.__name__ for w in caught if "in prototype" not in str(w.message)]
        return self.lines, [k for k in kinds if k != "DeprecationWarning"]

    def run(self, statement, names):
        code = ast.unparse(statement)
        if not isinstance(statement, ast.Expr):
            try:
                exec(compile(code, "<program>", "exec"), names)
            except Exception as error:
                self.add(f"!!{type(error).__name__}: {error}")
            return
        try:
            value = eval(compile(code, "<program>", "eval"), names)
            if value is not None:
                self.add(value)
        except Exception as error:
            self.add(f"!{type(error).__name__}: {error}")


def same(want, got):
    """Whether two lines agree: numbers nearly, an error without text by its class."""
    if want == got:
        return True
    if want.startswith("!") and ":" not in want:
        return got.startswith(want + ":")
    if NUMBER.sub("#", want) != NUMBER.sub("#", got):
        return False
    pairs = zip(NUMBER.findall(want), NUMBER.findall(got), strict=True)
    return all(abs(float(a) - float(b)) <= 1e-5 + 2e-4 * abs(float(a)) for a, b in pairs)


def _agreed(want, got):
    """The line to keep, without the text of an error that we word differently; None if neither."""
    if same(want, got):
        return want
    kind = want.partition(":")[0]
    return kind if want.startswith("!") and got.startswith(kind + ":") else None


def write(name):
    """What both frameworks give, after a look that they agree."""
    kept, quarrels = [], 0
    for source in programs(name):
        want, heard = Run("torch", source).go()
        got, heard_here = Run("rushlight", source).go()
        lines = [_agreed(a, b) for a, b in zip(want, got, strict=False)]
        if len(want) != len(got) or None in lines or heard != heard_here:
            quarrels += 1
            print(f"--- {name}: {source[:200]}")
            for a, b in zip(want, got, strict=False):
                if _agreed(a, b) is None:
                    print(f"    torch      {a[:200]}\n    rushlight  {b[:200]}")
            if len(want) != len(got):
                print(f"    lines {len(want)} {len(got)}")
            if heard != heard_here:
                print(f"    warnings {heard} {heard_here}")
        kept.append([lines, heard])
    if quarrels:
        raise SystemExit(f"{name}: {quarrels} programs differ, nothing written")
    (FOLDER / f"{name}.json").write_text(json.dumps(kept, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.txt")):
        write(chosen)
