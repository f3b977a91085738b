"""torch._foreach_*: one operator over the tensors of a list, with operands shared or one for each.

`foreach(name)` makes the function of a name: `_foreach_add`, and in place `_foreach_add_`.
"""

from __future__ import annotations

from collections.abc import Callable

import rushlight as torch

from . import Tensor

_ALONE = set(
    """
    abs acos asin atan ceil clone cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p
    log2 max neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc zero
    """.split()
)
_WITH_OTHER = set("add sub mul div maximum minimum clamp_min clamp_max pow copy mm".split())
_WITH_TWO = {"addcmul", "addcdiv"}
_OUT_OF_PLACE_ONLY = {"clone", "max", "mm"}
_IN_PLACE_ONLY = {"zero", "copy"}


def foreach(name: str) -> Callable | None:
    """The function `torch.<name>`; None if PyTorch has none of that name."""
    operation = name[len("_foreach_") :]
    inplace = operation.endswith("_")
    operation = operation.rstrip("_")
    if operation in ("norm", "powsum") and not inplace:
        made = _norm if operation == "norm" else _powsum
    elif operation in (_OUT_OF_PLACE_ONLY if inplace else _IN_PLACE_ONLY):
        return None
    elif operation in _ALONE:
        made = _alone(operation, inplace)
    elif operation in _WITH_OTHER:
        made = _with_other(operation, inplace)
    elif operation in _WITH_TWO:
        made = _with_two(operation, inplace)
    elif operation == "lerp":
        made = _lerp(inplace)
    else:
        return None
    made.__name__ = made.__qualname__ = name
    return made


def _check(tensors, *lists) -> None:
    if not len(tensors):
        raise RuntimeError("Tensor list must have at least one tensor.")
    for others in lists:
        if not isinstance(others, (list, tuple)) or len(others) == len(tensors):
            continue
        if others and isinstance(others[0], Tensor):
            raise RuntimeError(
                "Tensor lists must have the same number of tensors, got "
                f"{len(tensors)} and {len(others)}"
            )
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")


def _each(operand, count: int):
    """An operand for every tensor: a list as it is, a number or a 0-d tensor for all."""
    if isinstance(operand, (list, tuple)):
        return operand
    if isinstance(operand, Tensor) and operand.dim():
        raise RuntimeError(
            f"scalar tensor expected to be 0 dim but it has {operand.dim()} dimensions and "
            f"{operand.numel()} elements."
        )
    return (operand,) * count


def _method(operation: str, inplace: bool) -> Callable:
    return getattr(Tensor, operation + "_" * inplace)


def _gathered(results, tensors, inplace: bool):
    results = tuple(results)
    return tensors if inplace else results


def _alone(operation: str, inplace: bool) -> Callable:
    call = _method(operation, inplace)

    def function(self):
        _check(self)
        return _gathered((call(t) for t in self), self, inplace)

    return function


_LIKE_TENSORS = {"maximum": "clamp_min", "minimum": "clamp_max"}


def _with_other(operation: str, inplace: bool) -> Callable:
    if operation in _LIKE_TENSORS:  # which take numbers as well
        operation = _LIKE_TENSORS[operation]
    call = _method(operation, inplace)

    def function(self, other, *, alpha=None, non_blocking=False):
        scale = {} if alpha is None else {"alpha": alpha}
        if not isinstance(self, (list, tuple)):  # a number to the power of each
            _check(other)
            return tuple(torch.pow(self, t) for t in other)
        _check(self, other)
        pairs = zip(self, _each(other, len(self)), strict=True)
        return _gathered((call(t, o, **scale) for t, o in pairs), self, inplace)

    return function


def _with_two(operation: str, inplace: bool) -> Callable:
    call = _method(operation, inplace)

    def function(self, tensor1, tensor2, value=1, *, scalars=None):
        value = value if scalars is None else scalars
        if isinstance(value, Tensor):
            value = value.tolist()
        _check(self, tensor1, tensor2, value)
        quads = zip(self, tensor1, tensor2, _each(value, len(self)), strict=True)
        return _gathered((call(t, a, b, value=v) for t, a, b, v in quads), self, inplace)

    return function


def _lerp(inplace: bool) -> Callable:
    call = _method("lerp", inplace)

    def function(self, tensors1, weights=None, *, weight=None):
        weights = weight if weights is None else weights
        _check(self, tensors1, weights)
        triples = zip(self, tensors1, _each(weights, len(self)), strict=True)
        return _gathered((call(t, end, w) for t, end, w in triples), self, inplace)

    return function


def _norm(self, ord=2, dtype=None):
    _check(self)
    return tuple(torch.linalg.vector_norm(t, ord, dtype=dtype) for t in self)


def _powsum(self, ord=2, dtype=None):
    _check(self)
    return tuple(t.abs().pow(ord).sum(dtype=dtype) for t in self)
