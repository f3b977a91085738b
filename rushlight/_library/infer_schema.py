"""The schema of a function with type hints, where libraries look for it."""

from __future__ import annotations

from ..library import infer_schema

__all__ = ["infer_schema"]
