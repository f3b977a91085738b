"""Loading the programs for one library, and graph texts in a form that two libraries share."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

_HERE = Path(__file__).parent


def load(name: str, library) -> types.ModuleType:
    """A file of programs, with `torch` standing for a library."""
    path = _HERE / f"{name}.py"
    text = path.read_text().replace("import rushlight as torch\n", "\n")
    module = types.ModuleType(f"{name}_{library.__name__}")
    module.__file__ = str(path)
    module.__dict__["torch"] = library
    sys.modules[module.__name__] = module
    exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def shape_of(graph) -> str:
    """A graph's text: constants where they are used, values numbered by appearance, no places."""
    constants: dict[str, str] = {}
    lines = []
    for line in re.sub(r" # .*", "", str(graph)).splitlines():
        found = re.match(r"\s*%([\w.]+) : (.*) = (prim::(?:Constant|Uninitialized).*)$", line)
        if found:
            constants[found[1]] = f"<{found[2]} {found[3].replace('prim::Constant', '')}>"
        else:
            lines.append(line)
    numbers: dict[str, str] = {}

    def renamed(match) -> str:
        name = match[1]
        return constants.get(name) or numbers.setdefault(name, f"%{len(numbers)}")

    text = "\n".join(re.sub(r"%([\w.]+)", renamed, line) for line in lines)
    text = re.sub(r"warn_id=\d+", "warn_id", text)
    return re.sub(
        r"___torch_mangle_\d+\.|_(?:torch|rushlight)\.",
        lambda m: "." if m[0][1] != "_" else "",
        text,
    )


def same(a, b) -> bool:
    """Whether two results are equal, tensors by their values."""
    if hasattr(a, "detach"):
        return hasattr(b, "detach") and a.shape == b.shape and bool(
            ((a == b) | ((a != a) & (b != b))).all()
        )  # fmt: skip
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or a != a)
