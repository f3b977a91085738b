"""gather and scatter: positions along one dim from an index tensor."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import inplace_form, op, public
from ._lanes import zeros_for
from ._outputs import deliver
from .indexing import _divide, _reduce_gradients


def _places(index, dim):
    """The full index grid, with `index` in place of the positions along dim."""
    grid = list(np.indices(index.shape, sparse=True))
    if grid:
        grid[dim] = index
    return tuple(grid)


def _cut(array, index):
    return array[tuple(slice(n) for n in index.shape)]


@op("torch.gather Tensor.gather")
class gather:
    """out[i][j] = input[index[i][j]][j] for dim 0, and likewise for others."""

    def forward(input, dim, index, *, sparse_grad=False):
        return input[_places(index, dim)]

    def grad_input(g, dim, index, input_shape):
        return zeros_for(g, input_shape, index).scatter_add_(dim, index, g)

    def samples(make):
        yield make(3, 5), 1, make(3, 2, dtype="int64", low=0, high=5)
        yield make(3, 5), 0, make(2, 4, dtype="int64", low=0, high=3)


@op("", kernel="scatter", node="Scatter")
class scatter_src:
    """Write src[i][j] to [index[i][j]][j] for dim 0, and likewise for others."""

    def forward(input, dim, index, src):
        out = input.copy()
        out[_places(index, dim)] = _cut(src, index)
        return out

    def grad_input(g, dim, index):
        return scatter_value(g, dim, index, 0)

    def grad_src(g, dim, index, src_shape):
        return _uncut(g.gather(dim, index), src_shape)

    def samples(make):
        yield make(3, 5), 0, make(1, 5, dtype="int64", low=0, high=3), make(2, 5)


def _uncut(g, shape):
    """Zeros behind `g` up to the shape that an index covered only in part."""
    if g.shape == shape:
        return g
    out = g.new_zeros(shape)
    out[tuple(slice(n) for n in g.shape)] = g
    return out


@op("", node="ScatterBackward1")
class scatter_value:
    """Write one number at [index[i][j]][j] for dim 0, and likewise for others."""

    def forward(input, dim, index, value):
        out = input.copy()
        out[_places(index, dim)] = value
        return out

    def grad_input(g, dim, index):
        return scatter_value(g, dim, index, 0)

    def samples(make):
        yield make(3, 5), 1, make(3, 2, dtype="int64", low=0, high=5), 1.5


@op("")
class scatter_old_reduce:
    """Add or multiply instead of writing; without a gradient, as in PyTorch."""

    def forward(input, dim, index, src, reduce):
        out = input.copy()
        value = _cut(src, index) if hasattr(src, "shape") and src.shape else src
        (np.add if reduce == "add" else np.multiply).at(out, _places(index, dim), value)
        return out

    def samples(make):
        at = make(1, 5, dtype="int64", low=0, high=3)
        yield make(3, 5, grad=False), 0, at, make(1, 5, grad=False), "add"


def _scatter(input, dim, index, src, value, reduce, forms):
    if src is None:
        src = value
    elif value is not None:
        raise TypeError("scatter() received both src and value")
    if src is None:
        raise TypeError("scatter() missing 1 required argument: 'src' or 'value'")
    tensor = hasattr(src, "dim")
    if reduce is not None:
        return forms[2](input, dim, index, src, reduce)
    if tensor and src.dim() == 0 and index.dim() != 0:
        if _C.level_of(src) is None and not src.is_meta:
            src, tensor = src.item(), False
        else:  # another number in every lane
            src = src.expand(index.shape)
    return forms[0](input, dim, index, src) if tensor else forms[1](input, dim, index, src)


@public("torch.scatter Tensor.scatter")
def scatter(input, dim, index, src=None, *, value=None, reduce=None, out=None):
    """A copy with a tensor or number written at index along `dim`; reduce: add or multiply."""
    made = _scatter(
        input, dim, index, src, value, reduce, (scatter_src, scatter_value, scatter_old_reduce)
    )
    return deliver(made, out)


_IN_PLACE = tuple(map(inplace_form, (scatter_src, scatter_value, scatter_old_reduce)))


@public("Tensor.scatter_")
def scatter_(self, dim, index, src=None, *, value=None, reduce=None):
    """Write a tensor or number at index along `dim`, in place."""
    return _scatter(self, dim, index, src, value, reduce, _IN_PLACE)


@op("torch.scatter_add Tensor.scatter_add Tensor.scatter_add_")
class scatter_add:
    """Add src[i][j] at [index[i][j]][j] for dim 0, and likewise for others."""

    def forward(input, dim, index, src):
        out = input.copy()
        np.add.at(out, _places(index, dim), _cut(src, index))
        return out

    def grad_input(g):
        return g

    def grad_src(g, dim, index, src_shape):
        return _uncut(g.gather(dim, index), src_shape)

    def samples(make):
        yield make(3, 5), 0, make(2, 5, dtype="int64", low=0, high=3), make(2, 5)
        yield make(3, 5), 1, make(3, 7, dtype="int64", low=0, high=5), make(3, 7)


_AT = {"sum": "add", "mean": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}


@op(
    "torch.scatter_reduce Tensor.scatter_reduce Tensor.scatter_reduce_",
    differentiable=("input", "src"),
)
class scatter_reduce:
    """Combine src at index along `dim`: reduce is sum, prod, mean, amax or amin."""

    def forward(input, dim, index, src, reduce, *, include_self=True):
        out, at = input.copy(), _places(index, dim)
        if not include_self:
            out[at] = {"prod": 1, "amax": -np.inf, "amin": np.inf}.get(reduce, 0)
        getattr(np, _AT[reduce]).at(out, at, _cut(src, index))
        if reduce == "mean":
            count = np.full(out.shape, int(include_self))
            np.add.at(count, at, 1)
            out = _divide(out, np.maximum(count, 1))
        return out

    def backward(g, input, dim, index, src, reduce, include_self, out, needs):
        whole = src.shape
        if index.shape != whole:
            src = src[tuple(slice(n) for n in index.shape)]
        grad_input, grad_src = _reduce_gradients(
            g,
            input,
            src,
            reduce,
            include_self,
            out,
            pull=lambda t: t.gather(dim, index),
            push=lambda t, s: t.scatter_add(dim, index, s),
            clear=lambda t: scatter_value(t, dim, index, 0),
            again=lambda t, s: t.scatter_reduce(dim, index, s, reduce, include_self=include_self),
        )
        return (grad_input if needs[0] else None, _uncut(grad_src, whole) if needs[1] else None)

    def samples(make):
        at = make(2, 5, dtype="int64", low=0, high=3)
        for reduce in ("sum", "prod", "mean", "amax", "amin"):
            yield make(3, 5), 0, at, make(2, 5), reduce


def _from_front(indices, size):
    """Negative positions counted from the end."""
    return indices + size * (indices < 0)


@public("torch.take_along_dim Tensor.take_along_dim")
def take_along_dim(input, indices, dim=None, *, out=None):
    """Elements at `indices` along `dim` (or of the flattened input), the rest broadcast."""
    from .. import broadcast_shapes, int64

    if indices.dtype != int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}"
        )
    if dim is None:
        flat = input.reshape(-1)
        made = flat.gather(0, _from_front(indices.reshape(-1), flat.numel()))
        return deliver(made, out)
    if input.dim() != indices.dim():
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of "
            f"dimensions, but got {input.dim()} dimensions for input, and {indices.dim()} "
            "dimensions for indices"
        )
    if not -input.dim() <= dim < input.dim():
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.dim()}, "
            f"{input.dim() - 1}], but got {dim})"
        )
    dim %= input.dim()
    indices = _from_front(indices, input.size(dim))
    ours, theirs = list(input.shape), list(indices.shape)
    length, count = ours[dim], theirs[dim]
    ours[dim] = theirs[dim] = 1
    common = list(broadcast_shapes(ours, theirs))
    common[dim] = length
    input = input.expand(common)
    common[dim] = count
    made = (input, dim, indices.expand(common))
    return gather(*made) if out is None else gather(*made, out=out)
