"""Runs a program twice, once under Python's profiler and once under ours, and prints both."""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
from io import StringIO
from types import CodeType
from typing import Any

_TOP = 15
_LINE = "-" * 80


def compiled(path: str) -> tuple[CodeType, dict[str, Any]]:
    """A program's code and the globals that it runs with."""
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    return code, {"__file__": path, "__name__": "__main__", "__package__": None, "__cached__": None}


def python_part(code: CodeType, globals: dict[str, Any]) -> str:
    """The functions that took most time."""
    profiler = cProfile.Profile()
    try:
        profiler.runctx(code, globals, None)
    except SystemExit:  # a program may end so
        profiler.disable()
    stream = StringIO()
    stats = pstats.Stats(profiler, stream=stream).sort_stats("tottime")
    stats.print_stats(_TOP)
    return stream.getvalue()


def autograd_part(code: CodeType, globals: dict[str, Any]) -> str:
    """The operators that took most time."""
    from ...autograd.profiler import profile

    with profile() as recorded:
        try:
            exec(code, globals, None)
        except SystemExit:  # a program may end so
            sys.stdout.flush()
    averages = recorded.key_averages()
    return averages.table(sort_by="self_cpu_time_total", row_limit=_TOP)


def heading(title: str) -> str:
    """A title between lines."""
    return f"{_LINE}\n  {title}\n{_LINE}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="bottleneck",
        description="Runs a program twice, under cProfile and under autograd's profiler, and "
        "prints what took most time in each. The program must end in finite time.",
    )
    parser.add_argument("scriptfile", help="path to the program")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="its arguments")
    options = parser.parse_args()
    sys.argv = [options.scriptfile, *options.args]
    sys.path.insert(0, os.path.dirname(os.path.abspath(options.scriptfile)))
    from ..collect_env import get_pretty_env_info

    print("Running environment analysis...")
    environment = get_pretty_env_info().partition("\n\nCPU:")[0]
    print("Running your script with cProfile")
    by_function = python_part(*compiled(options.scriptfile))
    print("Running your script with the autograd profiler...")
    by_operator = autograd_part(*compiled(options.scriptfile))
    operators = f"        top {_TOP} events sorted by self_cpu_time_total\n"
    for part in (
        heading("Environment Summary"), environment + "\n", heading("cProfile output"),
        by_function, heading("autograd profiler output (CPU mode)"), operators, by_operator,
    ):  # fmt: skip
        print(part)


if __name__ == "__main__":
    main()
