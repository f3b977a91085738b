"""Timer: like timeit's, with warm caches, one thread, and as many runs as the time allows."""

from __future__ import annotations

import ast
import timeit
from collections.abc import Callable
from enum import Enum
from textwrap import dedent, indent
from typing import Any, NoReturn

from . import common

__all__ = ["Language", "Timer", "timer"]


def timer() -> float:
    """Seconds, when all work that was started is done."""
    from .... import cuda

    if cuda.is_available() and cuda.is_initialized():
        cuda.synchronize()
    return timeit.default_timer()


class Language(Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


_TEMPLATE = """
#include <chrono>
#include <torch/extension.h>
%(global_setup)s
double run_timed(int64_t count) {
%(setup)s
  for (int64_t k = 0; k < count / 100 + 1; ++k) {  // warm up
%(stmt)s
  }
  const auto start = std::chrono::steady_clock::now();
  for (int64_t k = 0; k < count; ++k) {
%(stmt)s
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
"""


class CPPTimer:
    """Times a statement in C++: it is compiled by torch.utils.cpp_extension."""

    def __init__(
        self,
        stmt: str,
        setup: str,
        global_setup: str,
        timer: Callable[[], float],
        globals: dict[str, Any],
    ):
        if globals:
            raise ValueError("C++ timing does not support globals.")
        self._parts = {
            "stmt": indent(dedent(stmt), "    "),
            "setup": indent(dedent(setup), "  "),
            "global_setup": global_setup,
        }
        self._module: Any = None

    def timeit(self, number: int) -> float:
        """Seconds of `number` runs."""
        if self._module is None:
            import hashlib

            from ...cpp_extension import load_inline

            text = _TEMPLATE % self._parts
            name = "timer_" + hashlib.sha256(text.encode()).hexdigest()[:16]
            self._module = load_inline(name, text, functions=["run_timed"])
        return self._module.run_timed(number)


class Timer:
    """Measures a statement: `timeit`, `blocked_autorange` or `adaptive_autorange` run it.

    `label`, `sub_label`, `description` and `env` say where `Compare` puts the result;
    `num_threads` computes with so many threads; `language` may be "c++".
    """

    _timer_cls: type = timeit.Timer

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ):
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        self._globals = dict(globals or {})
        self._language: Language
        words = {"py": Language.PYTHON, "python": Language.PYTHON,
                 "cpp": Language.CPP, "c++": Language.CPP}  # fmt: skip
        found = language if isinstance(language, Language) else words.get(str(language).lower())
        if found is None:
            raise ValueError(f"Invalid language `{language}`.")
        self._language = found
        stmt, setup = dedent(stmt).strip("\n"), dedent(setup).strip("\n")
        extra: dict[str, Any] = {}
        kind = self._timer_cls
        if found is Language.PYTHON:
            if global_setup:
                raise ValueError(
                    f"global_setup is C++ only, got `{global_setup}`. Most "
                    "likely this code can simply be moved to `setup`."
                )
            import rushlight

            self._globals.setdefault("torch", rushlight)
        else:
            setup = "" if setup == "pass" else setup
            extra["global_setup"] = global_setup
            kind = CPPTimer
        stmt, setup = stmt.rstrip(), setup.rstrip()
        self._timer = kind(stmt=stmt, setup=setup, timer=timer, globals=self._globals, **extra)
        self._task_spec = common.TaskSpec(
            stmt=stmt, setup=setup, global_setup=global_setup, label=label, sub_label=sub_label,
            description=description, env=env, num_threads=num_threads,
        )  # fmt: skip

    def _timeit(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)  # a clock's tick

    def timeit(self, number: int = 1000000) -> common.Measurement:
        """Run it `number` times, after a few that are thrown away."""
        with common.set_torch_threads(self._task_spec.num_threads):
            self._timeit(number=max(int(number // 100), 2))
            return common.Measurement(
                number_per_run=number, raw_times=[self._timeit(number)], task_spec=self._task_spec
            )

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """Not offered, as in PyTorch: `blocked_autorange` repeats."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], NoReturn] | None = None) -> None:
        """Not offered, as in PyTorch: see `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _measure(
        self,
        number: int,
        enough: Callable[[list[float]], bool],
        min_run_time: float,
        max_run_time: float | None,
        callback: Callable[[int, float], Any] | None,
    ) -> list[float]:
        """Runs until they took `min_run_time` and are enough, or took `max_run_time`."""
        total, times = 0.0, []
        with common.set_torch_threads(self._task_spec.num_threads):
            while total < min_run_time or not enough(times):
                spent = self._timeit(number)
                times.append(spent)
                total += spent
                if callback:
                    callback(number, spent)
                if max_run_time is not None and total > max_run_time:
                    break
        return times

    def _estimate_block_size(self, min_run_time: float) -> int:
        """How often to run it at a time, so that reading the clock costs next to nothing."""
        with common.set_torch_threads(self._task_spec.num_threads):
            reading = sorted(self._timeit(0) for _ in range(5))[2]
            number = 1
            while True:
                spent = self._timeit(number)
                if spent > min_run_time:
                    break
                if reading <= spent * 1e-4 and spent >= min_run_time / 1000:
                    break
                number *= 10
        return number

    def blocked_autorange(
        self,
        callback: Callable[[int, float], NoReturn] | None = None,
        min_run_time: float = 0.2,
    ) -> common.Measurement:
        """Run it in blocks for at least `min_run_time` seconds; the blocks are the runs."""
        number = self._estimate_block_size(min_run_time)
        times = self._measure(number, lambda times: True, min_run_time, None, callback)
        return common.Measurement(number_per_run=number, raw_times=times, task_spec=self._task_spec)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], NoReturn] | None = None,
    ) -> common.Measurement:
        """Run it until the spread is less than `threshold` of the median, or time is up."""
        number = self._estimate_block_size(min_run_time=0.05)

        def enough(times: list[float]) -> bool:
            if len(times) <= 3:
                return False
            return common.Measurement(number, times, self._task_spec).meets_confidence(threshold)

        times = self._measure(number, enough, min_run_time, max_run_time, callback)
        return common.Measurement(number_per_run=number, raw_times=times, task_spec=self._task_spec)

    def collect_callgrind(
        self,
        number: int = 100,
        *,
        repeats: int | None = None,
        collect_baseline: bool = True,
        retain_out_file: bool = False,
    ) -> Any:
        """Count the instructions of `number` runs with valgrind: CallgrindStats.

        A tuple of them with `repeats`. OSError where valgrind is not installed; ValueError for
        statements that are not Python, or globals that cannot be handed to another process.
        """
        from .valgrind_wrapper.timer_interface import collect

        if self._language is not Language.PYTHON:
            raise ValueError("_collect_callgrind is only supported for Python statements here.")
        ast.parse(self._task_spec.stmt)
        found = tuple(
            collect(self._task_spec, self._globals, number, collect_baseline, retain_out_file)
            for _ in range(repeats or 1)
        )
        return found if repeats is not None else found[0]
