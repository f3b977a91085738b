"""map: a function of every slice along the first dim, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import Tensor, stack
from .._ops import HigherOrderOperator
from ..utils._pytree import tree_flatten, tree_unflatten


class MapImpl(HigherOrderOperator):
    """The function of each slice, and the results stacked."""

    def __init__(self):
        super().__init__("map_impl")

    def __call__(self, function, xs, args=()):
        leaves, spec = tree_flatten(xs)
        columns, out_spec = [], None
        for i in range(leaves[0].shape[0]):
            result = function(tree_unflatten([leaf[i] for leaf in leaves], spec), *args)
            found, out_spec = tree_flatten(result)
            columns.append(found)
        joined = [
            stack(rows) if isinstance(rows[0], Tensor) else rows[0]
            for rows in zip(*columns, strict=True)
        ]
        return tree_unflatten(joined, out_spec)


map_impl = MapImpl()


def map(f: Callable, xs: Any, *args: Any) -> Any:
    """`f(x, *args)` for every slice of `xs` along dim 0, stacked.

    xs: a tensor or a structure of tensors that are equally long.
    """
    leaves = tree_flatten(xs)[0]
    if not leaves or not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise RuntimeError(f"Mapped xs can only consist of tensors. Got xs {leaves}.")
    shapes = [leaf.shape for leaf in leaves]
    if any(not shape for shape in shapes):
        raise RuntimeError(f"Mapped xs must have at least one dim. Got shapes {shapes}.")
    if any(shape[0] == 0 for shape in shapes):
        raise RuntimeError("Leading dimensions of mapped xs cannot be 0.")
    if len({shape[0] for shape in shapes}) > 1:
        raise RuntimeError(
            f"Leading dimensions of mapped xs must be consistent. Got shapes {shapes}."
        )
    return map_impl(f, xs, args)
