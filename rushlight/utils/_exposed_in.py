"""Functions that say they are of another module."""

from __future__ import annotations

from .._functorch.utils import exposed_in

__all__ = ["exposed_in"]
