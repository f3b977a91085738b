"""What `importlib.metadata` answers about PyTorch while the alias is active."""

from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path
from typing import Any


class _Stated(Distribution):
    """A distribution that is nothing but a name and a version."""

    def __init__(self, name: str, version: str) -> None:
        self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        self._top = name

    def read_text(self, filename: Any) -> str | None:
        if str(filename) == "METADATA":
            return self._text
        return f"{self._top}\n" if str(filename) == "top_level.txt" else None

    def locate_file(self, path: Any) -> Any:
        return Path(__file__).parent / path


def distribution(name: str, version: str) -> Distribution:
    """The distribution `name` in the given version."""
    return _Stated(name, version)
