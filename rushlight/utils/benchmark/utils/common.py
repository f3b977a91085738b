"""Measurements: times of one task, what they say and how sure it is."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

__all__ = [
    "Measurement",
    "TaskSpec",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "trim_sigfig",
    "unit_to_english",
]

_MAX_DIGITS = 4  # more are noise on any machine
_CLOCK = 25e-9  # no clock is surer than that
_WARN, _ALARM = 0.1, 0.25  # of the interquartile range to the median


@dataclass(init=True, repr=False, eq=True, frozen=True)
class TaskSpec:
    """What is measured: the statement, its setup, and its names in tables."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or else the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else textwrap.indent(self.stmt, "  ")

    def setup_str(self) -> str:
        """The setup in words; nothing when there is none."""
        if self.setup == "pass" or not self.setup:
            return ""
        if "\n" in self.setup:
            return "setup:\n" + textwrap.indent(self.setup, "  ")
        return "setup: " + self.setup

    def summarize(self) -> str:
        """The task in a few lines."""
        return "\n".join(p for p in (self.title, self.description, self.setup_str()) if p)


@dataclass(init=True, repr=False)
class Measurement:
    """Times of several runs of a task; each run did it `number_per_run` times."""

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        # What a task is called may be asked of its measurement.
        if name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute {name!r}")

    @property
    def times(self) -> list[float]:
        """Seconds of doing it once, for each run."""
        return [t / self.number_per_run for t in self.raw_times]

    def _quantile(self, q: float) -> float:
        times = sorted(self.times)
        if not times:
            return -1.0
        place = q * (len(times) - 1)
        low = floor(place)
        high = min(low + 1, len(times) - 1)
        return times[low] + (times[high] - times[low]) * (place - low)

    @property
    def median(self) -> float:
        """The middle one of the times."""
        return self._quantile(0.5)

    @property
    def mean(self) -> float:
        """Their mean."""
        return sum(self.times) / len(self.times) if self.raw_times else -1.0

    @property
    def iqr(self) -> float:
        """The range that holds the middle half of them."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median can be trusted, from the spread and number of runs."""
        times = sorted(self.times)
        middle = times[len(times) // 4 : ceil(3 * len(times) / 4)]
        if not middle or not self.median:
            return _MAX_DIGITS
        mean = sum(middle) / len(middle)
        deviation = (sum((t - mean) ** 2 for t in middle) / len(middle)) ** 0.5
        # Nine tenths of a normal distribution lie within 1.645 standard deviations.
        error = max(1.645 * deviation / len(middle) ** 0.5, _CLOCK)
        return min(max(floor(-log10(error / self.median)), 1), _MAX_DIGITS)

    @property
    def has_warnings(self) -> bool:
        """Whether the spread is so wide that something disturbed the runs."""
        return bool(self._warning())

    def _spread(self) -> float:
        return self.iqr / self.median if self.median else 0.0

    def _warning(self) -> str:
        spread = self._spread()
        if len(self.raw_times) < 2 or spread < _WARN - 1e-12:
            return ""
        why = (
            "This suggests significant environmental influence."
            if spread >= _ALARM
            else "This could indicate system fluctuation."
        )
        return (
            f"  WARNING: Interquartile range is {spread * 100:.1f}% of the median measurement.\n"
            f"           {why}"
        )

    def meets_confidence(self, threshold: float = _WARN) -> bool:
        """Whether the spread is less than `threshold` of the median."""
        return self._spread() < threshold

    @property
    def title(self) -> str:
        """The task's title."""
        return self.task_spec.title

    @property
    def env(self) -> str:
        """Where it ran, as far as somebody said so."""
        return "Unspecified env" if self.task_spec.env is None else str(self.task_spec.env)

    @property
    def as_row_name(self) -> str:
        """What a table calls its row."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    def __repr__(self) -> str:
        count = len(self.raw_times)
        one = count == 1
        unit, scale = select_unit(self.median) if count else ("s", 1.0)
        lines = [super().__repr__(), self.task_spec.summarize()]
        lines.append(f"  {'Median: ' if not one else ''}{self.median / scale:.2f} {unit}")
        if count >= 4:
            low, high = (self._quantile(q) / scale for q in (0.25, 0.75))
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({low:.2f} to {high:.2f})")
        threads = self.task_spec.num_threads
        lines.append(
            f"  {count} measurement{'' if one else 's'}, {self.number_per_run} runs "
            f"{'per measurement' if not one else ''}, {threads} thread{'s' if threads > 1 else ''}"
        )
        if self._warning():
            lines.append(self._warning())
        return "\n".join(lines)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Put the runs of the same tasks together; their `number_per_run` becomes 1."""
        groups: dict[TaskSpec, list[Measurement]] = defaultdict(list)
        for measurement in measurements:
            groups[measurement.task_spec].append(measurement)
        return [
            Measurement(1, [t for m in group for t in m.times], task)
            for task, group in groups.items()
        ]


def select_unit(t: float) -> tuple[str, float]:
    """The unit that suits a time in seconds, and how many seconds it has."""
    power = floor(log10(t) / 3) if t > 0 else -3
    unit = {-3: "ns", -2: "us", -1: "ms"}.get(power, "s")
    return unit, {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[unit]


def unit_to_english(u: str) -> str:
    """The name of a unit."""
    return {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}[u]


def trim_sigfig(x: float, n: int) -> float:
    """`x` with `n` digits."""
    if n != int(n):
        raise AssertionError("n must be an integer")
    if x == 0:
        return 0.0
    scale = 10.0 ** (ceil(log10(abs(x))) - n)
    return float(round(x / scale) * scale)


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, in the order in which they came."""
    return list(dict.fromkeys(elements))


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Compute with `n` threads inside the block."""
    from .... import get_num_threads, set_num_threads

    before = get_num_threads()
    try:
        set_num_threads(n)
        yield
    finally:
        set_num_threads(before)
