"""Pipes of data: streams and sequences that are put together by methods."""

from . import iter, map

__all__ = ["iter", "map"]
