"""The standard library's multiprocessing, with tensors that travel as shared memory."""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403, every name of the original is one of ours too

from . import reductions
from ._spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]
__all__ += multiprocessing.__all__

_STRATEGIES = {"file_descriptor", "file_system"}
_strategy = "file_descriptor"

reductions.init_reductions()


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """The name last set."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Accept a strategy; memory is shared by descriptors under either name."""
    global _strategy
    if new_strategy not in _STRATEGIES:
        raise ValueError(
            f"set_sharing_strategy: got {new_strategy!r}, expected one of {sorted(_STRATEGIES)}"
        )
    _strategy = new_strategy


__all__ += [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "spawn",
    "start_processes",
]
