"""Joining and moving: cat, stack, repeat, flip, roll, triangles."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from ._integers import integers, whole
from ._lanes import agreed, some


@op("torch.cat torch.concat torch.concatenate", exact_out=False)
class cat:
    """Join tensors along an existing dim; empty 1-d tensors are skipped.

    Dtypes are promoted to one that holds all of them.
    """

    def forward(tensors, dim=0):
        kept = [t for t in tensors if t.shape != (0,)] or tensors[:1]
        return np.concatenate(kept, dim)

    def grad_tensors(g, tensors_shape, dim):
        grads, start = [], 0
        for shape in tensors_shape:
            if tuple(shape) == (0,):
                grads.append(None)
                continue
            grads.append(g.narrow(dim, start, shape[dim]))
            start += shape[dim]
        return grads

    def samples(make):
        yield [make(2, 3), make(2, 3)], 1
        yield ([make(2, 3), make(4, 3)],)
        yield [make(2, 1, 3), make(2, 2, 3), make(2, 4, 3)], -2


@op("torch.stack", exact_out=False)
class stack:
    """Join tensors of one shape along a new dim."""

    def forward(tensors, dim=0):
        return np.stack(tensors, dim)

    def grad_tensors(g, tensors_shape, dim):
        return list(g.unbind(dim))

    def samples(make):
        yield ([make(2, 3), make(2, 3)],)
        yield [make(2, 3), make(2, 3), make(2, 3)], -1


def _tensor_list(name: str, tensors):
    if isinstance(tensors, _C.Tensor):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor"
        )
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


@public("torch.hstack")
def hstack(tensors, *, out=None):
    """Join tensors side by side: along dim 1, or 0 when they are 1-d."""
    tensors = [t if t.dim() else t.reshape(1) for t in _tensor_list("hstack", tensors)]
    return cat(tensors, 0 if tensors[0].dim() == 1 else 1, out=out)


@public("torch.vstack torch.row_stack")
def vstack(tensors, *, out=None):
    """Join tensors one above the other, 1-d ones as rows."""
    rows = [t if t.dim() > 1 else t.reshape(1, -1) for t in _tensor_list("vstack", tensors)]
    return cat(rows, 0, out=out)


@public("torch.dstack")
def dstack(tensors, *, out=None):
    """Join tensors along the third dim."""
    return cat([atleast_3d(t) for t in _tensor_list("dstack", tensors)], 2, out=out)


@public("torch.column_stack")
def column_stack(tensors, *, out=None):
    """Join tensors side by side, 0-d and 1-d ones as columns."""
    tensors = _tensor_list("column_stack", tensors)
    columns = [t if t.dim() > 1 else t.reshape(t.numel(), 1) for t in tensors]
    return cat(columns, 1, out=out)


def _each(function, tensors):
    if len(tensors) == 1:
        if not isinstance(tensors[0], (list, tuple)):
            return function(tensors[0])
        tensors = tensors[0]
    return tuple(function(t) for t in tensors)


@public("torch.atleast_1d")
def atleast_1d(*tensors):
    """View 0-d tensors as 1-d; others are returned as they are."""
    return _each(lambda t: t.unsqueeze(0) if t.dim() == 0 else t, tensors)


def _two_dims(t):
    if t.dim() == 0:
        return t.reshape(1, 1)
    return t.unsqueeze(0) if t.dim() == 1 else t


@public("torch.atleast_2d")
def atleast_2d(*tensors):
    """View tensors with fewer than two dims as rows."""
    return _each(_two_dims, tensors)


def _three_dims(t):
    if t.dim() == 0:
        return t.reshape(1, 1, 1)
    if t.dim() == 1:
        return t.unsqueeze(0).unsqueeze(-1)
    return t.unsqueeze(-1) if t.dim() == 2 else t


@public("torch.atleast_3d")
def atleast_3d(*tensors):
    """View tensors with fewer than three dims as (1, n, 1) or (m, n, 1)."""
    return _each(_three_dims, tensors)


@op("Tensor.repeat", varargs="repeats")
class repeat:
    """Copy a tensor `repeats` times along every dim; extra leading repeats add dims."""

    def forward(input, repeats):
        return np.tile(input, repeats)

    def grad_input(g, input_shape, repeats):
        split, summed = [], []
        repeats = (repeats,) if isinstance(repeats, int) else repeats
        offset = len(repeats) - len(input_shape)
        for d, times in enumerate(repeats):
            if d >= offset:
                split += [times, input_shape[d - offset]]
            else:
                split.append(times)
            summed.append(len(split) - (2 if d >= offset else 1))
        if 0 in repeats:
            return g.new_zeros(input_shape)
        return g.reshape(split).sum(summed) if summed else g

    def samples(make):
        yield make(2, 3), (2, 1)
        yield make(3), (2, 2)


@public("torch.tile Tensor.tile")
def tile(input, *sizes, dims=None):
    """Repeat a tensor; missing leading repeats count as one."""
    dims = sizes if dims is None else tuple(dims)
    if len(dims) == 1:
        dims = integers(dims[0])
    missing = input.dim() - len(dims)
    return input.repeat((1,) * missing + tuple(dims))


def _repeat_index(repeats, output_size=None):
    """(3, 1) -> [0, 0, 0, 1]."""
    from .. import int32, int64, zeros

    if repeats.dtype not in (int32, int64):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if repeats.dim() != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.is_meta:
        if output_size is None:
            raise RuntimeError("cannot repeat_interleave a meta tensor without output_size")
        return repeats.new_empty((output_size,))
    if repeats.numel() and some(repeats < 0):
        raise RuntimeError("repeats can not be negative")
    ends = repeats.cumsum(0)
    total = agreed(ends[-1]) if repeats.numel() else 0
    if output_size is not None and output_size != total:
        raise RuntimeError("allocated size does not match required size")
    # A place belongs to as many elements further on as have ended at it or before.
    ended = zeros(total + 1, dtype=int64).scatter_add(0, ends, ends.new_ones(ends.shape))
    return ended[:total].cumsum(0).to(repeats.dtype)


@public("torch.repeat_interleave Tensor.repeat_interleave")
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Repeat every element (of the flattened tensor, or along `dim`) in place of itself.

    `repeats` is an int or a 1-d integer tensor. One tensor alone gives the indices.
    """
    if repeats is None:
        return _repeat_index(input, output_size)
    if dim is None:
        input, dim = input.flatten(), 0
    elif input.dim() == 0:
        input = input.reshape(1)
    if isinstance(repeats, (list, tuple)):
        from .. import tensor

        repeats = tensor(repeats)
    if not isinstance(repeats, _C.Tensor):
        repeats = whole("repeat_interleave", "repeats", repeats)
    else:
        one = repeats.dim() == 0 or (repeats.dim() == 1 and repeats.numel() == 1)
        if one and not repeats.is_meta:
            repeats = int(repeats)
        elif not one and repeats.numel() != input.size(dim):
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got "
                f"repeats.size(0) = {repeats.numel()} and input.size({dim}) = {input.size(dim)}"
            )
        else:
            return input.index_select(dim, _repeat_index(repeats, output_size))
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    dim = dim % input.dim()
    shape = list(input.shape)
    wide = input.unsqueeze(dim + 1).expand(*shape[: dim + 1], repeats, *shape[dim + 1 :])
    shape[dim] *= repeats
    return wide.clone().reshape(shape)


@op("torch.flip Tensor.flip", varargs="dims")
class flip:
    """Reverse the order of elements along the given dims."""

    def forward(input, dims):
        return np.flip(input, dims)

    def grad_input(g, dims):
        return flip(g, dims)

    def samples(make):
        yield make(2, 3, 4), (0, -1)
        yield make(5), (0,)


@public("torch.fliplr Tensor.fliplr")
def fliplr(input):
    """Reverse the second dim."""
    if input.dim() < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


@public("torch.flipud Tensor.flipud")
def flipud(input):
    """Reverse the first dim."""
    if input.dim() < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, (0,))


@op("torch.roll Tensor.roll")
class roll:
    """Shift elements cyclically along dims, or in reading order when no dims are given."""

    def forward(input, shifts, dims=None):
        return np.roll(input, shifts, dims if dims != () else None)

    def grad_input(g, shifts, dims):
        back = -shifts if isinstance(shifts, int) else tuple(-s for s in shifts)
        return roll(g, back, dims)

    def samples(make):
        yield make(3, 4), 1, 0
        yield make(3, 4), (1, -2), (0, 1)
        yield make(3, 4), 5


@public("torch.rot90 Tensor.rot90")
def rot90(input, k=1, dims=(0, 1)):
    """Turn by 90 degrees `k` times in the plane of `dims`, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    n = input.dim()
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    for d in dims:
        if not -n <= d < n:
            raise RuntimeError(f"Rotation dim{d} out of range, dim size = {n}")
    a, b = dims[0] % n, dims[1] % n
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    k %= 4
    if k == 1:
        return flip(input, (b,)).transpose(a, b)
    if k == 2:
        return flip(input, (a, b))
    if k == 3:
        return flip(input, (a,)).transpose(a, b)
    return input.clone()


@op("torch.tril Tensor.tril Tensor.tril_")
class tril:
    """Keep the elements on and below a diagonal, zero the others."""

    def forward(input, diagonal=0):
        return np.tril(input, diagonal)

    def grad_input(g, diagonal):
        return tril(g, diagonal)

    def samples(make):
        yield (make(4, 5),)
        yield make(2, 4, 3), -1


@op("torch.triu Tensor.triu Tensor.triu_")
class triu:
    """Keep the elements on and above a diagonal, zero the others."""

    def forward(input, diagonal=0):
        return np.triu(input, diagonal)

    def grad_input(g, diagonal):
        return triu(g, diagonal)

    def samples(make):
        yield (make(4, 5),)
        yield make(2, 4, 3), 1
