"""Rules of matrix products, and torch.sparse.mm, addmm and sampled_addmm."""

from __future__ import annotations

from .. import _C
from ..op import conj, operators
from ..tensor.common import LAYOUTS
from .convert import Quiet, coalesce, to_compressed, to_coo
from .dispatch import rule, store
from .pattern import (
    CompressedPattern,
    CooPattern,
    arange,
    compress,
    expand_compressed,
    number_groups,
)
from .record import record
from .tensor import COO, SparseTensor, construct, values_of

Tensor = _C.Tensor
CSR = LAYOUTS["sparse_csr"]
csr_matmul, csr_sampled = operators["csr_matmul"], operators["csr_sampled"]


def rows_of(x):
    """(crow, col, values with history) of a sparse matrix in any layout."""
    if x.ndim != 2 or x._pattern.dense_shape:
        raise RuntimeError(
            f"sparse matrix product: expected a 2-D sparse tensor without dense dims, got "
            f"{x.ndim} dims of which {len(x._pattern.dense_shape)} dense"
        )
    if x.layout is CSR:
        return x._pattern.compressed, x._pattern.plain, values_of(x)
    if not x.is_sparse:
        return rows_of(to_compressed(x, CSR))
    x = coalesce(x)
    pattern = x._pattern
    pattern.linear()  # looks at the indices
    return compress(pattern.indices[0], pattern.shape[0]), pattern.indices[1], values_of(x)


def _check(op, x, y):
    for name, t in (("self", x), ("mat2", y)):
        if t.ndim != 2:
            raise RuntimeError(f"{op}: expected '{name}' to be a matrix, got {t.ndim}-D tensor")
    if x.shape[1] != y.shape[0]:
        raise RuntimeError(
            f"{op}: Argument #3 (dense): Expected dim 0 size {x.shape[1]}, got {y.shape[0]} "
            f"(mat1 and mat2 shapes cannot be multiplied: {list(x.shape)} and {list(y.shape)})"
        )
    if x.dtype is not y.dtype:
        kinds = [t.type().rpartition(".")[2].removesuffix("Tensor") for t in (_plain(x), _plain(y))]
        raise RuntimeError(f"{op}: expected scalar type {kinds[0]} but found {kinds[1]}")


def _plain(x):
    return x._held if isinstance(x, SparseTensor) else x


@rule("mm")
def mm(input, mat2):
    """`@` and torch.mm: as in PyTorch their gradients are those of full matrices.

    torch.sparse.mm keeps the gradient of a sparse operand to the places it stores.
    """
    with Quiet():
        made = masked_mm(input, mat2)
    needs = input.requires_grad, mat2.requires_grad

    def gradient(g):
        return (
            g.mm(conj(mat2).t()) if needs[0] else None,
            conj(input).t().mm(g) if needs[1] else None,
        )

    record("MmBackward0", (input, mat2), (made,), gradient)
    return made


def masked_mm(input, mat2):
    """The product, differentiable with respect to stored values only."""
    _check("addmm", input, mat2)
    if not isinstance(mat2, SparseTensor):
        return csr_matmul(*rows_of(input), mat2)
    if not isinstance(input, SparseTensor):
        return csr_matmul(*rows_of(mat2.t()), input.t()).t()
    return _sparse_product(input, mat2)


def _sparse_product(x, y):
    a, b, cols = rows_of(x), rows_of(y), y.shape[1]
    if _C.any_requires_grad((a[2], b[2])):
        rows, col, values = _pairs(*a, *b, cols)
        crow = compress(rows, x.shape[0])
    else:
        crow, col, values = operators["csr_product"](*a, *b, cols)
    shape = (x.shape[0], cols)
    if not (x.is_sparse and y.is_sparse):
        pattern = CompressedPattern(CSR, crow, col, shape, None, 0)
        return construct(pattern, values, True, "SparseSparseMatmulBackward0")
    from .. import stack

    indices = stack((expand_compressed(crow, col.shape[0]), col))
    return construct(
        CooPattern(COO, indices, shape, 2), values, True, "SparseSparseMatmulBackward0"
    )


def _pairs(crow, col, values, other_crow, other_col, other_values, cols):
    """The product as a sum over pairs of values, differentiable: (rows, columns, values)."""
    from .. import repeat_interleave

    col, other_col = col.to(_C.int64), other_col.to(_C.int64)
    starts = other_crow.to(_C.int64)
    rows = expand_compressed(crow, col.shape[0])
    counts = starts[col + 1] - starts[col]
    first = repeat_interleave(arange(col.shape[0]), counts)
    within = arange(first.shape[0]) - repeat_interleave(counts.cumsum(0) - counts, counts)
    second = starts[col][first] + within
    products = values.index_select(0, first) * other_values.index_select(0, second)
    places = rows[first] * cols + other_col[second]
    distinct, inverse = number_groups(places)
    total = products.new_zeros(distinct.shape[0]).index_add(0, inverse, products)
    width = max(cols, 1)
    return distinct // width, distinct % width, total


@rule("mv")
def mv(input, vec):
    if not isinstance(input, SparseTensor) or isinstance(vec, SparseTensor):
        raise RuntimeError("mv: expected a sparse matrix and a dense vector")
    if input.ndim != 2 or vec.ndim != 1 or input.shape[1] != vec.shape[0]:
        raise RuntimeError("mv: expected self.size(-1) == vec.size(-1)")
    with Quiet():
        made = masked_mm(input, vec.unsqueeze(1)).squeeze(1)
    needs = input.requires_grad, vec.requires_grad

    def gradient(g):
        return (
            g.unsqueeze(1) * conj(vec) if needs[0] else None,
            conj(input).t().mv(g) if needs[1] else None,
        )

    record("MvBackward0", (input, vec), (made,), gradient)
    return made


@rule("addmv")
def addmv(input, mat, vec, *, beta=1, alpha=1):
    return _plus(input, mv(mat, vec), beta, alpha)


@rule("bmm")
def bmm(input, mat2):
    if not isinstance(input, SparseTensor) or isinstance(mat2, SparseTensor):
        raise RuntimeError("bmm_sparse: expected a sparse and a dense tensor")
    x = coalesce(to_coo(input))
    if x._pattern.sparse_dim != 3:
        raise RuntimeError(
            f"bmm_sparse: Tensor 'self' must have 3 sparse dims, but has {x._pattern.sparse_dim}"
        )
    batch, rows, inner = x.shape
    if mat2.ndim != 3 or mat2.shape[0] != batch or mat2.shape[1] != inner:
        raise RuntimeError(f"bmm_sparse: shapes {list(x.shape)} and {list(mat2.shape)} do not fit")
    x._pattern.linear()
    index = x._pattern.indices
    crow = compress(index[0] * rows + index[1], batch * rows)
    flat = mat2.reshape(batch * inner, mat2.shape[2])
    out = csr_matmul(crow, index[0] * inner + index[2], values_of(x), flat)
    return out.reshape(batch, rows, mat2.shape[2])


def _plus(input, product, beta, alpha):
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    scaled = input if beta == 1 else input * beta
    if isinstance(scaled, SparseTensor) or isinstance(product, SparseTensor):
        return scaled + product
    return scaled.expand(tuple(product.shape)) + product


@rule("addmm")
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    if not isinstance(mat1, SparseTensor) and not isinstance(mat2, SparseTensor):
        raise RuntimeError("addmm: expected 'mat1' or 'mat2' to be sparse, as the input is")
    return _plus(input, mm(mat1, mat2), beta, alpha)


def _linear(input, weight, bias=None):
    if isinstance(input, SparseTensor):
        product = mm(input, weight.t())
    else:
        product = mm(input if input.ndim == 2 else input.reshape(-1, input.shape[-1]), weight.t())
        if input.ndim != 2:
            product = product.reshape(*input.shape[:-1], weight.shape[0])
    return product if bias is None else product + bias


for _name in ("addmm", "view", "mm", "unsafe_view", "row"):
    rule("linear_" + _name)(_linear)


# -- torch.sparse -------------------------------------------------------------------------------

_REDUCTIONS = ("sum", "mean", "amax", "amin")


def sparse_mm(mat1, mat2, reduce=None, *, out=None) -> Tensor:
    """The product of matrices of which one at least is sparse.

    With `reduce` (for a CSR `mat1`), the products that a row adds up are combined so instead:
    "sum", "mean", "amax" or "amin"; a row that stores nothing gives 0.
    """
    if reduce is None:
        result = masked_mm(mat1, mat2) if _any_sparse(mat1, mat2) else mat1.mm(mat2)
    else:
        result = _reduced(mat1, mat2, reduce)
    return result if out is None else store(out, result)


def _any_sparse(*tensors):
    return any(isinstance(t, SparseTensor) for t in tensors)


def _reduced(x, dense, reduce):
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, mean, amax or amin, got {reduce}")
    if not isinstance(x, SparseTensor) or x.layout is not CSR or isinstance(dense, SparseTensor):
        raise RuntimeError("sparse_mm_reduce: expected 'self' to be CSR and 'mat2' to be dense")
    _check("sparse_mm_reduce", x, dense)
    crow, col, values = rows_of(x)
    if reduce in ("sum", "mean"):
        total = csr_matmul(crow, col, values, dense)
        if reduce == "sum":
            return total
        counts = (crow[1:] - crow[:-1]).clamp(min=1)
        return total / counts.to(total.dtype).unsqueeze(1)
    rows = x._pattern.expanded()
    x._pattern.linear()
    products = values.unsqueeze(1) * dense.index_select(0, col.to(_C.int64))
    base = products.new_zeros((x.shape[0], dense.shape[1]))
    index = rows.unsqueeze(1).expand(products.shape)
    return base.scatter_reduce(0, index, products, reduce, include_self=False)


def sparse_addmm(input, mat1, mat2, *, beta=1, alpha=1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2) with a sparse `mat1`; gradients reach its values."""
    if not _any_sparse(mat1, mat2, input):
        return input.addmm(mat1, mat2, beta=beta, alpha=alpha)
    return _plus(input, masked_mm(mat1, mat2), beta, alpha)


def sampled_addmm(input, mat1, mat2, *, beta=1.0, alpha=1.0, out=None) -> Tensor:
    """alpha * (mat1 @ mat2) at the places of the CSR tensor `input`, plus beta * input."""
    if not isinstance(input, SparseTensor) or input.layout is not CSR:
        raise RuntimeError("sampled_addmm: Expected self to be a CSR tensor (sparse csr layout)")
    if _any_sparse(mat1, mat2):
        raise RuntimeError("sampled_addmm: Expected mat1 and mat2 to be strided tensors")
    if mat1.ndim < 2 or mat2.ndim < 2 or mat1.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(
            f"sampled_addmm: mat1 and mat2 shapes cannot be multiplied: {list(mat1.shape)} and "
            f"{list(mat2.shape)}"
        )
    if tuple(input.shape) != (*mat1.shape[:-1], mat2.shape[-1]):
        raise RuntimeError(
            f"sampled_addmm: self.shape {list(input.shape)} must match the shape of mat1 @ mat2, "
            f"{[*mat1.shape[:-1], mat2.shape[-1]]}"
        )
    kinds = {t.dtype for t in (input, mat1, mat2)}
    if len(kinds) != 1:
        raise RuntimeError("sampled_addmm: Expected self, mat1 and mat2 to have the same dtype")
    pattern = input._pattern
    if pattern.batch:
        values = _sampled_batches(pattern, mat1, mat2)
    else:
        values = csr_sampled(pattern.compressed, pattern.plain, mat1, mat2.t())
    values = values if alpha == 1 else values * alpha
    if beta != 0:
        values = values + values_of(input) * beta
    made = construct(pattern, values, True, "SampledAddmmBackward0")
    return made if out is None else store(out, made)


def _sampled_batches(pattern, mat1, mat2):
    from .. import stack

    rows, inner, cols = mat1.shape[-2], mat1.shape[-1], mat2.shape[-1]
    count = len(pattern.plain.reshape(-1, pattern.nnz))
    parts = zip(
        pattern.compressed.reshape(count, rows + 1),
        pattern.plain.reshape(count, pattern.nnz),
        mat1.reshape(count, rows, inner),
        mat2.reshape(count, inner, cols),
        strict=True,
    )
    values = stack([csr_sampled(crow, col, a, b.t()) for crow, col, a, b in parts])
    return values.reshape(*pattern.batch, pattern.nnz)


# -- the older names ----------------------------------------------------------------------------


def smm(input, mat) -> Tensor:
    """The product of a sparse and a dense matrix, as a sparse tensor."""
    return to_coo(mm(input, mat)) if isinstance(input, SparseTensor) else _needs_sparse("smm")


def sspaddmm(input, mat1, mat2, *, beta=1, alpha=1, out=None) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2) for sparse `input` and `mat1`, as a sparse tensor."""
    if not isinstance(input, SparseTensor) or not isinstance(mat1, SparseTensor):
        _needs_sparse("sspaddmm")
    first, second = to_coo(input) * beta, to_coo(mm(mat1, mat2)) * alpha
    # One behind the other, as PyTorch leaves them: the result is not coalesced.
    one, other = first._pattern, second._pattern
    if one.shape != other.shape:
        raise RuntimeError(
            f"sspaddmm: Argument #1: Expected size {list(other.shape)}, got {list(one.shape)}"
        )
    from .. import cat

    pattern = CooPattern(COO, cat((one.indices, other.indices), 1), one.shape, one.sparse_dim)
    result = construct(pattern, cat((values_of(first), values_of(second))), False)
    return result if out is None else store(out, result)


def hspmm(mat1, mat2, *, out=None) -> Tensor:
    """The product of a sparse and a dense matrix; of the result whole rows are stored."""
    if not isinstance(mat1, SparseTensor):
        _needs_sparse("hspmm")
    product = mm(mat1, mat2)
    rows = coalesce(to_coo(mat1))._pattern.indices[0].unique()
    pattern = CooPattern(COO, rows.unsqueeze(0), tuple(product.shape), 1)
    made = construct(pattern, product.index_select(0, rows), True)
    return made if out is None else store(out, made)


def _needs_sparse(name):
    raise RuntimeError(f"{name}: expected a sparse tensor as the first matrix; see to_sparse()")
