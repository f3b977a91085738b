"""Order: sort, topk, unique, searching in sorted sequences, counting."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from ._lanes import zeros_for
from ._outputs import deliver

Tensor = _C.Tensor


def _order(x, dim, descending):
    """Positions that sort stably, NaN counted as the largest."""
    if descending:
        back = np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)
        return x.shape[dim] - 1 - back
    return np.argsort(x, dim, kind="stable")


def _values_gradient(g, indices, dim, shape):
    if not shape:
        return g
    return zeros_for(g, shape, indices).scatter_add_(dim, indices, g)


@op("", name="sort", outputs=("values", "indices"))
class _sort:
    """Sort along `dim`, stably; NaN comes last (first when descending)."""

    def forward(input, dim=-1, descending=False):
        at = _order(input, dim, descending)
        return np.take_along_axis(input, at, dim), at

    def grad_input(g, indices, dim, input_shape):
        return _values_gradient(g[0], indices, dim, input_shape)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 0, True


@public("torch.sort Tensor.sort")
def sort(input: Tensor, dim=-1, descending=False, *, stable=False, out=None):
    """(values, indices) sorted along `dim`; always stable. NaN counts as the largest."""
    return _sort(input, dim, descending) if out is None else _sort(input, dim, descending, out=out)


@public("torch.argsort Tensor.argsort")
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False, out=None
):
    """Positions that sort `input` along `dim`."""
    if out is not None:
        return out.resize_(input.shape).copy_(_sort(input.detach(), dim, descending)[1])
    return _sort(input.detach(), dim, descending)[1]


@public("torch.msort Tensor.msort")
def msort(input: Tensor, *, out=None):
    """Sort along the first dim."""
    values = _sort(input, 0)[0]
    return deliver(values, out)


@op("", name="topk", outputs=("values", "indices"))
class _topk:
    """The `k` largest (or smallest) entries along `dim`, in order where `sorted`."""

    def forward(input, k, dim=-1, largest=True, sorted=True):
        at = np.take(_order(input, dim, largest), np.arange(k), dim)
        return np.take_along_axis(input, at, dim), at

    def grad_input(g, indices, dim, input_shape):
        return _values_gradient(g[0], indices, dim, input_shape)

    def samples(make):  # a wide range: the places of equal integers are the kernel's choice
        yield make(3, 5, high=90), 2
        yield make(4, 3, high=90), 3, 0, False


@public("torch.topk Tensor.topk")
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out=None
):
    """(values, indices) of the `k` largest or smallest entries along `dim`, in order.

    Of equal entries, and without `sorted`, it names those that PyTorch names.
    """
    dim = -1 if dim is None else dim
    if out is None:
        return _topk(input, k, dim, largest, sorted)
    return _topk(input, k, dim, largest, sorted, out=out)


# -- unique ------------------------------------------------------------------------------------


def _runs(starts, return_inverse, return_counts, order=None):
    """(positions of first elements, inverse, counts) from flags that mark where runs begin."""
    first = starts.nonzero().reshape(-1)
    inverse = counts = None
    if return_inverse:
        group = starts.cumsum(0) - 1
        inverse = group if order is None else group.new_empty(group.shape).scatter_(0, order, group)
    if return_counts:
        from .join import cat

        ends = cat([first[1:], first.new_full((1,), starts.numel())]) if first.numel() else first
        counts = ends - first
    return first, inverse, counts


def _flags(different):
    """[True, different...]: the first element begins a run."""
    from .join import cat

    return cat([different.new_ones(1), different])


def _pack(values, inverse, counts):
    got = (values, *(t for t in (inverse, counts) if t is not None))
    return got[0] if len(got) == 1 else got


@op("", outputs="tuple")
class unique_runs:
    """Runs of equal neighbours: their values, the run of each element, their lengths.

    `order` says where the elements came from; what is not asked for is empty.
    """

    def forward(input, order, return_inverse, return_counts):
        starts = np.append(True, input[1:] != input[:-1])[: input.size]
        inverse, first = np.empty(input.size, np.int64), np.flatnonzero(starts)
        inverse[slice(None) if order is None else order] = np.cumsum(starts) - 1
        counts = np.diff(np.append(first, input.size))
        return (
            input[first],
            inverse if return_inverse else inverse[:0],
            counts.astype(np.int64) if return_counts else inverse[:0],
        )

    def samples(make):
        yield make(6, dtype="int64", low=0, high=3), None, True, True
        yield (
            make(6, dtype="int64", low=0, high=3),
            make(6, dtype="float64", grad=False).argsort(),
            True,
            False,
        )


def _unique_flat(x, return_inverse, return_counts, ordered):
    flat, order = x.reshape(-1), None
    if ordered:
        flat, order = _sort(flat)
    order = order if return_inverse else None
    values, inverse, counts = unique_runs(flat, order, return_inverse, return_counts)
    inverse = inverse.reshape(x.shape) if return_inverse else None
    return _pack(values, inverse, counts if return_counts else None)


@op("")
class row_order:
    """Positions that sort the rows of a matrix, first columns first."""

    def forward(input):
        return np.lexsort(input.T[::-1])

    def samples(make):
        yield (make(6, 2, dtype="int64", low=0, high=3),)


def _unique_dim(x, dim, return_inverse, return_counts, ordered):
    if not -x.dim() <= dim < max(x.dim(), 1):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-x.dim()}, "
            f"{x.dim() - 1}], but got {dim})"
        )
    moved = x.movedim(dim, 0)
    n = moved.size(0)
    if x.numel() == 0:
        if n:
            raise RuntimeError(
                "There are 0 sized dimensions, and they aren't selected, so "
                "unique cannot be applied"
            )
        empty = _C.full((0,), 0, _C.int64, False)
        return _pack(x, empty if return_inverse else None, empty if return_counts else None)
    rows, order = moved.reshape(n, -1), None
    if ordered:
        order = row_order(rows)
        rows = rows.index_select(0, order)
    starts = _flags((rows[1:] != rows[:-1]).any(1))
    first, inverse, counts = _runs(starts, return_inverse, return_counts, order)
    values = rows.index_select(0, first).reshape(first.numel(), *moved.shape[1:]).movedim(0, dim)
    return _pack(values.contiguous(), inverse, counts)


@public("torch.unique Tensor.unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """The distinct elements, in order, or the distinct slices along `dim`.

    Also, if asked, where each element went and how often each occurs.
    """
    x = input.detach()
    if dim is None:
        return _unique_flat(x, return_inverse, return_counts, True)
    return _unique_dim(x, dim, return_inverse, return_counts, True)


@public("torch.unique_consecutive Tensor.unique_consecutive")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
):
    """Drop elements (or slices along `dim`) that equal the one before them."""
    x = input.detach()
    if dim is None:
        return _unique_flat(x, return_inverse, return_counts, False)
    return _unique_dim(x, dim, return_inverse, return_counts, False)


# -- searching ---------------------------------------------------------------------------------


@op("torch.searchsorted")
class searchsorted:
    """Where `input` would be inserted into sorted sequences to keep them sorted.

    The sequences are one vector, or lines along the last dim matching those of `input`.
    """

    def forward(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
        side = side or ("right" if right else "left")
        if sorter is not None:
            sorted_sequence = np.take_along_axis(sorted_sequence, sorter, -1)
        dtype = np.int32 if out_int32 else np.int64
        if sorted_sequence.ndim == 1:
            return np.asarray(np.searchsorted(sorted_sequence, input, side)).astype(dtype)
        lines = sorted_sequence.reshape(-1, sorted_sequence.shape[-1])
        wanted = input.reshape(len(lines), -1)
        found = [np.searchsorted(a, b, side) for a, b in zip(lines, wanted, strict=True)]
        return np.reshape(found, input.shape).astype(dtype)

    def samples(make):
        line, lines = make(6, dtype="float32", grad=False), make(2, 6, dtype="int64", high=9)
        yield line.sort()[0], make(2, 3, dtype="float32", grad=False)
        yield lines.sort()[0], make(2, 3, dtype="int64", high=9), {"right": True}


@public("torch.bucketize Tensor.bucketize")
def bucketize(
    input, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out=None
) -> Tensor:
    """The bucket of each element between sorted 1-d boundaries."""
    if boundaries.dim() != 1:
        raise RuntimeError(
            f"boundaries tensor must be 1 dimension, but got dim({boundaries.dim()})"
        )
    if out is None:
        return searchsorted(boundaries, input, out_int32=out_int32, right=right)
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@op("")
class isin_few:
    """Whether each element is one of a few values of its dtype (with `invert`: is none)."""

    def forward(input, values, invert):
        return np.isin(input, values) != bool(invert)

    def samples(make):
        few = make(3, dtype="int64", low=0, high=4)
        yield make(2, 5, dtype="int64", low=0, high=9), few, False
        yield make(2, 5, dtype="int64", low=0, high=9), few, True


@public("torch.isin")
def isin(elements, test_elements, *, assume_unique=False, invert=False, out=None):
    """Whether each element occurs among the test elements."""
    if not isinstance(elements, Tensor):
        if not isinstance(test_elements, Tensor):
            raise TypeError("isin(): one of elements and test_elements must be a Tensor")
        elements = test_elements.new_tensor(elements)
    elif not isinstance(test_elements, Tensor):
        test_elements = (
            _C.full((), test_elements, _C.int64, False)
            if isinstance(test_elements, int)
            else _C.full((), test_elements, _C.float64, False)
        )
    for t in (elements, test_elements):
        if t.dtype is _C.bool:
            raise RuntimeError("Unsupported input type encountered for isin(): Bool")
    both = _C.result_type(elements, test_elements)  # before the 0-d ones get a dim
    x, tests = elements.detach().to(both), test_elements.detach().to(both).reshape(-1)
    if tests.numel() == 0:
        found = _C.full(x.shape, False, _C.bool, False)
    elif tests.numel() <= 16:
        return deliver(isin_few(x, tests, invert), out)
    else:
        line = _sort(tests)[0]
        at = searchsorted(line, x.contiguous()).clamp_(max=line.numel() - 1)
        found = line.take(at) == x
    found = ~found if invert else found
    return deliver(found, out)
