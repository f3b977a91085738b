"""Compare: measurements side by side, a row for each task and a column for each description."""

from __future__ import annotations

import itertools
from enum import Enum
from typing import Any

from . import common

__all__ = ["Colorize", "Compare"]

BEST, GOOD, BAD, VERY_BAD = "\033[92m", "\033[34m", "\033[2m\033[91m", "\033[31m"
BOLD, TERMINATE = "\033[1m", "\033[0m"


class Colorize(Enum):
    """What a time is compared with when it is coloured."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


def _coloured(segment: str, value: float, best: float) -> str:
    if value <= best * 1.01 or value <= best + 100e-9:
        return BEST + BOLD + segment + TERMINATE * 2
    if value <= best * 1.1:
        return GOOD + BOLD + segment + TERMINATE * 2
    if value >= best * 5:
        return VERY_BAD + BOLD + segment + TERMINATE * 2
    if value >= best * 2:
        return BAD + segment + TERMINATE * 2
    return segment


class Table:
    """The measurements of one label."""

    def __init__(
        self,
        results: list[common.Measurement],
        colorize: Colorize,
        trim_significant_figures: bool,
        highlight_warnings: bool,
    ):
        titles = {r.title for r in results}
        if len({r.task_spec.label for r in results}) != 1:
            raise AssertionError(f"All results must share the same label, got {titles}")
        self.results = results
        self._colorize = colorize
        self._trim = trim_significant_figures
        self._highlight = highlight_warnings
        self.label = results[0].task_spec.label or ""
        self.time_unit, self.time_scale = common.select_unit(min(r.median for r in results))
        self.row_keys = sorted(
            common.ordered_unique([self.row_fn(r) for r in results]), key=self._order
        )
        self.column_keys = common.ordered_unique([self.col_fn(r) for r in results])
        grid: dict[Any, list[common.Measurement]] = {}
        for result in results:
            grid.setdefault((self.row_fn(result), self.col_fn(result)), []).append(result)
        self.cells = {key: common.Measurement.merge(self._alike(g))[0] for key, g in grid.items()}

    @staticmethod
    def _alike(group):
        """Measurements of one cell, as of one task."""
        task = group[0].task_spec
        return [common.Measurement(1, m.times, task) for m in group]

    @staticmethod
    def row_fn(m: common.Measurement) -> tuple[int, str | None, str]:
        """What makes a row."""
        return m.task_spec.num_threads, m.task_spec.env, m.as_row_name

    @staticmethod
    def col_fn(m: common.Measurement) -> str | None:
        """What makes a column."""
        return m.task_spec.description

    def _order(self, key):
        threads, env, _ = key
        names = common.ordered_unique([r.as_row_name for r in self.results])
        environments = common.ordered_unique([r.task_spec.env for r in self.results])
        return threads, names.index(key[2]), environments.index(env)

    def _cell_texts(self, column: str | None) -> dict:
        """The numbers of a column, with the digits that they all need."""
        found = {
            row: self.cells[row, column] for row in self.row_keys if (row, column) in self.cells
        }
        digits = 1
        for cell in found.values():
            value = cell.median / self.time_scale
            exponent = f"{value:e}".partition("e")[2]
            digits = max(digits, cell.significant_figures - 1 - int(exponent)) if self._trim else 1
        texts = {}
        for row, cell in found.items():
            value = cell.median / self.time_scale
            if self._trim:
                value = common.trim_sigfig(value, cell.significant_figures)
            texts[row] = f"{value:.{digits if self._trim else 1}f}"
            if self._highlight and cell.has_warnings:
                texts[row] += f" (! {cell._spread() * 100:.0f}%)"
        width = max((len(t.partition(" ")[0]) for t in texts.values()), default=0)
        return {row: " " * (width - len(t.partition(" ")[0])) + t for row, t in texts.items()}

    def _best(self, row, column) -> float:
        if self._colorize is Colorize.ROWWISE:
            return min(c.median for (r, _), c in self.cells.items() if r == row)
        group = row[0]
        return min(c.median for (r, k), c in self.cells.items() if k == column and r[0] == group)

    def render(self) -> str:
        """The table as text."""
        environments = {env for _, env, _ in self.row_keys}
        show_env = len(environments) > 1
        width = max((len(str(env)) for env in environments if env), default=0)
        names = {}
        for row in self.row_keys:
            _, env, name = row
            shown = f"({env})".ljust(width + 4) if show_env and env else ""
            names[row] = f"  {shown}{name}" if show_env else f"      {name}"
        name_width = max([len(n) for n in names.values()])
        columns = []
        for key in self.column_keys:
            texts = self._cell_texts(key)
            title = key or ""
            columns.append((key, title, texts, max([len(title), *map(len, texts.values())])))
        header = " " * name_width
        for _, title, _, column_width in columns:
            header += f"  |  {title.center(column_width)}"
        lines = [header]
        overall = max(len(header), name_width)
        for threads, rows in itertools.groupby(self.row_keys, key=lambda row: row[0]):
            lines.append(f"{threads} threads: ".ljust(overall, "-"))
            for row in rows:
                line = names[row].ljust(name_width)
                for key, _, texts, column_width in columns:
                    text = texts.get(row, "")
                    padded = text.rjust(column_width)
                    if text and self._colorize is not Colorize.NONE:
                        value = self.cells[row, key].median
                        padded = _coloured(padded, value, self._best(row, key))
                    line += f"  |  {padded}"
                lines.append(line)
        title = (" " + self.label + " ") if self.label else "  "
        head = "[" + title.center(overall - 2, "-") + "]"
        unit = common.unit_to_english(self.time_unit)
        lines = [head, *lines, "", f"Times are in {unit}s ({self.time_unit})."]
        if self._highlight and any(c.has_warnings for c in self.cells.values()):
            lines.append(
                "(! XX%) Measurement has high variance, where XX is the IQR / median * 100."
            )
        return "\n".join(lines) + "\n"


class Compare:
    """Tables of measurements, one for each label."""

    def __init__(self, results: list[common.Measurement]):
        self._results: list[common.Measurement] = []
        self.extend_results(results)
        self._trim_significant_figures = False
        self._colorize = Colorize.NONE
        self._highlight_warnings = False

    def __str__(self) -> str:
        return "\n".join(self._render())

    def extend_results(self, results) -> None:
        """Add measurements; ValueError for anything else."""
        for result in results:
            if not isinstance(result, common.Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(result)}")
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Show only the digits that can be trusted."""
        self._trim_significant_figures = True

    def colorize(self, rowwise: bool = False) -> None:
        """Colour times by how they compare with the best of their column, or of their row."""
        self._colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Mark times with a wide spread."""
        self._highlight_warnings = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))

    def _render(self) -> list[str]:
        groups: dict[str | None, list[common.Measurement]] = {}
        for result in self._results:
            groups.setdefault(result.task_spec.label, []).append(result)
        return [
            Table(
                group, self._colorize, self._trim_significant_figures, self._highlight_warnings
            ).render()
            for group in groups.values()
        ]
