"""Quantised computation, which this implementation does not have."""

from __future__ import annotations

from ._settings import settings_module

supported_engines = ["none"]
settings_module(__name__, engine="none")
