"""Rules of operators that move or pick elements: transpose, select, cat and their like."""

from __future__ import annotations

from .. import _C
from ..tensor.common import LAYOUTS
from .convert import prepared, to_coo
from .dispatch import compressed_rules, coo_rules, rule
from .pattern import CompressedPattern, CooPattern
from .record import record
from .tensor import COO, SparseTensor, build, construct, values_of

_OTHER_WAY = {
    LAYOUTS[a]: LAYOUTS[b]
    for a, b in (
        ("sparse_csr", "sparse_csc"),
        ("sparse_csc", "sparse_csr"),
        ("sparse_bsr", "sparse_bsc"),
        ("sparse_bsc", "sparse_bsr"),
    )
}


def _dim(dim, ndim):
    low = -max(ndim, 1)
    if not low <= dim < -low:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{low}, {-low - 1}], "
            f"but got {dim})"
        )
    return dim + ndim if dim < 0 else dim


def _made(indices, values, shape, ordered, name):
    pattern = CooPattern(COO, indices, shape, indices.shape[0])
    return construct(pattern, values, ordered, name)


@rule("transpose", coo_rules)
def transpose(input, dim0, dim1, name="TransposeBackward0"):
    order = list(range(input.ndim))
    a, b = _dim(dim0, input.ndim), _dim(dim1, input.ndim)
    if a == b:
        return input.clone()
    order[a], order[b] = order[b], order[a]
    return permute(input, order, name=name)


@rule("permute", coo_rules)
def permute(input, *dims, name="PermuteBackward0"):
    dims = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    x, pattern = input, input._pattern
    dims = [_dim(d, x.ndim) for d in dims]
    if sorted(dims) != list(range(x.ndim)):
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions, or a dim repeats: got {dims}"
        )
    n = pattern.sparse_dim
    if any(d >= n for d in dims[:n]):
        raise RuntimeError(
            "transpose: cannot exchange a sparse and a dense dimension: got the ordering "
            f"{dims} with {n} sparse dims"
        )
    values = x._held.detach()
    if dims[n:] != list(range(n, x.ndim)):
        values = values.permute([0, *(d - n + 1 for d in dims[n:])])
    kept = dims[:n] == list(range(n))
    indices = pattern.indices if kept else pattern.indices[dims[:n]]
    shape = [pattern.shape[d] for d in dims]
    made = build(CooPattern(COO, indices, shape, n), values, kept and x._sorted)
    back = sorted(range(len(dims)), key=dims.__getitem__)
    record(name, (x,), (made,), lambda g: g.permute(back))
    return made


@rule("t")
def t(input):
    if input.ndim > 2:
        dense = len(input._pattern.dense_shape)
        raise RuntimeError(
            "t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got "
            f"{input.ndim - dense} sparse and {dense} dense dimensions"
        )
    if input.ndim < 2:
        return input.clone()
    swap = transpose if input.is_sparse else transpose_compressed
    return swap(input, 0, 1, name="TBackward0")


@rule("transpose", compressed_rules)
def transpose_compressed(input, dim0, dim1, name="TransposeBackward0"):
    pattern = input._pattern
    n = len(pattern.batch)
    pair = {_dim(dim0, input.ndim), _dim(dim1, input.ndim)}
    if len(pair) == 1:
        return input.clone()
    if pair != {n, n + 1}:
        raise RuntimeError(
            "transpose(): can only transpose the two matrix dimensions of a sparse compressed "
            f"tensor: got dims {dim0} and {dim1}"
        )
    values = input._held.detach()
    block = pattern.block and pattern.block[::-1]
    if block:
        values = values.transpose(n + 1, n + 2).contiguous()
    shape = list(pattern.shape)
    shape[n], shape[n + 1] = shape[n + 1], shape[n]
    dense_dim = len(pattern.dense_shape)
    made = CompressedPattern(
        _OTHER_WAY[input.layout], pattern.compressed, pattern.plain, shape, block, dense_dim
    )
    made = build(made, values, True)
    record(name, (input,), (made,), lambda g: g.transpose(dim0, dim1))
    return made


@rule("unsqueeze", coo_rules)
def unsqueeze(input, dim):
    from .. import cat

    x, pattern, dim = input, input._pattern, _dim(dim, input.ndim + 1)
    shape = (*pattern.shape[:dim], 1, *pattern.shape[dim:])
    indices, values, n = pattern.indices, x._held.detach(), pattern.sparse_dim
    if dim <= n:
        row = indices.new_zeros((1, pattern.nnz))
        indices = cat((indices[:dim], row, indices[dim:]))
    else:
        values = values.unsqueeze(dim - n + 1)
    made = build(CooPattern(COO, indices, shape, indices.shape[0]), values, x._sorted)
    record("UnsqueezeBackward0", (x,), (made,), lambda g: g.select(dim, 0))
    return made


@rule("select")
def select(input, dim, index):
    dim = _dim(dim, input.ndim)
    size = input.shape[dim]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at "
            f"dimension {dim}"
        )
    index = index + size if index < 0 else index
    x = prepared(to_coo(input))
    pattern = x._pattern
    values, n = values_of(x), pattern.sparse_dim
    shape = (*pattern.shape[:dim], *pattern.shape[dim + 1 :])
    if dim >= n:
        picked = values.select(dim - n + 1, index)
        return _made(pattern.indices, picked, shape, x._sorted, "SelectBackward0")
    kept = (pattern.indices[dim] == index).nonzero().reshape(-1)
    picked = values.index_select(0, kept)
    if n == 1:
        return picked.sum(0)
    rows = [d for d in range(n) if d != dim]
    indices = pattern.indices[rows].index_select(1, kept)
    made = _made(indices, picked, shape, x._sorted, "SelectBackward0")
    return made.to_dense() if not shape else made


@rule("unbind", coo_rules)
def unbind(input, dim=0):
    dim = _dim(dim, input.ndim)
    return tuple(select(input, dim, i) for i in range(input.shape[dim]))


@rule("index_select", coo_rules)
def index_select(input, dim, index):
    """Every position of `index` takes the values that stand there: repeats come out repeated."""
    x = prepared(input)
    pattern, dim = x._pattern, _dim(dim, x.ndim)
    if index.ndim != 1 or index.dtype not in (_C.int64, _C.int32):
        raise IndexError(
            "index_select() argument index must be 1-D long-tensor: got "
            f"{index.ndim}-D {index.dtype}"
        )
    size, index = pattern.shape[dim], index.to(_C.int64)
    if index.numel() and not -size <= index.amin().item() <= index.amax().item() < size:
        raise IndexError(f"index_select(): index out of range for a dim of size {size}")
    index = index + (index < 0).to(_C.int64) * size
    values, n = values_of(x), pattern.sparse_dim
    shape = (*pattern.shape[:dim], index.shape[0], *pattern.shape[dim + 1 :])
    if dim >= n:
        picked = values.index_select(dim - n + 1, index)
        return _made(pattern.indices, picked, shape, x._sorted, "IndexSelectBackward0")
    sources, targets = _matches(pattern.indices[dim], index, size)
    indices = pattern.indices.index_select(1, sources)
    indices[dim] = targets
    return _made(indices, values.index_select(0, sources), shape, False, "IndexSelectBackward0")


def _matches(stored, wanted, size):
    """Pairs (k, p) with stored[k] == wanted[p], ordered by p."""
    from .. import bincount, repeat_interleave
    from .pattern import arange

    order = stored.argsort(stable=True)
    counts = bincount(stored, minlength=size)
    starts = counts.cumsum(0) - counts
    each = counts[wanted]
    targets = repeat_interleave(arange(wanted.shape[0]), each)
    within = arange(targets.shape[0]) - repeat_interleave(each.cumsum(0) - each, each)
    return order[starts[wanted][targets] + within], targets


@rule("narrow", coo_rules)
def narrow(input, dim, start, length):
    """The part of a COO tensor from `start` on: a copy, as there are no views of sparse tensors."""
    dim = _dim(dim, input.ndim)
    start = start + input.shape[dim] if start < 0 else start
    if length < 0 or start < 0 or start + length > input.shape[dim]:
        raise RuntimeError(
            f"narrow(): invalid range: start {start}, length {length}, size {input.shape[dim]}"
        )
    x = prepared(input)
    pattern = x._pattern
    shape = (*pattern.shape[:dim], length, *pattern.shape[dim + 1 :])
    values, n = values_of(x), pattern.sparse_dim
    if dim >= n:
        picked = values.narrow(dim - n + 1, start, length)
        return _made(pattern.indices, picked, shape, x._sorted, "NarrowBackward0")
    row = pattern.indices[dim]
    kept = ((row >= start) & (row < start + length)).nonzero().reshape(-1)
    indices = pattern.indices.index_select(1, kept)
    indices[dim] -= start
    return _made(indices, values.index_select(0, kept), shape, x._sorted, "NarrowBackward0")


# -- joining ------------------------------------------------------------------------------------


def _check_list(name, tensors):
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )


@rule("cat", coo_rules)
def cat(tensors, dim=0):
    from .. import cat as join

    _check_list("cat", tensors)
    for position, item in enumerate(tensors):
        if not isinstance(item, SparseTensor):
            raise RuntimeError(
                "Concatenating sparse tensors, but a dense tensor was found at position "
                f"{position}."
            )
    first = tensors[0]
    dim, n = _dim(dim, first.ndim), first._pattern.sparse_dim
    shape = list(first.shape)
    for position, item in enumerate(tensors):
        own = list(item.shape)
        if len(own) != len(shape) or own[:dim] + own[dim + 1 :] != shape[:dim] + shape[dim + 1 :]:
            raise RuntimeError(
                f"All tensors must have the same shape: {shape} (except in the concatenating "
                f"dimension), but found shape: {own} at position {position}."
            )
        if item._pattern.sparse_dim != n:
            raise RuntimeError(
                f"All tensors must have the same sparse_dim and dense_dim: {n}, "
                f"{first.ndim - n}, but tensor at position {position} has "
                f"{item._pattern.sparse_dim}, {item.ndim - item._pattern.sparse_dim}."
            )
    sizes = [item.shape[dim] for item in tensors]
    shape[dim] = sum(sizes)
    indices, values, start = [], [], 0
    for item in tensors:
        index, v = item._pattern.indices, item._held.detach()
        if dim < n:
            index = index.clone()
            index[dim] += start
        else:
            v = _padded(v, dim - n + 1, start, shape[dim])
        indices.append(index)
        values.append(v)
        start += item.shape[dim]
    made = build(CooPattern(COO, join(indices, 1), shape, n), join(values), False)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]

    def gradient(g):
        return tuple(g.narrow(dim, a, b) for a, b in zip(starts, sizes, strict=True))

    record("CatBackward0", tuple(tensors), (made,), gradient)
    return made


def _padded(values, dim, start, size):
    """Values whose dense dim holds `size` elements, its own from `start` on."""
    from .. import cat as join

    shape = list(values.shape)
    before, after = list(shape), list(shape)
    before[dim], after[dim] = start, size - start - shape[dim]
    return join((values.new_zeros(before), values, values.new_zeros(after)), dim)


@rule("stack", coo_rules)
def stack(tensors, dim=0):
    _check_list("stack", tensors)
    for item in tensors:
        if tuple(item.shape) != tuple(tensors[0].shape):
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(item.shape)} at entry {tensors.index(item)}"
            )
    if not all(isinstance(item, SparseTensor) for item in tensors):
        raise RuntimeError("Concatenating sparse tensors, but a dense tensor was found.")
    dim = _dim(dim, tensors[0].ndim + 1)
    return cat([unsqueeze(item, dim) for item in tensors], dim)
