"""Element-wise operators: the lanes are one more broadcast dim in front."""

from __future__ import annotations

import rushlight as torch

from ... import _C
from ._lanes import Lanes, Tensor, aligned, has_lanes, rank, rule, written
from .fallback import loop


def _like_a_lane(x):
    """A tensor with the dtype and the dims of a lane, for promotion."""
    if type(x) is not Lanes:
        return x
    x = x.tensor
    return x.select(0, 0) if x.shape[0] else x.new_empty(x.shape[1:])


def promotion(operands):
    """The dtype that lanes without dims must be cast to first, or None.

    Such a lane counts for little in promotion, which the batch of them would not.
    """
    scalar, dtypes = False, set()
    for x in operands:
        if type(x) is Lanes:
            scalar = scalar or x.tensor.ndim == 1
            dtypes.add(x.tensor.dtype)
        elif isinstance(x, Tensor):
            dtypes.add(x.dtype)
    if not scalar or len(dtypes) < 2:
        return None
    return _C.result_type(*[_like_a_lane(x) for x in operands if x is not None])


def lined_up(operands, dtype=None):
    """The operands as tensors that broadcast, the lanes in front of the highest rank."""
    top = max(map(rank, operands))
    made = [aligned(x, top) for x in operands]
    if dtype is None:
        return made
    return [
        m.to(dtype) if type(x) is Lanes and x.tensor.ndim == 1 else m
        for x, m in zip(operands, made, strict=True)
    ]


def pointwise(n):
    """The rule of operators whose first `n` parameters are operands."""

    def run(op, size, *args, **kwargs):
        rest = args[n:]
        if has_lanes(rest) or kwargs and has_lanes(tuple(kwargs.values())):
            return loop(op, size, *args, **kwargs)
        if n == 1:
            return op(args[0].tensor, *rest, **kwargs)
        operands = args[:n]
        return op(*lined_up(operands, promotion(operands)), *rest, **kwargs)

    return run


@rule("where")
def where(op, size, condition, input, other):
    """The condition takes no part in promotion."""
    dtype = promotion([input, other])
    condition, *rest = lined_up([condition, input, other])
    if dtype is not None:
        rest = [x.to(dtype) if isinstance(x, Tensor) else x for x in rest]
    return op(condition, *rest)


@rule("masked_fill")
def masked_fill(op, size, input, mask, value):
    """A value that all lanes share stays as it is; others are chosen element by element."""
    if type(value) is not Lanes:
        return op(*lined_up([input, mask]), value)
    x, mask, value = lined_up([input, mask, value])
    return written(op, input, torch.where(mask, value.to(x.dtype), x))
