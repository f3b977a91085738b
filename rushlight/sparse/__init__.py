"""Sparse tensors: COO and the compressed layouts, and the functions of torch.sparse."""

from __future__ import annotations

from .. import _C
from . import pointwise, product, reduce, shape  # noqa: F401 (they register rules)
from .checks import check_sparse_tensor_invariants
from .diagonals import spdiags
from .dispatch import unsupported
from .gradcheck import as_sparse_gradcheck
from .making import (
    sparse_bsc_tensor,
    sparse_bsr_tensor,
    sparse_compressed_tensor,
    sparse_coo_tensor,
    sparse_csc_tensor,
    sparse_csr_tensor,
)
from .product import hspmm, sampled_addmm, sspaddmm
from .product import smm as smm  # noqa: PLC0414
from .product import sparse_addmm as addmm
from .product import sparse_mm as mm
from .reduce import sparse_log_softmax as log_softmax
from .reduce import sparse_softmax as softmax
from .reduce import sparse_sum as sum  # noqa: A004 (torch.sparse.sum)
from .semi_structured import (
    SparseSemiStructuredTensor,
    SparseSemiStructuredTensorCUSPARSELT,
    SparseSemiStructuredTensorCUTLASS,
    to_sparse_semi_structured,
)
from .structure import (
    ccol_indices_copy,
    col_indices_copy,
    crow_indices_copy,
    dsmm,
    hsmm,
    indices_copy,
    resize_as_sparse_,
    row_indices_copy,
    saddmm,
    spmm,
    values_copy,
)

for _function, _name in (
    (mm, "mm"),
    (addmm, "addmm"),
    (sum, "sum"),
    (softmax, "softmax"),
    (log_softmax, "log_softmax"),
):
    _function.__name__ = _function.__qualname__ = _name

__all__ = [
    "SparseSemiStructuredTensor",
    "SparseSemiStructuredTensorCUSPARSELT",
    "SparseSemiStructuredTensorCUTLASS",
    "addmm",
    "as_sparse_gradcheck",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "softmax",
    "spdiags",
    "sum",
    "to_sparse_semi_structured",
]


def __getattr__(name: str):
    from .._legacy import sparse_class

    found = sparse_class(name) if name.endswith("Tensor") else None
    if found is None:
        raise AttributeError(f"module 'torch.sparse' has no attribute '{name}'")
    globals()[name] = found
    return found
