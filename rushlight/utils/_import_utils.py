"""Whether modules are there, without importing them."""

from __future__ import annotations

import functools
from importlib.util import find_spec


def _check_module_exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


@functools.lru_cache
def dill_available() -> bool:
    """Whether dill is there."""
    return _check_module_exists("dill")


def import_dill():
    """dill, or None where it is missing."""
    if not dill_available():
        return None
    from importlib import import_module

    return import_module("dill")
