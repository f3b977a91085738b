"""torch.sparse.spdiags: a sparse matrix from its diagonals."""

from __future__ import annotations

from .. import _C
from ..tensor.common import LAYOUTS
from .convert import coalesce, to_compressed
from .pattern import arange
from .tensor import COO, coo


def spdiags(diagonals, offsets, shape, layout=None):
    """A 2-D sparse tensor with the rows of `diagonals` on the diagonals `offsets`.

    As in SciPy, the value in column j of a row of `diagonals` lands in column j of the matrix.
    """
    wanted = COO if layout is None else layout
    if wanted.name not in ("sparse_coo", "sparse_csr", "sparse_csc"):
        raise RuntimeError(
            "Only output layouts (Sparse, SparseCsc, and SparseCsr) are supported, got "
            f"{wanted.name}"
        )
    diagonals = diagonals.unsqueeze(0) if diagonals.ndim == 1 else diagonals
    offsets = offsets.unsqueeze(0) if offsets.ndim == 0 else offsets
    if len(shape) != 2:
        raise RuntimeError("Output shape must be 2d")
    if diagonals.ndim != 2:
        raise RuntimeError("Diagonals must be vector or matrix")
    if offsets.ndim != 1:
        raise RuntimeError("Offsets must be scalar or vector")
    if offsets.dtype is not _C.int64:
        raise RuntimeError(f"Offset Tensor must have dtype Long but got {offsets.dtype}")
    if diagonals.shape[0] != offsets.shape[0]:
        raise RuntimeError(
            f"Number of diagonals ({diagonals.shape[0]}) does not match the number of offsets "
            f"({offsets.shape[0]})"
        )
    if offsets.unique().numel() != offsets.numel():
        raise RuntimeError("Offset tensor contains duplicate values")
    col = arange(diagonals.shape[1]).expand(tuple(diagonals.shape))
    row = col - offsets.unsqueeze(1)
    inside = ((row >= 0) & (row < shape[0]) & (col < shape[1])).reshape(-1)
    kept = inside.nonzero().reshape(-1)
    from .. import stack

    indices = stack((row.reshape(-1)[kept], col.reshape(-1)[kept]))
    made = coo(indices, diagonals.reshape(-1).index_select(0, kept), tuple(shape))
    return made if wanted is COO else to_compressed(coalesce(made), LAYOUTS[wanted.name])
