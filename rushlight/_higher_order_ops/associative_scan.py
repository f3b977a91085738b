"""associative_scan: running results of a function that may be bracketed in any way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import cat, stack, vmap
from .._ops import HigherOrderOperator
from ..utils._pytree import tree_flatten, tree_unflatten
from .utils import leaves_along


class AssociativeScanOp(HigherOrderOperator):
    """Running results along dim 0 of tensors, by a function of two lists of tensors.

    Neighbours are combined first; the running results of the pairs are every other result, and one
    more step gives those between (Blelloch, Prefix sums and their applications, 1990).
    """

    def __init__(self):
        super().__init__("associative_scan")

    def __call__(self, combine_fn, xs):
        count = xs[0].shape[0]
        if count < 2:
            return list(xs)
        pairs = combine_fn([x[:-1:2] for x in xs], [x[1::2] for x in xs])
        odd = self(combine_fn, pairs)
        if count == 2:
            return [cat([x[:1], o]) for x, o in zip(xs, odd, strict=True)]
        before = [o[:-1] for o in odd] if count % 2 == 0 else odd
        even = combine_fn(before, [x[2::2] for x in xs])
        even = [cat([x[:1], e]) for x, e in zip(xs, even, strict=True)]
        return [_interleaved(e, o) for e, o in zip(even, odd, strict=True)]


def _interleaved(even, odd):
    paired = stack([even[: len(odd)], odd], 1).flatten(0, 1)
    return paired if len(even) == len(odd) else cat([paired, even[-1:]])


associative_scan_op = AssociativeScanOp()


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
) -> Any:
    """Running results of `combine_fn(a, b)` over the slices of `xs` along `dim`.

    The function takes and returns slices in the structure of `xs`, and is associative: the order of
    brackets is not said. combine_mode: "generic"; "pointwise" is for CUDA and raises here.
    """
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    if not isinstance(dim, int):
        raise ValueError(f"Dim must be an int, but got {type(dim)}")
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(
            f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}"
        )
    first = tree_flatten(xs)[0]
    if not first:
        raise IndexError("associative_scan() requires at least one tensor in xs")
    dim = dim % first[0].dim() if first[0].dim() else 0
    leaves, spec = leaves_along("associative_scan", xs, dim, ValueError)
    if combine_mode == "pointwise":
        raise ValueError(
            "For combine_mode='pointwise', all input tensors need to be on CUDA or XPU"
        )

    def combined(a, b):
        def one(a, b):
            return tree_flatten(combine_fn(tree_unflatten(a, spec), tree_unflatten(b, spec)))[0]

        return vmap(one)(list(a), list(b))

    moved = [leaf.movedim(dim, 0) for leaf in leaves]
    moved = [leaf.flip(0) for leaf in moved] if reverse else moved
    results = associative_scan_op(combined, moved)
    results = [r.flip(0) for r in results] if reverse else results
    return tree_unflatten([r.movedim(0, dim) for r in results], spec)
