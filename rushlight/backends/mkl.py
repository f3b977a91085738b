"""Intel MKL, which this implementation does not use."""

from __future__ import annotations


def is_available() -> bool:
    """Whether this build has MKL."""
    return False
