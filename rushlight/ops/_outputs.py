"""out= of functions that end in several operators: one rule, which operators share."""

from __future__ import annotations

import sys

from .. import _C


def deliver(result, out, castable: bool = False, name: str | None = None):
    """The result, written to `out` if given: a tensor, or a tuple of as many as the result has.

    Its dtype must be the result's, or with `castable` one that the result can be cast to. Another
    shape is resized, with a warning unless `out` was empty. Errors have `name`, or else that of the
    calling function.
    """
    if out is None:
        return result
    name = name or sys._getframe(1).f_code.co_name
    if isinstance(result, _C.Tensor):
        return _C.store_out(name, result, out, castable)
    if not isinstance(out, (tuple, list)) or len(out) != len(result):
        raise TypeError(f"{name}(): out= must be a tuple of {len(result)} tensors: got {out!r}")
    pairs = list(zip(result, out, strict=True))
    # One that cannot be stored raises before any is written.
    refused = [p for p in pairs if not _fits(*p, castable)]
    for made, target in refused or pairs:
        _C.store_out(name, made, target, castable)
    return type(result)(out)


def _fits(made, target, castable: bool) -> bool:
    if not isinstance(target, _C.Tensor):
        return False
    return made.dtype is target.dtype or (castable and _C.can_cast(made.dtype, target.dtype))
