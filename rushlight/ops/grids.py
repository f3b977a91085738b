"""Matrices from diagonals and blocks, grids of coordinates, products and combinations."""

from __future__ import annotations

from .._lazy import np
from ..op import op, public
from .join import _two_dims, cat, stack


@op("torch.diag_embed Tensor.diag_embed")
class diag_embed:
    """Place the last dim on a diagonal of two new dims, zeros elsewhere."""

    def forward(input, offset=0, dim1=-2, dim2=-1):
        n = input.shape[-1] + abs(offset)
        out = np.zeros((*input.shape[:-1], n, n), input.dtype)
        at = np.arange(input.shape[-1])
        out[..., at + max(-offset, 0), at + max(offset, 0)] = input
        nd = out.ndim
        return np.moveaxis(out, (-2, -1), (dim1 % nd, dim2 % nd))

    def grad_input(g, offset, dim1, dim2):
        return g.diagonal(offset, dim1, dim2)

    def samples(make):
        yield (make(3),)
        yield make(2, 3), 1
        yield make(2, 3), -1, 0, 2


@public("torch.diag Tensor.diag")
def diag(input, diagonal=0, *, out=None):
    """The diagonal of a matrix, or a matrix with the vector on its diagonal."""
    if input.dim() == 1:
        return diag_embed(input, diagonal, out=out)
    if input.dim() != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.dim()}D")
    found = input.diagonal(diagonal)
    if out is None:
        return found.clone()
    return cat([found], 0, out=out)


@public("torch.diagflat Tensor.diagflat")
def diagflat(input, offset=0):
    """A matrix with the flattened input on a diagonal."""
    return diag_embed(input.reshape(-1), offset)


@op("", name="block_diag")
class _block_diag:
    """Matrices along a diagonal, zeros elsewhere, in one pass over the result."""

    def forward(tensors):
        y = np.zeros(np.sum([t.shape for t in tensors], 0), np.result_type(*tensors))
        row = column = 0
        for t in tensors:
            y[row : row + t.shape[0], column : column + t.shape[1]] = t
            row, column = row + t.shape[0], column + t.shape[1]
        return y

    def grad_tensors(g, tensors_shape):
        grads, row, column = [], 0, 0
        for m, n in tensors_shape:
            grads.append(g[row : row + m, column : column + n])
            row, column = row + m, column + n
        return grads

    def samples(make):
        yield ([make(2, 3), make(1, 4), make(3, 1)],)


@public("torch.block_diag")
def block_diag(*tensors):
    """A matrix with the given matrices along its diagonal, zeros elsewhere."""
    if not tensors:
        from .. import zeros

        return zeros(1, 0)
    blocks = []
    for i, t in enumerate(tensors):
        if t.dim() > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {t.dim()} dimensions"
            )
        blocks.append(_two_dims(t))
    return _block_diag(blocks)


@public("torch.meshgrid")
def meshgrid(*tensors, indexing=None):
    """Grids of coordinates from 1-d tensors: the i-th output varies along dim i ('ij').

    `indexing` 'xy' exchanges the first two dims.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        import warnings

        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the "
            "indexing argument.",
            stacklevel=2,
        )
        indexing = "ij"
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for t in tensors:
        if t.dim() > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}"
            )
        if t.dtype != tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = [t.numel() for t in tensors]
    grids = []
    for i, t in enumerate(tensors):
        view = [1] * len(tensors)
        view[i] = shape[i]
        grids.append(t.reshape(view).expand(shape))
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@public("torch.cartesian_prod")
def cartesian_prod(*tensors):
    """Every combination of one element of each 1-d tensor, as rows."""
    for t in tensors:
        if t.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack(meshgrid(*tensors, indexing="ij"), -1).reshape(-1, len(tensors))


@public("torch.combinations")
def combinations(input, r=2, with_replacement=False):
    """Combinations of length `r` of the elements of a vector, as rows."""
    from .. import arange

    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    n, again = input.numel(), 1 if with_replacement else 0
    places = arange(n)
    columns = [places]
    for _ in range(r - 1):  # every row goes on with each place behind its last one
        last = columns[-1]
        counts = n - 1 - last + again
        rows = places[: len(last)] if len(last) <= n else arange(len(last))
        rows = rows.repeat_interleave(counts)
        first = (counts.cumsum(0) - counts)[rows]
        columns = [c[rows] for c in columns]
        columns.append(arange(len(rows)) - first + columns[-1] + 1 - again)
    return stack([input.index_select(0, c) for c in columns], 1)
