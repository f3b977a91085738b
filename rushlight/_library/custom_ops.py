"""Operators that users define, where libraries look for them."""

from __future__ import annotations

from ..library import CustomOpDef, custom_op

__all__ = ["CustomOpDef", "custom_op"]
