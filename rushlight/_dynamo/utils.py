"""Counts and helpers of torch.compile's front, which libraries import."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator

from . import config

# What was compiled, broken off and found again: nothing is, so all counts stay 0.
counters: defaultdict[str, Counter[str]] = defaultdict(Counter)
_warned: set[str] = set()


def warn_once(msg: str, stacklevel: int = 1) -> None:
    """Warn with a text, the first time that it comes."""
    if msg not in _warned:
        _warned.add(msg)
        warnings.warn(msg, stacklevel=stacklevel + 1)


@contextlib.contextmanager
def disable_cache_limit() -> Iterator[None]:
    """Within the block a function may be compiled any number of times."""
    with config.patch(recompile_limit=2**62, accumulated_recompile_limit=2**62):
        yield
