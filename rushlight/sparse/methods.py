"""The methods of Tensor that concern sparse layouts; attached by rushlight/tensor/sparse.py."""

from __future__ import annotations

from .. import _C
from ..tensor.common import LAYOUTS
from . import convert, product
from .dispatch import unsupported
from .making import empty_sparse
from .pattern import CooPattern
from .tensor import (
    COMPRESSED,
    COO,
    LAYOUT_NAMES,
    SparseTensor,
    layout_name,
    replace,
    values_of,
)

Tensor = _C.Tensor


def _coo(x, name):
    if not isinstance(x, SparseTensor) or not x.is_sparse:
        raise RuntimeError(
            f"{name} expected sparse coordinate tensor layout but got {layout_name(x)}"
        )
    return x._pattern


def _compressed(x, name, by_row):
    kind = "row" if by_row else "column"
    if isinstance(x, SparseTensor) and not x.is_sparse and x._pattern.by_row == by_row:
        return x._pattern
    raise RuntimeError(
        f"{name} expected sparse {kind} compressed tensor layout but got {layout_name(x)}"
    )


# -- parts --------------------------------------------------------------------------------------


def coalesce(self):
    """The same COO tensor with sorted places, values at the same place added up."""
    _coo(self, "coalesce")
    return convert.coalesce(self)


def is_coalesced(self):
    """Whether places are sorted and distinct, as far as is known."""
    _coo(self, "is_coalesced")
    return self._sorted


def _coalesced_(self, coalesced):
    """Say whether the tensor counts as coalesced."""
    _coo(self, "_coalesced_")
    self._sorted = bool(coalesced)
    return self


def indices(self):
    """Places of a coalesced COO tensor: (sparse_dim, nnz)."""
    return _needs_coalesced(self, "indices").indices


def _needs_coalesced(x, name):
    pattern = _coo(x, name)
    if not x._sorted:
        raise RuntimeError(
            f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first"
        )
    return pattern


def _indices(self):
    """Places of a COO tensor as they are stored."""
    if isinstance(self, SparseTensor) and self.is_sparse:
        return self._pattern.indices
    raise unsupported("_indices", self)


def values(self):
    """Stored values, with gradient; of a COO tensor only when it is coalesced."""
    if not isinstance(self, SparseTensor):
        raise RuntimeError(f"values expected sparse tensor layout but got {layout_name(self)}")
    if self.is_sparse:
        _needs_coalesced(self, "values")
    return values_of(self)


def _values(self):
    """Values of a COO tensor as they are stored, without history."""
    if isinstance(self, SparseTensor) and self.is_sparse:
        return self._held
    raise unsupported("_values", self)


def crow_indices(self):
    """Where each row starts: (*batch, rows + 1) of a CSR or BSR tensor."""
    return _compressed(self, "crow_indices", True).compressed


def col_indices(self):
    """Column of each value: (*batch, nnz) of a CSR or BSR tensor."""
    return _compressed(self, "col_indices", True).plain


def ccol_indices(self):
    """Where each column starts: (*batch, columns + 1) of a CSC or BSC tensor."""
    return _compressed(self, "ccol_indices", False).compressed


def row_indices(self):
    """Row of each value: (*batch, nnz) of a CSC or BSC tensor."""
    return _compressed(self, "row_indices", False).plain


def _nnz(self):
    """How many values (or blocks) are stored; of batches, in each matrix."""
    if not isinstance(self, SparseTensor):
        raise unsupported("_nnz", self)
    return self._pattern.nnz


def sparse_dim(self):
    """Number of sparse dims: those that indices run over."""
    if not isinstance(self, SparseTensor):
        return 0
    return self._pattern.sparse_dim if self.is_sparse else 2


def dense_dim(self):
    """Number of dense dims: those that every stored value has."""
    return len(self._pattern.dense_shape) if isinstance(self, SparseTensor) else self.ndim


# -- conversions --------------------------------------------------------------------------------


def to_dense(self, dtype=None, *, masked_grad=None):
    """The tensor with all its elements."""
    return convert.to_dense(self, dtype, masked_grad)


def to_sparse(self, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None):
    """The tensor as COO with `sparse_dim` sparse dims, or in another sparse `layout`."""
    if isinstance(sparse_dim, type(COO)):
        sparse_dim, layout = None, sparse_dim
    if sparse_dim is not None:
        if layout is not None or blocksize is not None or dense_dim is not None:
            raise TypeError("to_sparse() takes 0 positional arguments but 1 was given")
        return convert.to_coo(self, sparse_dim, "ToSparseBackward0")
    if layout is None or layout is COO:
        if blocksize is not None:
            raise RuntimeError(
                "to_sparse: conversion to Sparse layout with blocksize argument given is not "
                "supported"
            )
        dense = dense_dim or 0
        if isinstance(self, SparseTensor):
            return convert.to_coo(self)
        return convert.to_coo(self, self.ndim - dense)
    if layout is LAYOUTS["strided"]:
        return convert.to_dense(self)
    if layout not in COMPRESSED:
        raise RuntimeError(f"to_sparse: unknown layout {layout}")
    blocked = layout.name in ("sparse_bsr", "sparse_bsc")
    if blocksize is not None and not blocked:
        raise RuntimeError(
            f"to_sparse: conversion from {layout_name(self)} to {LAYOUT_NAMES[layout.name]} with "
            "blocksize argument given is not supported"
        )
    return convert.to_compressed(self, layout, _pair(blocksize), dense_dim)


def _pair(blocksize):
    if blocksize is None:
        return None
    pair = (blocksize, blocksize) if isinstance(blocksize, int) else tuple(blocksize)
    if len(pair) == 1:
        pair = pair * 2
    if len(pair) != 2 or not all(isinstance(b, int) for b in pair):
        raise RuntimeError(f"blocksize needs to be a tuple of size 2, but got {len(pair)}")
    return pair


def to_sparse_coo(self):
    """The tensor as COO."""
    return to_sparse(self)


def to_sparse_csr(self, dense_dim=None):
    """The tensor in compressed rows."""
    return convert.to_compressed(self, COMPRESSED[0], None, dense_dim)


def to_sparse_csc(self, dense_dim=None):
    """The tensor in compressed columns."""
    return convert.to_compressed(self, COMPRESSED[1], None, dense_dim)


def to_sparse_bsr(self, blocksize, dense_dim=None):
    """The tensor in compressed rows of blocks."""
    return convert.to_compressed(self, COMPRESSED[2], _pair(blocksize), dense_dim)


def to_sparse_bsc(self, blocksize, dense_dim=None):
    """The tensor in compressed columns of blocks."""
    return convert.to_compressed(self, COMPRESSED[3], _pair(blocksize), dense_dim)


def sparse_mask(self, mask):
    """The values of this tensor at the places that `mask` stores."""
    return convert.sparse_mask(self, mask)


# -- sizes in place -----------------------------------------------------------------------------

_OPTIONS = (
    "\nYou could try the following options:\n"
    "1. If you need an empty sparse tensor of this size, call `x = torch.sparse_coo_tensor(size)`."
    "\n2. If you need to resize this tensor, keep the numbers of sparse and dense dimensions and "
    "do not shrink any of them."
)


def _check_dims(x, name, size, sparse_dim, dense_dim):
    if not isinstance(x, SparseTensor) or not x.is_sparse:
        raise unsupported(name, x)
    if len(size) != sparse_dim + dense_dim:
        raise RuntimeError(
            "'len(size) == sparse_dim + dense_dim' is not satisfied: "
            f"len(size) = {len(size)}, sparse_dim = {sparse_dim}, dense_dim = {dense_dim}"
        )
    if any(s < 0 for s in size) or sparse_dim < 0:
        raise RuntimeError(f"{name}: got a negative size: {list(size)}")


def sparse_resize_(self, size, sparse_dim, dense_dim):
    """Change the shape in place; what is stored stays, so sizes may only grow."""
    size = tuple(size)
    _check_dims(self, "sparse_resize_", size, sparse_dim, dense_dim)
    pattern, held = self._pattern, self._held
    if not pattern.nnz:
        return sparse_resize_and_clear_(self, size, sparse_dim, dense_dim)
    for what, own, wanted in (
        ("sparse", pattern.sparse_dim, sparse_dim),
        ("dense", len(pattern.dense_shape), dense_dim),
    ):
        if own != wanted:
            raise RuntimeError(
                f"changing the number of {what} dimensions (from {own} to {wanted}) on a "
                "non-empty sparse tensor is not supported." + _OPTIONS
            )
    for what, part in (("sparse", slice(0, sparse_dim)), ("dense", slice(sparse_dim, None))):
        if any(b < a for a, b in zip(pattern.shape[part], size[part], strict=True)):
            raise RuntimeError(
                f"shrinking the size of {what} dimensions (from {list(pattern.shape[part])} to "
                f"{list(size[part])}) on a non-empty sparse tensor is not supported." + _OPTIONS
            )
    _C.check_inplace(self)
    if size[sparse_dim:] != pattern.dense_shape:
        grown = held.new_zeros((pattern.nnz, *size[sparse_dim:]))
        grown[(slice(None), *(slice(0, s) for s in pattern.dense_shape))] = held
        held = grown
    replace(self, CooPattern(COO, pattern.indices, size, sparse_dim), held, self._sorted)
    return self


def sparse_resize_and_clear_(self, size, sparse_dim, dense_dim):
    """Change the shape in place to anything; nothing is stored afterwards."""
    size = tuple(size)
    _check_dims(self, "sparse_resize_and_clear_", size, sparse_dim, dense_dim)
    _C.check_inplace(self)
    empty = empty_sparse(size, self.dtype, COO, dense_dim=dense_dim)
    replace(self, empty._pattern, empty._held, True)
    return self


def resize_as_sparse_(self, the_template):
    """`sparse_resize_` to the shape and dims of another sparse tensor."""
    pattern = _coo(the_template, "resize_as_sparse_")
    return sparse_resize_(self, pattern.shape, pattern.sparse_dim, len(pattern.dense_shape))


# -- products -----------------------------------------------------------------------------------


def smm(self, mat):
    """The product with a dense matrix, as a sparse tensor."""
    return product.smm(self, mat)


def sspaddmm(self, mat1, mat2, *, beta=1, alpha=1):
    """beta * self + alpha * (mat1 @ mat2), as a sparse tensor."""
    return product.sspaddmm(self, mat1, mat2, beta=beta, alpha=alpha)


def _dimI(self):  # noqa: N802
    """Number of sparse dims."""
    return sparse_dim(self)


def _dimV(self):  # noqa: N802
    """Number of dense dims."""
    return dense_dim(self)
