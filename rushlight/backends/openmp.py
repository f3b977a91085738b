"""OpenMP, which shares loops among threads."""

from __future__ import annotations


def is_available() -> bool:
    """Whether loops are shared among threads: always, the core is built with OpenMP."""
    return True
