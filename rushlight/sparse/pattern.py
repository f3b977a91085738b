"""Where the values of a sparse tensor stand: index tensors and a shape, one class per family.

A pattern never changes; in-place operations give a tensor another one. Both families answer the
same questions: `gather` reads a dense tensor at the stored places, `scatter` adds values into a
dense tensor of zeros. Everything is composed of dense operators, so gradients come with them.
"""

from __future__ import annotations

from math import prod

from .. import _C

Tensor = _C.Tensor


def arange(n: int) -> Tensor:
    """0 .. n - 1 as int64."""
    from .. import arange as make

    return make(n)


def _checked(linear, sizes, name):
    """Flat places, after making sure that all lie inside the tensor."""
    if linear.numel() and (linear.amin().item() < 0 or linear.amax().item() >= prod(sizes)):
        raise IndexError(f"{name} out of range: found a place outside of size {list(sizes)}")
    return linear


class Pattern:
    """Layout, shape and index tensors; `_linear` keeps the flat places once they are asked for."""

    __slots__ = ("layout", "shape", "_linear")

    def gather(self, dense: Tensor) -> Tensor:
        """The elements of `dense` (of this shape) at the stored places, laid out as values."""
        flat = dense.reshape((-1, *self.dense_shape) if dense.numel() else self._flat_shape())
        picked = flat.index_select(0, self.linear().reshape(-1))
        return picked.reshape(self.values_shape())

    def scatter(self, values: Tensor) -> Tensor:
        """A dense tensor with `values` added up at their places, and zeros elsewhere."""
        kind = values.dtype
        wide = values.to(_C.int64) if kind is _C.bool else values
        base = wide.new_zeros(self._flat_shape())
        rows = wide.reshape(self.linear().numel(), *self.dense_shape)
        return base.index_add(0, self.linear().reshape(-1), rows).reshape(self.shape).to(kind)

    def _flat_shape(self):
        return (prod(self.shape[: len(self.shape) - len(self.dense_shape)]), *self.dense_shape)

    def add_into(self, dense: Tensor, values: Tensor, alpha=1) -> Tensor:
        """Add `alpha * values` to a dense tensor, in place."""
        values = values.to(dense.dtype)
        if dense.is_contiguous() and dense.numel():
            rows = values.reshape(self.linear().numel(), *self.dense_shape)
            dense.view(self._flat_shape()).index_add_(
                0, self.linear().reshape(-1), rows, alpha=alpha
            )
            return dense
        return dense.add_(self.scatter(values), alpha=alpha)


class CooPattern(Pattern):
    """`indices` (sparse_dim, nnz), one column per stored value."""

    __slots__ = ("indices", "sparse_dim", "dense_shape")

    def __init__(self, layout, indices, shape, sparse_dim):
        self.layout, self.indices, self.shape = layout, indices, tuple(shape)
        self.sparse_dim = sparse_dim
        self.dense_shape = self.shape[sparse_dim:]
        self._linear = None

    @property
    def nnz(self) -> int:
        return self.indices.shape[1]

    @property
    def sizes(self) -> tuple:
        """Sizes of the sparse dims."""
        return self.shape[: self.sparse_dim]

    def values_shape(self):
        return (self.nnz, *self.dense_shape)

    def linear(self) -> Tensor:
        if self._linear is None:
            self.check_range()
            self._linear = ravel(self.indices, self.sizes)
        return self._linear

    def check_range(self):
        """IndexError for an index outside the shape: nothing may read or write through it."""
        if not self.nnz:
            return
        for d, size in enumerate(self.sizes):
            row = self.indices[d]
            low, high = row.amin().item(), row.amax().item()
            if low < 0:
                raise IndexError(f"found negative index {low} for dim {d}")
            if high >= size:
                raise IndexError(
                    f"size is inconsistent with indices: for dim {d}, size is {size} but found "
                    f"index {high}"
                )

    def sorted_unique(self) -> bool:
        """Whether the columns rise strictly in row-major order."""
        places = self.linear()
        return self.nnz < 2 or bool((places[1:] > places[:-1]).all())

    def same(self, other) -> bool:
        """Whether `other` stores the same places in the same order."""
        if self is other or self.indices is other.indices:
            return self.shape == other.shape
        from .. import equal

        return (
            self.shape == other.shape
            and self.sparse_dim == other.sparse_dim
            and equal(self.indices, other.indices)
        )


class CompressedPattern(Pattern):
    """`compressed` (*batch, n + 1) and `plain` (*batch, nnz) of a CSR, CSC, BSR or BSC tensor."""

    __slots__ = ("compressed", "plain", "by_row", "block", "batch", "dense_shape", "_checked")

    def __init__(self, layout, compressed, plain, shape, block, dense_dim):
        self.layout, self.compressed, self.plain = layout, compressed, plain
        self.shape, self.block = tuple(shape), block
        self.by_row = layout.name in ("sparse_csr", "sparse_bsr")
        self.batch = tuple(compressed.shape[:-1])
        self.dense_shape = self.shape[len(self.shape) - dense_dim :]
        self._linear = None
        self._checked = False

    @property
    def nnz(self) -> int:
        return self.plain.shape[-1]

    @property
    def matrix(self) -> tuple:
        """(rows, columns) of one matrix."""
        n = len(self.batch)
        return self.shape[n : n + 2]

    def values_shape(self):
        return (*self.batch, self.nnz, *(self.block or ()), *self.dense_shape)

    def block_grid(self):
        """Numbers of blocks along (rows, columns); of elements where there are no blocks."""
        rows, cols = self.matrix
        return (rows // self.block[0], cols // self.block[1]) if self.block else (rows, cols)

    def expanded(self) -> Tensor:
        """The index along the compressed dim of every stored value (or block): (*batch, nnz)."""
        self.check_starts()
        return expand_compressed(self.compressed, self.nnz)

    def check_starts(self):
        """RuntimeError unless rows (or columns) start at 0, never fall, and end at nnz."""
        if self._checked:
            return
        starts = self.compressed.to(_C.int64)
        name = "crow_indices" if self.by_row else "ccol_indices"
        steps = starts[..., 1:] - starts[..., :-1]
        for broken, rule in (
            (starts[..., 0] != 0, f"{name}[..., 0] == 0"),
            (starts[..., -1] != self.nnz, f"{name}[..., -1] == nnz"),
            (steps < 0, f"0 <= {name}[..., 1:] - {name}[..., :-1]"),
        ):
            if bool(broken.any()):
                raise RuntimeError(f"`{rule}` is not satisfied.")
        self._checked = True

    def pair(self):
        """(row, column) of every stored value or block."""
        outer, inner = self.expanded(), self.plain.to(_C.int64)
        grid = self.block_grid()
        sizes = grid if self.by_row else grid[::-1]
        for what, places, size in (("compressed", outer, sizes[0]), ("plain", inner, sizes[1])):
            if places.numel() and not 0 <= places.amin().item() <= places.amax().item() < size:
                raise IndexError(f"index out of range in self: {what} indices of {self.layout}")
        return (outer, inner) if self.by_row else (inner, outer)

    def linear(self) -> Tensor:
        if self._linear is None:
            row, col = self.pair()
            rows, cols = self.matrix
            if self.block:
                b0, b1 = self.block
                row = (row * b0).unsqueeze(-1).unsqueeze(-1) + arange(b0).unsqueeze(-1)
                col = (col * b1).unsqueeze(-1).unsqueeze(-1) + arange(b1)
            flat = row * cols + col
            if self.batch:
                start = arange(prod(self.batch)).reshape(
                    self.batch + (1,) * (flat.ndim - len(self.batch))
                )
                flat = flat + start * (rows * cols)
            self._linear = _checked(
                flat, self.shape[: len(self.shape) - len(self.dense_shape)], "index"
            )
        return self._linear

    def same(self, other) -> bool:
        """Whether `other` stores the same places in the same order."""
        if self is other:
            return True
        from .. import equal

        return (
            self.layout is other.layout
            and self.shape == other.shape
            and self.values_shape() == other.values_shape()
            and equal(self.compressed, other.compressed)
            and equal(self.plain, other.plain)
        )


def expand_compressed(compressed: Tensor, nnz: int) -> Tensor:
    """(*batch, n + 1) starts of rows to the row of each of nnz values: (*batch, nnz)."""
    from .. import searchsorted

    starts = compressed.to(_C.int64)
    places = arange(nnz).expand(*starts.shape[:-1], nnz).contiguous()
    return searchsorted(starts.contiguous(), places, right=True) - 1


def compress(rows: Tensor, count: int) -> Tensor:
    """Sorted row numbers (nnz) to where each of `count` rows starts: (count + 1)."""
    from .. import searchsorted

    return searchsorted(rows.contiguous(), arange(count + 1))


def number_groups(places: Tensor):
    """The different numbers among `places` (n), rising, and where each one is: ((m), (n))."""
    from .. import cat, unique

    steps = places[1:] - places[:-1]
    if steps.numel() and steps.amin().item() < 0:
        return unique(places, sorted=True, return_inverse=True)
    fresh = cat((places.new_ones(min(places.shape[0], 1)), (steps != 0).to(_C.int64)))
    return places[fresh.nonzero().reshape(-1)], fresh.cumsum(0) - 1


def ravel(indices: Tensor, sizes) -> Tensor:
    """Columns of indices (dims, nnz) to flat row-major places (nnz)."""
    if not sizes:
        return indices.new_zeros(indices.shape[1])
    flat = indices[0]
    for d in range(1, len(sizes)):
        flat = flat * sizes[d] + indices[d]
    return flat.contiguous()


def unravel(places: Tensor, sizes) -> Tensor:
    """Flat row-major places (nnz) to columns of indices (dims, nnz)."""
    from .. import empty, int64, stack

    rows = []
    for size in reversed(sizes):
        rows.append(places % size if size else places)
        places = places // size if size else places
    if not rows:
        return empty((0, places.numel()), dtype=int64)
    return stack(rows[::-1])
