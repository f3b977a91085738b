"""Patterns of names: `*` stands for part of a segment, `**` for any number of segments."""

from __future__ import annotations

import re
from collections.abc import Iterable

GlobPattern = str | Iterable[str]


class GlobGroup:
    """Names that match one of `include` and none of `exclude`.

    `torch.**` matches `torch` and all below it, `torch.*` what is right below it.
    """

    def __init__(self, include: GlobPattern, *, exclude: GlobPattern = (), separator: str = "."):
        self._text = f"GlobGroup(include={include}, exclude={exclude})"
        self.include = self._glob_list(include, separator)
        self.exclude = self._glob_list(exclude, separator)
        self.separator = separator

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    def matches(self, candidate: str) -> bool:
        """Whether a name is meant."""
        candidate = self.separator + candidate
        return any(p.fullmatch(candidate) for p in self.include) and not any(
            p.fullmatch(candidate) for p in self.exclude
        )

    @staticmethod
    def _glob_list(elems: GlobPattern, separator: str = ".") -> list[re.Pattern]:
        patterns = [elems] if isinstance(elems, str) else elems
        return [GlobGroup._glob_to_re(p, separator) for p in patterns]

    @staticmethod
    def _glob_to_re(pattern: str, separator: str = ".") -> re.Pattern:
        # Every segment brings the separator in front of it; matches() puts one before the first.
        cut = re.escape(separator)
        parts = []
        for segment in pattern.split(separator):
            if segment == "**":
                parts.append(f"({cut}[^{cut}]+)*")
            elif "**" in segment:
                raise ValueError("** can only appear as an entire path segment")
            else:
                words = f"[^{cut}]*".join(re.escape(word) for word in segment.split("*"))
                parts.append(cut + words)
        return re.compile("".join(parts))
