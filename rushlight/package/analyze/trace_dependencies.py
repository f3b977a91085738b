"""Which modules a function runs code of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any


def trace_dependencies(
    callable: Callable[[Any], Any], inputs: Iterable[tuple[Any, ...]]
) -> list[str]:
    """The modules whose functions run while `callable` runs on each of the inputs."""
    found: set[str] = set()

    def note(frame, event, argument):
        if event == "call" and "__name__" in frame.f_globals:
            found.add(frame.f_globals["__name__"])

    try:
        sys.setprofile(note)
        for arguments in inputs:
            callable(*arguments)
    finally:
        sys.setprofile(None)
    return list(found)
