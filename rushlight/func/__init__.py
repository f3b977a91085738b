"""Function transforms: derivatives and vectorised maps of functions, freely nested."""

from __future__ import annotations

from ._vmap import vmap

__all__ = ["vmap"]
