"""OpenMP, which shares loops among threads."""

from __future__ import annotations

from .. import _C


def is_available() -> bool:
    """Whether this build uses threads."""
    return bool(getattr(_C, "has_openmp", True))
