"""Looking into wrapped tensors, and functions without mutation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _C
from ._vmap import name_of

Tensor = _C.Tensor


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a tensor stands for inside a transform, to print it; without recurse one level out.

    Never compute with it: that would mix lanes up, and derivatives would miss it.
    """
    while True:
        held = _C.unwrap_lanes(tensor, None)
        if held is None:
            return tensor
        tensor = held[0]
        if not recurse:
            return tensor


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """The function that gives the results of `func`, whatever that writes in place.

    PyTorch rewrites mutations for its compilers. Here every operator that writes is recorded and
    batched as it is, so there is nothing to rewrite: the function runs as it stands.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='{remove}'): Invalid value for keyword argument `remove`. "
            "Valid values are: remove='mutations', remove='mutations_and_views'"
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    wrapped.__name__ = name_of(func)
    return wrapped
