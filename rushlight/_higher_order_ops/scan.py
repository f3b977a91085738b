"""scan: a function that hands a value from slice to slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import stack
from .._ops import HigherOrderOperator
from ..utils._pytree import tree_flatten, tree_unflatten
from .utils import check_same, leaves_along, refused


class ScanOp(HigherOrderOperator):
    """The last carried value, and the results of every slice stacked."""

    def __init__(self):
        super().__init__("scan")

    def __call__(self, combine_fn, init, xs, dim=0, reverse=False):
        held, carry_spec = tree_flatten(init)
        leaves, spec = tree_flatten(xs)
        carry, columns, out_spec = init, [], None
        count = leaves[0].shape[dim]
        for i in reversed(range(count)) if reverse else range(count):
            slices = tree_unflatten([leaf.select(dim, i) for leaf in leaves], spec)
            result = combine_fn(carry, slices)
            if not isinstance(result, (tuple, list)) or len(result) != 2:
                raise refused("scan", f"expected combine_fn to return (carry, y), got {result}")
            carry, made = result
            held = check_same("scan", "the carry", carry, held, carry_spec)
            found, out_spec = tree_flatten(made)
            columns.append(found)
        if reverse:
            columns.reverse()
        joined = [stack(rows, dim) for rows in zip(*columns, strict=True)]
        return carry, tree_unflatten(joined, out_spec)


scan_op = ScanOp()


def scan(
    combine_fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    *,
    dim: int = 0,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """`carry, y = combine_fn(carry, x)` over the slices of `xs`: (last carry, stacked y).

    The carry keeps its structure, shapes and dtypes. reverse: from the last slice to the first.
    """
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    if not isinstance(dim, int):
        raise RuntimeError(f"Dim must be an int, but got {type(dim)}")
    if not isinstance(reverse, bool):
        raise RuntimeError(f"Reverse must be a bool, but got {type(reverse)}")
    if not tree_flatten(init)[0]:
        raise RuntimeError("scan() operator requires init leaves.")
    leaves = tree_flatten(xs)[0]
    if not leaves:
        return init, []
    dim = dim % leaves[0].dim() if leaves[0].dim() else 0
    leaves_along("scan", xs, dim)
    return scan_op(combine_fn, init, xs, dim, reverse)
