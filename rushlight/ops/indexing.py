"""Reading and writing by index tensors and masks."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from .._warn import warn_once
from ..op import op, public
from ._lanes import shared_out, zeros_for
from ._outputs import deliver


def _key(indices):
    return tuple(slice(None) if i is None else i for i in indices)


def _at(dim, index):
    return (slice(None),) * dim + (index,)


@op("")
class index:
    """Pick by index tensors (or masks), one or None for every leading dim."""

    def forward(input, indices):
        return input[_key(indices)]

    def grad_input(g, indices, input_shape):
        return zeros_for(g, input_shape, *indices).index_put_(indices, g, True)

    def samples(make):
        rows = make(4, dtype="int64", low=0, high=3)
        yield make(3, 5), [rows]
        yield make(3, 5, 4), [None, rows]
        yield make(3, 5, 4), [rows, None, rows]


@op("torch.index_put torch.index_put_ Tensor.index_put Tensor.index_put_")
class index_put:
    """Write `values` where `indices` point; repeated places add up if `accumulate`."""

    def forward(input, indices, values, accumulate=False):
        out = input.copy()
        if accumulate:
            np.add.at(out, _key(indices), values)
        else:
            out[_key(indices)] = values
        return out

    def grad_input(g, indices, accumulate):
        return g if accumulate else index_put(g, indices, g.new_zeros(()))

    def grad_values(g, indices):
        return index(g, indices)

    def samples(make):
        rows = make(2, dtype="int64", low=0, high=3)
        yield make(3, 5), [rows], make(2, 5), True


@op("torch.index_select Tensor.index_select")
class index_select:
    """Entries of `input` along `dim` at the positions in a vector."""

    def forward(input, dim, index):
        return np.take(input, index, dim)

    def grad_input(g, dim, index, input_shape):
        return zeros_for(g, input_shape, index).index_add_(dim, index, g)

    def samples(make):
        yield make(3, 5), 1, make(4, dtype="int64", low=0, high=5)
        yield make(4, 2), 0, make(6, dtype="int64", low=0, high=4)


@op("torch.index_add Tensor.index_add Tensor.index_add_")
class index_add:
    """Add `alpha * source` to the entries of `input` along `dim` at `index`."""

    def forward(input, dim, index, source, *, alpha=1):
        out = input.copy()
        np.add.at(out, _at(dim % max(out.ndim, 1), index), alpha * source)
        return out

    def grad_input(g):
        return g

    def grad_source(g, dim, index, alpha, source_shape):
        return (g.index_select(dim, index) * alpha).reshape(source_shape)

    def samples(make):
        yield make(3, 5), 0, make(2, dtype="int64", low=0, high=3), make(2, 5)


@op("torch.index_copy Tensor.index_copy Tensor.index_copy_")
class index_copy:
    """Copy `source` to the entries of `input` along `dim` at `index`."""

    def forward(input, dim, index, source):
        out = input.copy()
        out[_at(dim % max(out.ndim, 1), index)] = source
        return out

    def grad_input(g, dim, index):
        return g.index_fill(dim, index, 0)

    def grad_source(g, dim, index, source_shape):
        return g.index_select(dim, index).reshape(source_shape)

    def samples(make):
        yield make(3, 5), 1, make(1, dtype="int64", low=0, high=5), make(3, 1)


@op("torch.index_fill Tensor.index_fill Tensor.index_fill_")
class index_fill:
    """Set the entries of `input` along `dim` at `index` to a number or 0-d tensor."""

    def forward(input, dim, index, value):
        out = input.copy()
        out[_at(dim % max(out.ndim, 1), index)] = value
        return out

    def grad_input(g, dim, index):
        return g.index_fill(dim, index, 0)

    def grad_value(g, dim, index):
        return (g - g.index_fill(dim, index, 0)).sum()  # an index given twice counts once

    def samples(make):
        yield make(3, 5), 1, make(2, dtype="int64", low=0, high=5), 0.5


_COMBINE = {"prod": "multiply", "amax": "maximum", "amin": "minimum", "sum": "add", "mean": "add"}


@op(
    "torch.index_reduce Tensor.index_reduce Tensor.index_reduce_",
    differentiable=("input", "source"),
)
class index_reduce:
    """Combine `source` into entries along `dim`: reduce is prod, mean, amax or amin."""

    def forward(input, dim, index, source, reduce, *, include_self=True):
        out, at = input.copy(), _at(dim % max(input.ndim, 1), index)
        if not include_self:
            out[at] = {"prod": 1, "mean": 0, "amax": -np.inf, "amin": np.inf}[reduce]
        getattr(np, _COMBINE[reduce]).at(out, at, source)
        if reduce == "mean":
            count = np.full(out.shape, int(include_self))
            np.add.at(count, at, 1)
            out = _divide(out, np.maximum(count, 1))
        return out

    def backward(g, input, dim, index, source, reduce, include_self, out, needs):
        pair = _reduce_gradients(
            g,
            input,
            source,
            reduce,
            include_self,
            out,
            pull=lambda t: t.index_select(dim, index).reshape(source.shape),
            push=lambda t, s: t.index_add(dim, index, s),
            clear=lambda t: t.index_fill(dim, index, 0),
            again=lambda t, s: t.index_reduce(dim, index, s, reduce, include_self=include_self),
        )
        return tuple(v if need else None for v, need in zip(pair, needs))

    def samples(make):
        at = make(2, dtype="int64", low=0, high=3)
        for reduce in ("prod", "mean", "amax", "amin"):
            yield make(3, 5), 0, at, make(2, 5), reduce


def _divide(total, count):
    """A mean in the dtype of the sum; whole numbers round down."""
    divide = np.floor_divide if total.dtype.kind in "iu" else np.divide
    return divide(total, count).astype(total.dtype)


def _product_gradients(g, input, source, out, pull, push, again):
    """Quotients, where a factor of zero is left out of the product instead."""
    from .. import where

    safe = where(input == 0, 1, input)
    grad_input = g * again(safe, source) / safe
    zero = source == 0
    alone = zero & (pull(push(input.new_zeros(input.shape), zero.to(input.dtype))) == 1)
    others = pull(g * again(input, where(alone, 1, source)))
    grad_source = where(alone, others, pull(g * out) / where(zero, 1, source))
    return grad_input, where(zero & ~alone, 0, grad_source)


def _reduce_gradients(g, input, source, reduce, include_self, out, pull, push, clear, again):
    """(grad_input, grad_source) of index_reduce and scatter_reduce.

    `pull` reads a tensor like input at the places of source, `push` adds there, `clear` zeros
    what they touch and `again` runs the reduction.
    """
    if reduce == "sum":
        grad_input, grad_source = g, pull(g)
    elif reduce == "prod":
        grad_input, grad_source = _product_gradients(g, input, source, out, pull, push, again)
    elif reduce == "mean":
        start = g.new_ones(g.shape) if include_self else g.new_zeros(g.shape)
        count = push(start, source.new_ones(source.shape).to(g.dtype))
        share = g / count.masked_fill(count == 0, 1)
        grad_input, grad_source = share, pull(share)
    else:  # ties share the gradient evenly
        mine, theirs = (input == out).to(g.dtype), (source == pull(out)).to(g.dtype)
        if not include_self:
            mine = clear(mine)
        count = push(mine, theirs)
        share = g / count.masked_fill(count == 0, 1)
        untouched = g if include_self else g - clear(g)
        grad_source = theirs * pull(share)
        grad_input = mine * share if include_self else g - untouched
    return (grad_input if include_self else clear(grad_input)), grad_source


@op("torch.take Tensor.take")
class take:
    """Elements of the flattened input at the given positions."""

    def forward(input, index):
        return np.take(input, index)

    def grad_input(g, index, input_shape):
        return zeros_for(g, input_shape, index).put_(index, g, True)

    def samples(make):
        yield make(3, 5), make(2, 2, dtype="int64", low=0, high=15)


@op("torch.put Tensor.put Tensor.put_")
class put:
    """Write `source` at positions of the flattened input; add if `accumulate`."""

    def forward(input, index, source, accumulate=False):
        out = input.copy().reshape(-1)
        if accumulate:
            np.add.at(out, index.reshape(-1), source.reshape(-1))
        else:
            out[index.reshape(-1)] = source.reshape(-1)
        return out.reshape(input.shape)

    def grad_input(g, index, accumulate):
        return g if accumulate else g.put(index, g.new_zeros(index.shape))

    def grad_source(g, index, source_shape):
        return g.take(index).reshape(source_shape)

    def samples(make):
        yield make(3, 5), make(2, dtype="int64", low=0, high=15), make(2), True


@op("torch.masked_fill Tensor.masked_fill Tensor.masked_fill_")
class masked_fill:
    """Replace elements where `mask` is true by a number or 0-d tensor."""

    def forward(input, mask, value):
        return np.where(mask, np.asarray(value).astype(input.dtype), input)

    def grad_input(g, mask):
        return g.masked_fill(mask, 0)

    def grad_value(g, mask):
        return _where(mask, g, 0).sum()

    def samples(make):
        yield make(3, 5), make(3, 5, dtype="bool"), 2.5
        yield make(3, 5), make(5, dtype="bool"), -1.0


@op("torch.masked_select Tensor.masked_select")
class masked_select:
    """The elements where `mask` is true, as a vector."""

    def forward(input, mask):
        input, mask = np.broadcast_arrays(input, mask)
        return input[mask]

    def grad_input(g, mask, input_shape):
        from .. import broadcast_shapes

        shape = broadcast_shapes(input_shape, mask.shape)
        return g.new_zeros(shape).masked_scatter(mask, g)

    def samples(make):
        yield make(3, 5), make(3, 5, dtype="bool")


@op("torch.masked_scatter Tensor.masked_scatter Tensor.masked_scatter_")
class masked_scatter:
    """Replace elements where `mask` is true by the elements of `source`, in order."""

    def forward(input, mask, source):
        input, mask = (a.copy() for a in np.broadcast_arrays(input, mask))
        input[mask] = source.reshape(-1)[: mask.sum()]
        return input

    def grad_input(g, mask):
        return g.masked_fill(mask, 0)

    def grad_source(g, mask, source_shape):
        from .join import cat

        if _C.level_of(mask) is not None:  # how many elements are used differs from lane to lane
            flat, last = mask.expand(g.shape).reshape(-1), source_shape.numel()
            places = _where(flat, flat.cumsum(0) - 1, last)
            made = zeros_for(g, (last + 1,), mask).scatter(0, places, g.reshape(-1))
            return made.narrow(0, 0, last).reshape(source_shape)
        used = g.masked_select(mask)
        rest = source_shape.numel() - used.numel()
        return cat([used, g.new_zeros(rest)]).reshape(source_shape)

    def samples(make):
        yield make(3, 5), make(3, 5, dtype="bool"), make(15)


@op("", name="where")
class _where:
    """`input` where the condition is true, `other` elsewhere, broadcast and promoted."""

    def forward(condition, input, other):
        return np.where(condition, input, other)

    def grad_input(g, condition):
        return _where(condition, g, 0)

    def grad_other(g, condition):
        return _where(condition, 0, g)

    def samples(make):
        yield make(3, 5, dtype="bool"), make(3, 5), make(5)
        yield make(3, 5, dtype="bool"), make(3, 5), 2.0


@public("torch.where")
def where(condition, input=None, other=None, *, out=None):
    """Choose elementwise between two operands; a condition alone gives the true positions."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if condition.dtype is _C.uint8:
        warn_once(
            "where received a uint8 condition tensor. This behavior is deprecated and will be "
            "removed in a future version of PyTorch. Use a boolean condition instead."
        )
    if out is not None:
        return _where(condition, input, other, out=out)
    return _where(condition, input, other)


@public("Tensor.where")
def _where_method(self, condition, other):
    """Elements of `self` where the condition is true, `other` elsewhere."""
    return _where(condition, self, other)


@op("", name="nonzero")
class _nonzero:
    """The positions of elements that are not zero: (count, dims)."""

    def forward(input):
        return np.argwhere(input)

    def samples(make):
        yield (make(3, 5, grad=False),)


@public("torch.nonzero Tensor.nonzero")
def nonzero(input, *, out=None, as_tuple=False):
    """The positions of nonzero elements, as rows or as one index vector for every dim."""
    if as_tuple:
        if input.dim() == 0:
            input = input.unsqueeze(0)
        return tuple(_nonzero(input).unbind(1))
    return _nonzero(input) if out is None else _nonzero(input, out=out)


@public("torch.nonzero_static Tensor.nonzero_static")
def nonzero_static(input, *, size, fill_value=-1, out=None):
    """The first `size` positions of nonzero elements; missing rows hold `fill_value`."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    if input.is_meta:
        return deliver(input.new_empty((size, input.dim()), dtype=_C.int64), out)
    found = _nonzero(input)[:size]
    made = found.new_full((size, input.dim()), fill_value)
    made[: found.size(0)] = found
    return deliver(made, out)


@public("torch.argwhere Tensor.argwhere")
def argwhere(input):
    """The positions of nonzero elements, as rows."""
    return _nonzero(input)


def _scattered(name, input, src, view):
    """A copy of `input` with `src` written into a view of it."""
    out = shared_out(input, src).clone()
    place = view(out)
    if place.shape != src.shape:
        raise RuntimeError(
            f"{name}: expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(place.shape)}"
        )
    place.copy_(src)
    return out


@public("torch.select_scatter Tensor.select_scatter")
def select_scatter(input, src, dim, index):
    """A copy of `input` with `src` as its entry `index` along `dim`."""
    return _scattered("select_scatter", input, src, lambda t: t.select(dim, index))


@public("torch.slice_scatter Tensor.slice_scatter")
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of `input` with `src` as its slice start:end:step along `dim`."""
    dim = dim % input.dim()
    key = _at(dim, slice(start, end, step))
    return _scattered("slice_scatter", input, src, lambda t: t[key])


@public("torch.diagonal_scatter Tensor.diagonal_scatter")
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of `input` with `src` as its diagonal in the plane (dim1, dim2)."""
    return _scattered("diagonal_scatter", input, src, lambda t: t.diagonal(offset, dim1, dim2))


@public("torch.as_strided_scatter Tensor.as_strided_scatter")
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of `input` with `src` written through a strided view."""
    return _scattered(
        "as_strided_scatter", input, src, lambda t: t.as_strided(size, stride, storage_offset)
    )
