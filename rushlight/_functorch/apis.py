"""The transforms, where older code finds them."""

from __future__ import annotations

from ..func import grad, grad_and_value, vmap
from .utils import argnums_t, exposed_in
from .vmap import in_dims_t, out_dims_t, vmap_impl

__all__ = [
    "argnums_t", "chunk_vmap", "exposed_in", "grad", "grad_and_value", "in_dims_t", "out_dims_t",
    "vmap", "vmap_impl",
]  # fmt: skip


def chunk_vmap(func, in_dims: in_dims_t = 0, out_dims: out_dims_t = 0, randomness: str = "error",
               chunks: int = 2):  # fmt: skip
    """vmap in so many pieces, one after the other."""
    from ..utils._pytree import tree_flatten

    def wrapped(*args, **kwargs):
        dims = tree_flatten(in_dims)[0]
        size = next(
            a.shape[d] for a, d in zip(tree_flatten(args)[0], dims * len(args), strict=False)
            if d is not None
        )  # fmt: skip
        piece = -(-size // chunks)
        return vmap(func, in_dims, out_dims, randomness, chunk_size=piece)(*args, **kwargs)

    return wrapped
