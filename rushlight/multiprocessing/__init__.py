"""The standard library's multiprocessing, with tensors that travel as shared memory."""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403, every name of the original is one of ours too

from .. import _sharing
from . import reductions
from .spawn import (
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

reductions.init_reductions()


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes."""
    return set(_sharing.STRATEGIES)


def get_sharing_strategy() -> str:
    """How memory is shared from now on."""
    return _sharing.strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Share memory by open descriptors, or by names in /dev/shm, which need no descriptors."""
    if new_strategy not in _sharing.STRATEGIES:
        raise AssertionError(
            f"invalid sharing strategy {new_strategy!r}, expected one of "
            f"{sorted(_sharing.STRATEGIES)}"
        )
    if new_strategy == "file_system":
        # Started before the processes that are to share it.
        from multiprocessing.resource_tracker import ensure_running

        ensure_running()
    _sharing.strategy = new_strategy


__all__ += [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "spawn",
    "start_processes",
]
