"""Marks on the time line of NVIDIA's profilers, which need a build with CUDA."""

from __future__ import annotations

from contextlib import contextmanager


def _missing(*args, **kwargs):
    raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")


def range_push(msg: str):
    """Begin a nested range; RuntimeError without CUDA."""
    _missing()


def range_pop():
    """End the innermost range; RuntimeError without CUDA."""
    _missing()


def range_start(msg: str):
    """Begin a range; RuntimeError without CUDA."""
    _missing()


def range_end(range_id: int):
    """End a range; RuntimeError without CUDA."""
    _missing()


def mark(msg: str):
    """Mark a moment; RuntimeError without CUDA."""
    _missing()


@contextmanager
def range(msg: str, *args, **kwargs):
    """A range for the length of a `with` block; RuntimeError without CUDA."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
