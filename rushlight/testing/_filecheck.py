"""FileCheck: whether a text holds what it should, in the order in which it should."""

from __future__ import annotations

import re

_PREFIXES = ("CHECK-NEXT", "CHECK-SAME", "CHECK-NOT", "CHECK-DAG", "CHECK-REGEX",
             "CHECK-SOURCE-HIGHLIGHTED", "CHECK")  # fmt: skip


def _marked(text: str, start: int, end: int) -> str:
    """The text with a line of ~~~ below the place."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    mark = " " * (start - line_start) + "~" * max(end - start, 1) + " <--- HERE"
    return text[:line_end] + "\n" + mark + text[line_end:]


class FileCheck:
    """Checks on a text that are made one after the other, each from where the last one ended.

    RuntimeError, with the place, from `run` when one fails.
    """

    def __init__(self):
        self._checks: list[tuple[str, str, int]] = []
        self._run = False

    def _add(self, kind: str, text: str, count: int = 1) -> FileCheck:
        self._checks.append((kind, text, count))
        return self

    def check(self, text: str) -> FileCheck:
        """It comes, somewhere behind."""
        return self._add("CHECK", text)

    def check_not(self, text: str) -> FileCheck:
        """It does not come before what is checked next."""
        return self._add("CHECK-NOT", text)

    def check_next(self, text: str) -> FileCheck:
        """It comes in the next line."""
        return self._add("CHECK-NEXT", text)

    def check_same(self, text: str) -> FileCheck:
        """It comes in the same line."""
        return self._add("CHECK-SAME", text)

    def check_count(self, text: str, count: int, exactly: bool = False) -> FileCheck:
        """It comes `count` times; with `exactly` not once more."""
        self._add(f"CHECK-COUNT-{count}", text, count)
        return self.check_not(text) if exactly else self

    def check_dag(self, text: str) -> FileCheck:
        """It comes, in any order among other such checks."""
        return self._add("CHECK-DAG", text)

    def check_regex(self, text: str) -> FileCheck:
        """What the regular expression matches comes."""
        return self._add("CHECK-REGEX", text)

    def check_source_highlighted(self, text: str) -> FileCheck:
        """It comes with ~~~ right below it."""
        return self._add("CHECK-SOURCE-HIGHLIGHTED", text)

    def _parse(self, checks: str) -> None:
        for line in checks.splitlines():
            found = re.match(r"\s*#\s*(CHECK[A-Z-]*?(?:COUNT-(?:EXACTLY-)?(\d+))?):\s*(.*)", line)
            if found is None:
                continue
            kind, count, text = found.groups()
            if count is not None:
                self.check_count(text, int(count), exactly="EXACTLY" in kind)
            elif kind in _PREFIXES:
                self._add(kind, text)
            else:
                raise RuntimeError(f"Could not parse check at: {line.strip()}")

    def run(self, *texts) -> None:
        """Make the checks on a text; with two, the first holds the checks in lines # CHECK: ..."""
        self._run = True
        if len(texts) == 2:
            self._parse(str(texts[0]))
        text = str(texts[-1])
        if not self._checks:
            raise RuntimeError(
                "No checks have been added to this instance ofFilecheck! Check for bad input."
            )
        position, pending, k = 0, [], 0
        while k < len(self._checks):
            kind, wanted, count = self._checks[k]
            if kind == "CHECK-NOT":
                pending.append(wanted)
                k += 1
                continue
            start, end, k = self._one(text, position, k)
            self._absent(text, position, start, pending)
            pending, position = [], end
        self._absent(text, position, len(text), pending)

    def _one(self, text: str, position: int, k: int) -> tuple[int, int, int]:
        """The place of check k, and the number of the next one."""
        kind, wanted, count = self._checks[k]
        if kind == "CHECK-DAG":
            ends, starts = [], []
            while k < len(self._checks) and self._checks[k][0] == "CHECK-DAG":
                at = self._find(text, position, "CHECK-DAG", self._checks[k][1])
                starts.append(at)
                ends.append(at + len(self._checks[k][1]))
                k += 1
            return min(starts), max(ends), k
        if kind == "CHECK-REGEX":
            match = re.compile(wanted).search(text, position)
            if match is None:
                raise RuntimeError(
                    f'Expected to find regex "{wanted}" but did not find it\n'
                    f"Searched string:\n{text[position:]}\nFrom CHECK-REGEX: {wanted}\n"
                )
            return match.start(), match.end(), k + 1
        if kind == "CHECK-SOURCE-HIGHLIGHTED":
            return *self._highlighted(text, position, wanted), k + 1
        start = first = self._find(text, position, kind, wanted)
        for _ in range(count - 1):
            start = self._find(text, start + len(wanted), kind, wanted)
        between = text[position:first]
        if kind == "CHECK-SAME" and "\n" in between:
            self._refuse(text, position + between.index("\n"), "\\n", f"{kind}: {wanted}")
        if kind == "CHECK-NEXT" and between.count("\n") != 1:
            if "\n" not in between:
                self._missing(text, "\\n", f"{kind}: {wanted}")
            second = position + between.index("\n", between.index("\n") + 1)
            self._refuse(text, second, "\\n", f"{kind}: {wanted}")
        return first, start + len(wanted), k + 1

    def _find(self, text: str, position: int, kind: str, wanted: str) -> int:
        at = text.find(wanted, position)
        if at < 0:
            self._missing(text, wanted, f"{kind}: {wanted}")
        return at

    @staticmethod
    def _missing(text: str, wanted: str, origin: str):
        raise RuntimeError(
            f'Expected to find "{wanted}" but did not find it\n'
            f"Searched string:\n{text}\nFrom {origin}\n"
        )

    @staticmethod
    def _refuse(text: str, at: int, wanted: str, origin: str):
        length = 1 if wanted == "\\n" else len(wanted)
        shown = text if wanted == "\\n" else _marked(text, at, at + length)
        raise RuntimeError(
            f'Expected to not find "{wanted}" but found it\n{shown}\nFrom {origin}\n'
        )

    def _absent(self, text: str, start: int, end: int, unwanted: list[str]) -> None:
        for wanted in unwanted:
            at = text.find(wanted, start, end)
            if at >= 0:
                self._refuse(text, at, wanted, f"CHECK-NOT: {wanted}")

    def _highlighted(self, text: str, position: int, wanted: str) -> tuple[int, int]:
        at = position
        while (at := text.find(wanted, at)) >= 0:
            line_start = text.rfind("\n", 0, at) + 1
            line_end = text.find("\n", at)
            below = text[line_end + 1 :].partition("\n")[0] if line_end >= 0 else ""
            column = at - line_start
            if below[column : column + len(wanted)] == "~" * len(wanted):
                return at, line_end + 1 + len(below)
            at += 1
        raise RuntimeError(
            f'Expected to find "{wanted}" highlighted but it is not.\n{text}\n'
            f"From CHECK-SOURCE-HIGHLIGHTED: {wanted}\n"
        )

    def __repr__(self) -> str:
        lines = [] if self._run else ["You have not run this instance of FileCheck!"]
        lines.append("FileCheck checks:")
        lines += [f"\t{kind}: {text}" for kind, text, _ in self._checks]
        return "\n".join(lines)
