"""Print the requirements of one extra of pyproject.toml, one a line: extra.py check."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def requirements(name: str) -> list[str]:
    """The strings of `name = [...]`. Python 3.10 has no TOML reader, so the lines are read here."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    section = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    found = re.search(rf"^{re.escape(name)} = \[(.*?)\]", section, re.M | re.S)
    if not found:
        raise SystemExit(f"extra.py: pyproject.toml has no extra {name!r}")
    return re.findall(r'"([^"]+)"', found.group(1))


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
