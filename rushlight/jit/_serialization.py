"""Where programs look for `save` and `load` of compiled modules."""

from __future__ import annotations

from ._archive import jit_module_from_flatbuffer, load, save, save_jit_module_to_flatbuffer

__all__ = ["jit_module_from_flatbuffer", "load", "save", "save_jit_module_to_flatbuffer"]
