"""Tools around tensors and modules; each part loads when it is first used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec


def __getattr__(name: str):
    path = f"{__name__}.{name}"
    if not name.startswith("__") and find_spec(path) is not None:
        return import_module(path)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def swap_tensors(t1, t2) -> None:
    """Let two tensors change what they are and keep who they are: contents, classes, attributes.

    RuntimeError when somebody refers to one weakly, when a graph leads to one, or when their
    classes have different slots.
    """
    from .. import _C

    def slots(kind):
        return {name for base in kind.__mro__ for name in getattr(base, "__slots__", ())}

    if slots(type(t1)) != slots(type(t2)):
        raise RuntimeError("Cannot swap t1 and t2 if they have different slots")
    _C.swap_tensors(t1, t2)


def get_cpp_backtrace(frames_to_skip: int = 0, maximum_number_of_frames: int = 64) -> str:
    """The C++ frames of this thread: none are kept, an empty text."""
    return ""


def set_module(obj, mod: str) -> None:
    """Say that `obj` is defined in module `mod`."""
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod
