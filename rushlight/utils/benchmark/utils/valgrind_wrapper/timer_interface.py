"""Instructions of a statement, counted by valgrind's callgrind in a process of its own."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..common import TaskSpec

__all__ = ["CallgrindStats", "CopyIfCallgrind", "FunctionCount", "FunctionCounts"]


class FunctionCount(NamedTuple):
    """How many instructions a function ran."""

    count: int
    function: str


@dataclass(repr=False, eq=False, frozen=True)
class FunctionCounts:
    """Functions and their instructions, the most first."""

    _data: tuple[FunctionCount, ...]
    inclusive: bool
    truncate_rows: bool = True
    _linewidth: int | None = None

    def __iter__(self) -> Iterator[FunctionCount]:
        yield from self._data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, item: Any) -> Any:
        found = self._data[item]
        if isinstance(found, tuple) and not isinstance(found, FunctionCount):
            return FunctionCounts(found, self.inclusive, truncate_rows=False)
        return found

    def __repr__(self) -> str:
        width = max([len(str(count)) for count, _ in self._data] + [0])
        lines = [f"  {count:>{width}}  {function}" for count, function in self._data]
        if self.truncate_rows and len(lines) > 18:
            lines = [*lines[:9], "...".rjust(width + 2), *lines[-9:]]
        if not self.inclusive:
            lines += ["", f"Total: {self.sum()}"]
        return "\n".join([super().__repr__(), *lines])

    def __add__(self, other: FunctionCounts) -> FunctionCounts:
        return self._merge(other, lambda count: count)

    def __sub__(self, other: FunctionCounts) -> FunctionCounts:
        return self._merge(other, operator_neg)

    def __mul__(self, other: float) -> FunctionCounts:
        return self._from_dict({f: int(c * other) for c, f in self._data}, self.inclusive)

    def transform(self, map_fn: Callable[[str], str]) -> FunctionCounts:
        """Rename functions; those that get one name are added up."""
        counts: dict[str, int] = defaultdict(int)
        for count, function in self._data:
            counts[map_fn(function)] += count
        return self._from_dict(counts, self.inclusive)

    def filter(self, filter_fn: Callable[[str], bool]) -> FunctionCounts:
        """Keep the functions for which `filter_fn` is true."""
        kept = tuple(item for item in self._data if filter_fn(item.function))
        return FunctionCounts(kept, self.inclusive)

    def sum(self) -> int:
        """All instructions."""
        return sum(count for count, _ in self._data)

    def denoise(self) -> FunctionCounts:
        """Without the functions of Python's dictionaries, which depend on addresses."""
        return self.filter(lambda function: "dictobject.c:lookdict_unicode" not in function)

    def _merge(self, second: FunctionCounts, merge_fn: Callable[[int], int]) -> FunctionCounts:
        if self.inclusive != second.inclusive:
            raise AssertionError("Cannot merge inclusive and exclusive counts.")
        counts: dict[str, int] = defaultdict(int)
        for count, function in self._data:
            counts[function] += count
        for count, function in second._data:
            counts[function] += merge_fn(count)
        return self._from_dict(counts, self.inclusive)

    @staticmethod
    def _from_dict(counts: dict[str, int], inclusive: bool) -> FunctionCounts:
        found = (FunctionCount(count, function) for function, count in counts.items() if count)
        return FunctionCounts(tuple(sorted(found, reverse=True)), inclusive)


def operator_neg(count: int) -> int:
    """-count."""
    return -count


@dataclass(repr=False, eq=False, frozen=True)
class CallgrindStats:
    """What one run of `collect_callgrind` counted."""

    task_spec: TaskSpec
    number_per_run: int
    built_with_debug_symbols: bool
    baseline_inclusive_stats: FunctionCounts
    baseline_exclusive_stats: FunctionCounts
    stmt_inclusive_stats: FunctionCounts
    stmt_exclusive_stats: FunctionCounts
    stmt_callgrind_out: str | None

    def __repr__(self) -> str:
        runs = self.number_per_run
        all_, noise = self.counts(), self.baseline_exclusive_stats.sum()
        return (
            f"{super().__repr__()}\n{self.task_spec.summarize()}\n"
            f"  {'':>25}All{'':>10}Noisy symbols removed\n"
            f"    Instructions: {all_:>13}{self.counts(denoise=True):>29}\n"
            f"    Baseline:     {noise:>13}{self.baseline_exclusive_stats.denoise().sum():>29}\n"
            f"{runs} runs per measurement, {self.task_spec.num_threads} thread"
        )

    def stats(self, inclusive: bool = False) -> FunctionCounts:
        """The counts by function; inclusive ones hold what the function called."""
        return self.stmt_inclusive_stats if inclusive else self.stmt_exclusive_stats

    def counts(self, *, denoise: bool = False) -> int:
        """All instructions."""
        stats = self.stmt_exclusive_stats
        return (stats.denoise() if denoise else stats).sum()

    def delta(self, other: CallgrindStats, inclusive: bool = False) -> FunctionCounts:
        """What this ran more than `other`, by function."""
        return self.stats(inclusive) - other.stats(inclusive)

    def as_standardized(self) -> CallgrindStats:
        """With paths shortened, so that runs of different builds compare."""

        def shorten(function: str) -> str:
            return re.sub(r"^.*?/(site-packages|build)/", "", function)

        names = ("baseline_inclusive_stats", "baseline_exclusive_stats", "stmt_inclusive_stats",
                 "stmt_exclusive_stats")  # fmt: skip
        changed = {name: getattr(self, name).transform(shorten) for name in names}
        return CallgrindStats(**{**self.__dict__, **changed})


class CopyIfCallgrind:
    """A global that `collect_callgrind` may copy into its process; `setup` runs there before."""

    def __init__(self, value: Any, *, setup: str | None = None):
        pickle.dumps(value)  # TypeError or PicklingError where it cannot be copied
        self._value = value
        self._setup = setup

    @property
    def value(self) -> Any:
        """The value."""
        return self._value

    @property
    def setup(self) -> str | None:
        """What runs before it is copied."""
        return self._setup

    @staticmethod
    def unwrap_all(globals: dict[str, Any]) -> dict[str, Any]:
        """The values instead of what wraps them."""
        return {k: v.value if isinstance(v, CopyIfCallgrind) else v for k, v in globals.items()}


_SCRIPT = """
import ctypes, pickle, sys
import rushlight as torch
%(globals)s
torch.set_num_threads(%(threads)d)
def _run(_count):
    for _ in range(_count):
%(stmt)s
%(setup)s
_run(5)
_run(%(number)d)
"""


def _indent(text: str, depth: int) -> str:
    return "\n".join(" " * depth + line for line in text.splitlines()) or " " * depth + "pass"


def _script(task: TaskSpec, stmt: str, number: int, globals: dict, folder: str) -> str:
    lines = []
    for k, (name, value) in enumerate(globals.items()):
        if name == "torch":
            continue
        setup = value.setup if isinstance(value, CopyIfCallgrind) else None
        plain = value.value if isinstance(value, CopyIfCallgrind) else value
        path = os.path.join(folder, f"global{k}")
        try:
            with open(path, "wb") as file:
                pickle.dump(plain, file)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ValueError(
                f"`{name}` (type: {type(plain)}) cannot be copied into the process of Callgrind: "
                "make it in `setup`"
            ) from error
        lines += [setup] if setup else []
        lines.append(f"with open({path!r}, 'rb') as _file: {name} = pickle.load(_file)")
    # In one scope with the loop: what the setup defines is what the statement sees.
    return _SCRIPT % {
        "globals": "\n".join(lines),
        "setup": task.setup,
        "stmt": _indent(stmt, 8),
        "number": number,
        "threads": task.num_threads,
    }


def _count(script: str, folder: str, name: str, keep: str | None) -> FunctionCounts:
    path = os.path.join(folder, name + ".py")
    out = keep or os.path.join(folder, name + ".out")
    with open(path, "w") as file:
        file.write(script)
    environment = dict(os.environ, PYTHONHASHSEED="0", PYTHONMALLOC="malloc", RL_VALGRIND="1")
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-line=no",
               "--compress-strings=no", "--compress-pos=no", sys.executable, path]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise OSError(f"Failed to collect callgrind profile: {done.stderr[-2000:]}")
    return _read(out)


def _read(path: str) -> FunctionCounts:
    """The counts of callgrind's file: cost lines belong to the function named before them."""
    counts: dict[str, int] = defaultdict(int)
    file_name = function = ""
    skip = False
    with open(path, errors="replace") as lines:
        for line in lines:
            if line.startswith(("fl=", "fi=", "fe=")):
                file_name = line[3:].strip()
            elif line.startswith("fn="):
                function = f"{file_name}:{line[3:].strip()}"
            elif line.startswith("calls="):
                skip = True  # the next line is what the called function cost
            elif line[:1].isdigit() or line[:1] in "+-*":
                if not skip:
                    counts[function] += int(line.split()[-1])
                skip = False
    return FunctionCounts._from_dict(counts, inclusive=False)


def collect(
    task: TaskSpec, globals: dict[str, Any], number: int, baseline: bool, retain: bool
) -> CallgrindStats:
    """Count a task: the instructions of `number` runs, less those of as many empty ones."""
    if shutil.which("valgrind") is None:
        raise OSError("Could not find `valgrind`: install it (apt install valgrind)")
    keep = None
    if retain:
        handle, keep = tempfile.mkstemp(prefix="callgrind_out_")
        os.close(handle)
    with tempfile.TemporaryDirectory(prefix="callgrind_") as folder:
        whole = _count(_script(task, task.stmt, number, globals, folder), folder, "stmt", keep)
        start = _count(_script(task, task.stmt, 0, globals, folder), folder, "start", None)
        empty = FunctionCounts((), inclusive=False)
        if baseline:
            passes = _count(_script(task, "pass", number, globals, folder), folder, "empty", None)
            none = _count(_script(task, "pass", 0, globals, folder), folder, "none", None)
            empty = passes - none
    stats = whole - start
    return CallgrindStats(task, number, False, empty, empty, stats, stats, keep)
