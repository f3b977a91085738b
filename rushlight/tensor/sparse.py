"""Methods about sparse layouts: each loads rushlight.sparse when it is first called."""

from __future__ import annotations

from .common import Tensor

NAMES = """
    coalesce is_coalesced _coalesced_ indices _indices values _values crow_indices col_indices
    ccol_indices row_indices _nnz sparse_dim dense_dim _dimI _dimV to_dense to_sparse to_sparse_coo
    to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc sparse_mask sparse_resize_
    sparse_resize_and_clear_ resize_as_sparse_ smm sspaddmm
""".split()


def _attach(name):
    def method(self, *args, **kwargs):
        from ..sparse import methods

        return getattr(methods, name)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"See rushlight.sparse.methods.{name}."
    setattr(Tensor, name, method)


for _name in NAMES:
    _attach(_name)
