"""`vmap` where PyTorch kept it before `torch.func`; libraries still import it from here."""

from __future__ import annotations

from typing import Any

from . import _C
from ._warn import warn
from .func import vmap as _over_lanes


def vmap(func, in_dims: Any = 0, out_dims: Any = 0):
    """`torch.vmap`, under its old name."""
    warn("Please use torch.vmap instead of torch._vmap_internals.vmap.", FutureWarning)
    return _vmap(func, in_dims, out_dims)


def _vmap(func, in_dims: Any = 0, out_dims: Any = 0, allow_none_pass_through: bool = False):
    """`torch.vmap`; with `allow_none_pass_through` results that are None stay None."""
    if not allow_none_pass_through:
        return _over_lanes(func, in_dims, out_dims)
    absent: list[bool] = []

    def filled(*lanes):
        out = func(*lanes)
        results = out if isinstance(out, tuple) else (out,)
        absent[:] = [r is None for r in results]
        results = tuple(_C.from_data([], None) if r is None else r for r in results)
        return results if isinstance(out, tuple) else results[0]

    def batched(*args):
        out = _over_lanes(filled, in_dims, out_dims)(*args)
        if isinstance(out, tuple):
            return tuple(None if gone else r for r, gone in zip(out, absent, strict=True))
        return None if absent[0] else out

    return batched
