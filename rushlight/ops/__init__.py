"""Every operator family: each module of this folder declares its own when imported here."""

from __future__ import annotations

import gc
import os

# What is declared stays: the collector would look through it in vain, for a tenth of the time. So
# it pauses, and then finds all of it in the oldest generation.
_collects = gc.isenabled()
gc.disable()
try:
    for _name in sorted(os.listdir(os.path.dirname(__file__))):
        if _name.endswith(".py") and not _name.startswith("__"):
            __import__(f"{__name__}.{_name[:-3]}")
finally:
    if gc.get_freeze_count() == 0:
        gc.freeze()
        gc.unfreeze()
    if _collects:
        gc.enable()

loaded_libraries: set[str] = set()


def load_library(path: str) -> None:
    """Load a shared library for the operators that it registers; OSError when it cannot be."""
    import ctypes

    path = os.path.abspath(path)
    try:
        ctypes.PyDLL(path)
    except OSError as error:
        raise OSError(f"Could not load this library: {path}") from error
    loaded_libraries.add(path)


def __getattr__(name: str):
    """`torch.ops.<namespace>`: PyTorch's names, or what users define with `torch.library`."""
    if name == "aten":
        from .._aten import aten

        return aten
    if name == "higher_order":
        from .._higher_order_ops._namespace import higher_order

        return higher_order
    if name == "torchvision":
        from ..vision.ops import _namespace

        return _namespace
    if name.startswith("_"):
        raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
    from ..library._ops import Namespace

    return Namespace(name)
