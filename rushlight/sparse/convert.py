"""Between layouts: to_dense, coalesce, and to_sparse in all its forms."""

from __future__ import annotations

from .. import _C
from ..tensor.common import LAYOUTS
from .pattern import CompressedPattern, CooPattern, compress, number_groups, ravel, unravel
from .record import record
from .tensor import (
    COO,
    LAYOUT_NAMES,
    SparseTensor,
    build,
    construct,
    layout_name,
    values_of,
)

STRIDED = LAYOUTS["strided"]
Tensor = _C.Tensor


class Quiet:
    """No recording inside."""

    def __enter__(self):
        self.saved = _C.set_grad_enabled(False)

    def __exit__(self, *exc):
        _C.set_grad_enabled(self.saved)


def coalesce(x) -> Tensor:
    """The same COO tensor with sorted places, each stored once."""
    if x._sorted:
        return x
    with Quiet():
        made = _coalesced(x)
    record("CoalesceBackward0", (x,), (made,), lambda g: g)
    return made


def _coalesced(x):
    pattern, values = x._pattern, x._held
    places = pattern.linear()
    if pattern.sorted_unique():
        return build(pattern, values.clone(), True)
    distinct, inverse = number_groups(places)
    wide = values.to(_C.int64) if values.dtype is _C.bool else values
    total = wide.new_zeros((distinct.shape[0], *values.shape[1:]))
    total = total.index_add_(0, inverse, wide).to(values.dtype)
    indices = unravel(distinct, pattern.sizes)
    return build(CooPattern(COO, indices, pattern.shape, pattern.sparse_dim), total, True)


def prepared(x) -> Tensor:
    """A COO tensor whose values may carry gradients: coalesced where they do."""
    return coalesce(x) if x.is_sparse and _C.any_requires_grad((x,)) else x


def to_dense(x, dtype=None, masked_grad=None) -> Tensor:
    """The tensor with all its elements; the gradient is kept at stored places unless unmasked."""
    if not isinstance(x, SparseTensor):
        return x if dtype is None else x.to(dtype)
    with Quiet():
        made = x._pattern.scatter(x._held)
    masked = masked_grad is None or masked_grad

    def gradient(g):
        if not masked:
            return to_layout(g, x.layout, x._pattern)
        like = coalesce(x) if x.is_sparse else x
        return construct(like._pattern, like._pattern.gather(dense_of(g)), True)

    record("ToDenseBackward0", (x,), (made,), gradient)
    return made if dtype is None else made.to(dtype)


def dense_of(g) -> Tensor:
    """A gradient as a dense tensor."""
    return to_dense(g) if isinstance(g, SparseTensor) else g


def to_layout(g, layout, pattern):
    """A dense tensor in the layout and with the dims of a pattern."""
    if layout is COO:
        return to_coo(g, pattern.sparse_dim)
    return to_compressed(g, layout, pattern.block, len(pattern.dense_shape))


# -- to COO -------------------------------------------------------------------------------------


def to_coo(x, sparse_dim=None, name="ToSparseBackward1") -> Tensor:
    """A dense or sparse tensor as COO; the dims behind `sparse_dim` stay dense."""
    if isinstance(x, SparseTensor):
        return _sparse_to_coo(x, sparse_dim)
    sparse_dim = x.ndim if sparse_dim is None else sparse_dim
    if sparse_dim < 0 or sparse_dim > x.ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{x.ndim}] range, but {sparse_dim} "
            "is given"
        )
    if x.ndim and sparse_dim == 0:
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    with Quiet():
        seen = x.detach()
        stored = seen != 0
        if sparse_dim < x.ndim:
            stored = stored.flatten(sparse_dim).any(-1)
        indices = stored.nonzero().t().contiguous()
        pattern = CooPattern(COO, indices, x.shape, sparse_dim)
        made = build(pattern, pattern.gather(seen), True)
    record(name, (x,), (made,), dense_of)
    return made


def _sparse_to_coo(x, sparse_dim):
    if x.is_sparse:
        if sparse_dim not in (None, x._pattern.sparse_dim):
            raise RuntimeError(
                "to_sparse: conversion from Sparse to Sparse with sparse_dim argument "
                "!=self.sparse_dim() is not supported"
            )
        return x
    pattern = x._pattern
    dims = len(pattern.shape) - len(pattern.dense_shape)
    if sparse_dim not in (None, 2, dims):
        raise RuntimeError(
            f"sparse dim {sparse_dim} is not supported by sparse_csr_to_sparse: expected 2"
        )
    with Quiet():
        places = pattern.linear().reshape(-1)
        order = None
        if bool((places[1:] <= places[:-1]).any()):
            order = places.argsort(stable=True)
            places = places[order]
        indices = unravel(places, pattern.shape[:dims])
    values = values_of(x).reshape(places.shape[0], *pattern.dense_shape)
    values = values if order is None else values.index_select(0, order)
    made = CooPattern(COO, indices, pattern.shape, dims)
    return construct(made, values, True, "ToSparseBackward0")


# -- to the compressed layouts ------------------------------------------------------------------


def to_compressed(x, layout, block=None, dense_dim=None) -> Tensor:
    """A dense or sparse tensor in one of the compressed layouts."""
    name = "To" + "".join(part.capitalize() for part in layout.name.split("_")) + "Backward0"
    if isinstance(x, SparseTensor):
        return _sparse_to_compressed(x, layout, block, name)
    dense_dim = dense_dim or 0
    n = x.ndim - 2 - dense_dim
    if n < 0:
        raise IndexError(
            f"to_{layout.name}: expected a tensor with at least two dims besides the dense ones, "
            f"got {x.ndim} dims and dense_dim {dense_dim}"
        )
    check_block(layout, block, x.shape[n : n + 2])
    with Quiet():
        pattern = dense_pattern(x.detach(), layout, block, n, dense_dim)
        made = build(pattern, pattern.gather(x.detach()), True)
    record(name, (x,), (made,), dense_of)
    return made


def check_block(layout, block, matrix):
    """RuntimeError for block sizes that do not divide the matrix."""
    if layout.name not in ("sparse_bsr", "sparse_bsc"):
        return
    label = f"dense_to_{layout.name}"
    if block is None:
        raise RuntimeError(
            "dense_to_sparse: conversion from Strided to "
            f"{LAYOUT_NAMES[layout.name]} without blocksize argument given is not supported"
        )
    if min(block) < 1:
        raise RuntimeError(f"{label}: blocksize needs to be positive, but got {list(block)}")
    if matrix[0] % block[0] or matrix[1] % block[1]:
        raise RuntimeError(
            f"{label}: tensor sparse size ({matrix[0]},{matrix[1]}) must be divisible by given "
            f"blocksize ({block[0]},{block[1]})"
        )


def dense_pattern(x, layout, block, n, dense_dim):
    """The compressed pattern of what is not zero in a dense tensor with `n` batch dims."""
    from .. import cat

    stored = x != 0
    if dense_dim:
        stored = stored.flatten(x.ndim - dense_dim).any(-1)
    batch, (rows, cols) = tuple(x.shape[:n]), x.shape[n : n + 2]
    if block:
        grid = (*batch, rows // block[0], block[0], cols // block[1], block[1])
        stored = stored.reshape(grid).any(-1).any(-2)
    if layout.name in ("sparse_csc", "sparse_bsc"):
        stored = stored.transpose(-1, -2)
    counts = stored.sum(-1)
    per_matrix = counts.sum(-1).reshape(-1)
    if n and per_matrix.numel() and bool((per_matrix != per_matrix[0]).any()):
        raise RuntimeError("Expect the same number of specified elements per batch.")
    starts = cat((counts.new_zeros((*batch, 1)), counts.cumsum(-1)), -1)
    nnz = int(per_matrix[0].item()) if per_matrix.numel() else 0
    plain = stored.nonzero()[:, -1].reshape(*batch, nnz).contiguous()
    return CompressedPattern(layout, starts, plain, x.shape, block, dense_dim)


def _sparse_to_compressed(x, layout, block, name):
    if x.layout is layout and (block is None or block == x._pattern.block):
        return x
    if not x.is_sparse and (x._pattern.batch or x._pattern.dense_shape):
        return to_compressed(to_dense(x), layout, block, len(x._pattern.dense_shape))
    x = coalesce(to_coo(x))
    pattern = x._pattern
    if pattern.sparse_dim != 2:
        raise RuntimeError(
            f"coo_to_{layout.name}: conversion from Sparse to {LAYOUT_NAMES[layout.name]} for "
            f"input tensors with sparse_dim()!=2 is not supported: got {pattern.sparse_dim}"
        )
    check_block(layout, block, pattern.sizes)
    values, dense_dim = values_of(x), len(pattern.dense_shape)
    rows, cols = pattern.indices[0], pattern.indices[1]
    by_row = layout.name in ("sparse_csr", "sparse_bsr")
    if layout.name in ("sparse_bsr", "sparse_bsc"):
        return _blocks(x, layout, block, name)
    outer, inner = (rows, cols) if by_row else (cols, rows)
    if not by_row:
        order = outer.argsort(stable=True)
        outer, inner, values = outer[order], inner[order], values.index_select(0, order)
    starts = compress(outer, pattern.sizes[0 if by_row else 1])
    made = CompressedPattern(layout, starts, inner.contiguous(), pattern.shape, None, dense_dim)
    return construct(made, values, True, name)


def _blocks(x, layout, block, name):
    """A coalesced COO matrix in blocks: the values' places in the blocks, then one write."""
    pattern, (b0, b1) = x._pattern, block
    rows, cols = pattern.indices[0], pattern.indices[1]
    grid = (pattern.sizes[0] // b0, pattern.sizes[1] // b1)
    at = (rows // b0, cols // b1)
    if layout.name == "sparse_bsc":
        at, grid = at[::-1], grid[::-1]
    distinct, which = number_groups(at[0] * grid[1] + at[1])
    places = (which * b0 + rows % b0) * b1 + cols % b1
    values = values_of(x)
    count = distinct.shape[0]
    flat = values.new_zeros((count * b0 * b1, *values.shape[1:])).index_add(0, places, values)
    values = flat.reshape(count, b0, b1, *values.shape[1:])
    starts = compress(distinct // grid[1], grid[0])
    made = CompressedPattern(
        layout, starts, distinct % grid[1], pattern.shape, block, len(pattern.dense_shape)
    )
    return construct(made, values, True, name)


# -- masks --------------------------------------------------------------------------------------


def sparse_mask(x, mask) -> Tensor:
    """The values of `x` where `mask`, a sparse tensor, stores something."""
    if not isinstance(mask, SparseTensor):
        raise RuntimeError(
            "sparse_mask expected mask to have sparse layout but got " + layout_name(mask)
        )
    if tuple(x.shape) != tuple(mask.shape):
        raise RuntimeError(
            "sparse_mask(): operands have incompatible sizes; self has size "
            f"{list(x.shape)} but mask has size {list(mask.shape)}"
        )
    pattern = mask._pattern
    if isinstance(x, SparseTensor):
        values = _lookup(x, pattern) if x.is_sparse and mask.is_sparse else None
        values = pattern.gather(to_dense(x)) if values is None else values
    else:
        values = pattern.gather(x)
    return construct(pattern, values, mask._sorted, "SparseMaskBackward0")


def _lookup(x, pattern):
    """Values of a COO tensor at the places of another COO pattern, 0 where it has none."""
    x = coalesce(x)
    own = x._pattern
    if own.sparse_dim != pattern.sparse_dim:
        return None
    if own.same(pattern):
        return values_of(x)
    places, wanted = own.linear(), ravel(pattern.indices, pattern.sizes)
    pattern.check_range()
    values = values_of(x)
    if not own.nnz:
        return values.new_zeros(pattern.values_shape())
    from .. import searchsorted

    at = searchsorted(places, wanted).clamp(max=own.nnz - 1)
    found = places[at] == wanted
    picked = values.index_select(0, at)
    return picked * found.reshape(-1, *(1,) * (picked.ndim - 1)).to(picked.dtype)
