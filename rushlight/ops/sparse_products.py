"""Products of matrices in compressed rows (CSR), on their index tensors and values.

The sparse layouts (rushlight/sparse) are built on these and on dense operators. Row r of a matrix
holds the values k from crow[r] to crow[r + 1]; value k stands in column col[k].
"""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import conj, op


def _rows(crow, col):
    return np.repeat(np.arange(len(crow) - 1), np.diff(crow))


def transposed(crow, col, columns):
    """The pattern of the transpose, and which value of the matrix stands where in it."""
    from ..sparse.pattern import compress, expand_compressed

    order = col.argsort(stable=True)
    rows = expand_compressed(crow, col.shape[0])
    return compress(col[order], columns), rows[order], order


def _pattern():
    """Four rows over five columns, the second row empty."""
    crow = _C.from_data([0, 2, 2, 5, 6], _C.int64)
    return crow, _C.from_data([1, 4, 0, 2, 3, 3], _C.int64)


@op("", node="SparseAddmm")
class csr_matmul:
    """A sparse matrix times a dense one: rows of `dense` (cols, n) weighted by `values` (nnz)."""

    def forward(crow, col, values, dense):
        out = np.zeros((len(crow) - 1, dense.shape[1]), dense.dtype)
        np.add.at(out, _rows(crow, col), values[:, None] * dense[col])
        return out

    def grad_values(g, crow, col, dense):
        return csr_sampled(crow, col, g, conj(dense))

    def grad_dense(g, crow, col, values, dense_shape):
        starts, rows, order = transposed(crow, col, dense_shape[0])
        return csr_matmul(starts, rows, conj(values[order]), g)

    def samples(make):
        yield *_pattern(), make(6), make(5, 3)
        yield *_pattern(), make(6), make(5, 1)
        yield *_pattern(), make(6), make(5, 0)


@op("")
class csr_sampled:
    """Products of rows of `left` (rows, n) with rows of `right` (cols, n), where values stand."""

    def forward(crow, col, left, right):
        return (left[_rows(crow, col)] * right[col]).sum(1)

    def grad_left(g, crow, col, right):
        return csr_matmul(crow, col, g, conj(right))

    def grad_right(g, crow, col, left, right_shape):
        starts, rows, order = transposed(crow, col, right_shape[0])
        return csr_matmul(starts, rows, g[order], conj(left))

    def samples(make):
        yield *_pattern(), make(4, 3), make(5, 3)
        yield *_pattern(), make(4, 0), make(5, 0)


@op("", outputs=("crow", "columns", "products"))
class csr_product:
    """The product of two sparse matrices, in compressed rows with rising columns."""

    def forward(crow, col, values, other_crow, other_col, other_values, cols):
        place = _rows(crow, col), col
        other_place = _rows(other_crow, other_col), other_col
        left = np.zeros((len(crow) - 1, len(other_crow) - 1), values.dtype)
        right = np.zeros((len(other_crow) - 1, cols), values.dtype)
        counts = np.zeros(left.shape, int), np.zeros(right.shape, int)
        left[place], right[other_place] = values, other_values
        counts[0][place], counts[1][other_place] = 1, 1
        stored = counts[0] @ counts[1]
        product = left @ right
        place = np.nonzero(stored)
        return np.concatenate([[0], np.cumsum((stored != 0).sum(1))]), place[1], product[place]

    def samples(make):
        crow = _C.from_data([0, 1, 1, 3, 4, 6], _C.int64)
        col = _C.from_data([2, 0, 1, 2, 0, 1], _C.int64)
        yield *_pattern(), make(6), crow, col, make(6), 3
