"""Print the requirements of one extra of pyproject.toml, one a line: extra.py check.

`extra.py build` prints what the build needs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def requirements(name: str) -> list[str]:
    """The strings of `name = [...]`. Python 3.10 has no TOML reader, so the lines are read here."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    table = "build-system" if name == "build" else "project.optional-dependencies"
    key = "requires" if name == "build" else name
    section = text.split(f"[{table}]")[1].split("\n[")[0]
    found = re.search(rf"^{re.escape(key)} = \[(.*?)\]", section, re.M | re.S)
    if not found:
        raise SystemExit(f"extra.py: pyproject.toml has no extra {name!r}")
    return re.findall(r'"([^"]+)"', found.group(1))


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
