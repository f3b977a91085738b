"""Reading and writing by index: gather and scatter with the lanes as one more dim."""

from __future__ import annotations

import rushlight as torch

from ...ops._lanes import some
from ._lanes import (
    Lanes,
    Refusal,
    Tensor,
    aligned,
    at_least_one,
    base_name,
    behind,
    full,
    has_lanes,
    plain,
    rank,
    rule,
    written,
)
from .fallback import loop

# -- gather and scatter ------------------------------------------------------------------------


@rule("gather")
def gather(op, size, input, dim, index, *, sparse_grad=False):
    n = rank(index)
    dim = behind(dim, max(n, rank(input)))
    input, index = (at_least_one(full(x, size)) for x in (input, index))
    made = op(input, dim, index)
    return made if n else made.squeeze(1)


@rule("scatter_src", "scatter_add", "scatter_reduce", "scatter_value", "scatter_old_reduce")
def scatter(op, size, input, dim, index, src, *rest, **named):
    """All operands get the lanes; a source that is a number stays one."""
    n = rank(input)
    x, index = (at_least_one(full(t, size)) for t in (input, index))
    if isinstance(src, (Lanes, Tensor)):
        src = at_least_one(full(src, size))
    made = op(x, behind(dim, n), index, src, *rest, **named)
    return made if n else made.squeeze(1)


@rule("take")
def take(op, size, input, index):
    if type(input) is not Lanes:
        return op(input, index.tensor)
    x, index = _flat(input.tensor), full(index, size)
    places = _from_front(index.reshape((size, -1)) if size else _flat(index), x.shape[1])
    return x.gather(1, places).reshape(index.shape)


@rule("put")
def put(op, size, input, index, source, accumulate=False):
    x, index, source = (full(t, size) for t in (input, index, source))
    flat = _flat(x)
    places, source = _from_front(_flat(index), flat.shape[1]), _flat(source)
    if places.shape != source.shape:
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.shape[1]}, index.numel() = {places.shape[1]}"
        )
    made = (flat.scatter_add if accumulate else flat.scatter)(1, places, source.to(x.dtype))
    return written(op, input, made.reshape(x.shape))


def _flat(x):
    n = 1
    for s in x.shape[1:]:
        n *= s
    return x.reshape((x.shape[0], n))


def _from_front(index, length):
    return torch.where(index < 0, index + length, index)


# -- one vector of positions along a dim -------------------------------------------------------


@rule("index_select")
def index_select(op, size, input, dim, index):
    n = rank(input)
    at = behind(dim, n)
    if type(index) is not Lanes:
        made = op(at_least_one(input.tensor), at, index)
        return made if n else made.squeeze(1)
    index, scalar = at_least_one(index.tensor), rank(index) == 0
    if type(input) is not Lanes:
        made = (input if n else input.unsqueeze(0)).index_select(at - 1, index.flatten())
        made = made.unflatten(at - 1, index.shape).movedim(at - 1, 0)
    else:
        x = at_least_one(input.tensor)
        made = x.gather(at, _spread(index, x, at))
    return made.squeeze(at) if scalar and n or not n else made


def _spread(index, x, dim):
    """An index (B, K) along `dim` of x, repeated over the other dims without a copy."""
    shape = [1] * x.ndim
    shape[0], shape[dim] = index.shape
    wanted = list(x.shape)
    wanted[dim] = index.shape[1]
    return index.reshape(shape).expand(wanted)


def _one_vector(op, size, input, dim, index, value, *rest, **named):
    """index_add and its kin: lanes with an index of their own write to one long dim."""
    n = rank(input)
    at = behind(dim, n)
    x = at_least_one(full(input, size))
    tensor = isinstance(value, (Lanes, Tensor))
    if tensor:
        value = at_least_one(full(value, size))
    if type(index) is not Lanes:
        made = op(x, at, index, value, *rest, **named)
        return made if n else made.squeeze(1)
    index = at_least_one(index.tensor)
    length = x.shape[at]
    if some((index < -length) | (index >= length)):
        raise IndexError(f"index out of range in self: expected less than {length}")
    index = _from_front(index, length) + length * torch.arange(size).unsqueeze(1)
    wide = x.movedim(at, 1).flatten(0, 1)
    if tensor:
        value = value.movedim(at, 1).flatten(0, 1)
    made = getattr(wide, base_name(op))(0, index.flatten(), value, *rest, **named)
    made = made.unflatten(0, (size, length)).movedim(1, at)
    return written(op, input, made if n else made.squeeze(1))


@rule("index_add", "index_copy", "index_reduce")
def index_add(op, size, input, dim, index, source, *rest, **named):
    if type(index) is not Lanes and op.inplace is False and type(input) is not Lanes:
        input = Lanes(full(input, size))
    return _one_vector(op, size, input, dim, index, source, *rest, **named)


@rule("index_fill")
def index_fill(op, size, input, dim, index, value):
    if type(value) is Lanes or (isinstance(value, Tensor) and type(index) is Lanes):
        return loop(op, size, input, dim, index, value)
    return _filled(op, size, input, dim, index, value)


def _filled(op, size, input, dim, index, value):
    n = rank(input)
    at = behind(dim, n)
    x = at_least_one(full(input, size))
    if type(index) is not Lanes:
        made = op(x, at, index, value)
        return made if n else made.squeeze(1)
    made = x.scatter(at, _spread(at_least_one(index.tensor), x, at), value)
    return written(op, input, made if n else made.squeeze(1))


# -- several index tensors ---------------------------------------------------------------------


def _layout(indices):
    """(where the indexed dims land, how many dims they index) of one lane's indices."""
    at = [i for i, x in enumerate(indices) if x is not None]
    adjacent = at[-1] - at[0] + 1 == len(at)
    return (at[0] if adjacent else 0), max(rank(indices[i]) for i in at)


def _without_masks(indices):
    """Masks as the positions where they are true; a mask of each lane's own is refused."""
    made = []
    for x in indices:
        dtype = None if x is None else plain(x).dtype
        if dtype is not torch.bool and dtype is not torch.uint8:
            made.append(x)
        elif type(x) is Lanes:
            raise Refusal(
                "vmap: We do not support batching operators that can support dynamic shape. "
                "Attempting to batch over indexing with a boolean mask."
            )
        elif x.ndim == 0:
            return None
        else:
            made.extend(x.nonzero().unbind(1))
    return made


def _with_lanes(indices, size):
    """The index tensors with an index of the lanes in front, all ready to broadcast."""
    n = max(rank(x) for x in indices if x is not None)
    lanes = torch.arange(size).reshape((size,) + (1,) * n)
    return [lanes, *[None if x is None else aligned(x, n) for x in indices]]


@rule("index")
def index(op, size, input, indices):
    found = _without_masks(indices)
    if found is None or all(x is None for x in found):
        return loop(op, size, input, indices)
    at, n = _layout(found)
    if not has_lanes(found):  # the lanes are one more dim in front that nothing indexes
        made = op(input.tensor, [None, *found])
        first = next(i for i, x in enumerate(found) if x is not None)
        moved = at == 0 and first > 0 or _apart(found)
        return made.movedim(n, 0) if moved else made
    if type(input) is not Lanes:  # the lanes are one more dim of the indices
        made = op(input, [None if x is None else aligned(x, n) for x in found])
        return made.movedim(at, 0) if at else made
    made = op(input.tensor, _with_lanes(found, size))
    return _placed(made, at, n)


def _apart(indices):
    at = [i for i, x in enumerate(indices) if x is not None]
    return at[-1] - at[0] + 1 != len(at)


def _placed(made, at, n):
    """(B, indexed dims, `at` others, rest) with the indexed dims behind the others."""
    if not at:
        return made
    return made.permute(
        (0, *range(n + 1, n + 1 + at), *range(1, n + 1), *range(n + 1 + at, made.ndim))
    )


@rule("index_put")
def index_put(op, size, input, indices, values, accumulate=False):
    found = _without_masks(indices)
    if found is None or all(x is None for x in found):
        return loop(op, size, input, indices, values, accumulate)
    at, n = _layout(found)
    values = plain(aligned(values, _result_rank(input, found, n)))
    if at and isinstance(values, Tensor):  # broadcast first, then put the indexed dims in front
        rest = _result_rank(input, found, n)
        values = aligned(Lanes(full(values, size)) if values.ndim <= rest else Lanes(values), rest)
        values = values.permute(
            (0, *range(1 + at, 1 + at + n), *range(1, 1 + at), *range(1 + at + n, rest + 1))
        )
    x = full(input, size)
    made = op(x, _with_lanes(found, size), values, accumulate)
    return input.tensor if op.inplace else made


def _result_rank(input, indices, n):
    return rank(input) - sum(x is not None for x in indices) + n


# -- positions that depend on values -------------------------------------------------------------


@rule("nonzero")
def nonzero(op, size, input):
    raise Refusal(
        "vmap: We do not support batching operators that can output dynamic shape. Attempted to "
        "vmap over aten::nonzero: the number of positions differs from lane to lane. Use "
        "torch.where(condition, a, b) instead"
    )


@rule("masked_select")
def masked_select(op, size, input, mask):
    if type(mask) is Lanes:
        raise Refusal(
            "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot "
            "support this because for each batch this would return a differently shaped Tensor. "
            "Please file an issue at https://github.com/pytorch/pytorch/issues if you need this "
            "feature."
        )
    shape = torch.broadcast_shapes(input.tensor.shape[1:], mask.shape)
    x = aligned(input, len(shape)).expand((size, *shape))
    return _flat(x)[:, mask.expand(shape).flatten()]


@rule("masked_scatter")
def masked_scatter(op, size, input, mask, source):
    """The elements of a lane's source go, in order, to where its mask is true."""
    n = max(rank(input), rank(mask))
    x, mask = torch.broadcast_tensors(*[aligned(t, n) for t in (input, mask)])
    if x.ndim == n:
        x, mask = x.unsqueeze(0), mask.unsqueeze(0)
    x, mask = (t.expand((size, *t.shape[1:])) for t in (x, mask))
    flat, source = _flat(mask), _flat(full(source, size))
    if flat.shape[1] == 0:
        return x.clone()
    if some(flat.sum(1) > source.shape[1]):
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes and the source at least "
            "as many elements as the mask has ones"
        )
    taken = source.gather(1, (flat.cumsum(1) - 1).clamp(min=0)) if source.shape[1] else _flat(x)
    return written(op, input, torch.where(mask, taken.reshape(x.shape), x))


@rule("searchsorted")
def searchsorted(
    op, size, sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None
):
    """Lanes are more lines; one line that all lanes share takes any input."""
    if rank(sorted_sequence) == 0:
        raise RuntimeError("torch.searchsorted(): the boundaries need at least 1 dimension")
    named = {"out_int32": out_int32, "right": right, "side": side}
    if type(sorted_sequence) is not Lanes and type(sorter) is not Lanes:
        if sorted_sequence.ndim == 1:
            return op(sorted_sequence, input.tensor, **named, sorter=sorter)
    lines, wanted = full(sorted_sequence, size), full(input, size)
    sorter = None if sorter is None else full(sorter, size)
    if rank(sorted_sequence) == 1:
        made = op(lines, _flat(wanted), **named, sorter=sorter)
        return made.reshape(wanted.shape)
    return op(lines, wanted, **named, sorter=sorter)
