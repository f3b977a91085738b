"""NVIDIA's profilers, which need a build with CUDA."""

from __future__ import annotations

from contextlib import contextmanager

from . import check_error, cudart
from ._refused import refusing

__all__ = ["check_error", "cudart", "profile", "start", "stop"]

start = refusing("start", "Let the profiler collect")
stop = refusing("stop", "Let the profiler stop collecting")


@contextmanager
def profile():
    """Collect within a `with` block; AssertionError without CUDA."""
    start()
    try:
        yield
    finally:
        stop()
