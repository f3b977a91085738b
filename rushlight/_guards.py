"""What compilers note while they look at a program: which fake tensors it runs on."""

from __future__ import annotations

from typing import Any

from . import _C


def active_fake_mode() -> Any:
    """The FakeTensorMode that is entered, or None."""
    from ._subclasses.fake_tensor import FakeTensorMode

    return next((i for i in reversed(_C.interpreters()) if isinstance(i, FakeTensorMode)), None)


def detect_fake_mode(inputs: Any = None) -> Any:
    """The FakeTensorMode that is entered, or that the inputs belong to."""
    from ._subclasses.fake_tensor import maybe_get_fake_mode
    from .utils._pytree import tree_leaves

    found = active_fake_mode()
    if found is not None:
        return found
    modes = (maybe_get_fake_mode(leaf) for leaf in tree_leaves(inputs))
    return next((mode for mode in modes if mode is not None), None)
