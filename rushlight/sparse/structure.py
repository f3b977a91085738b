"""Functions of the root namespace that have a method's or an older function's meaning."""

from __future__ import annotations

from . import methods
from .dispatch import store
from .product import hspmm, sparse_addmm, sparse_mm


def _copied(name):
    part = getattr(methods, name)

    def copy(input, *, out=None):
        made = part(input).clone()
        return made if out is None else store(out, made)

    copy.__name__ = copy.__qualname__ = name + "_copy"
    copy.__doc__ = f"What `Tensor.{name}` gives, as new memory."
    return copy


(
    indices_copy,
    values_copy,
    crow_indices_copy,
    col_indices_copy,
    ccol_indices_copy,
    row_indices_copy,
) = map(
    _copied,
    ("indices", "values", "crow_indices", "col_indices", "ccol_indices", "row_indices"),
)


def resize_as_sparse_(input, the_template):
    """`input.sparse_resize_` to the shape and dims of another sparse tensor."""
    return methods.resize_as_sparse_(input, the_template)


def spmm(input, mat2):
    """The product of matrices of which one may be sparse, as `torch.mm`."""
    return sparse_mm(input, mat2)


def dsmm(input, mat2):
    """The product of matrices of which one may be sparse, as `torch.mm`."""
    return sparse_mm(input, mat2)


def hsmm(mat1, mat2):
    """`hspmm` under its older name."""
    return hspmm(mat1, mat2)


def saddmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta * input + alpha * (mat1 @ mat2), as `torch.sparse.addmm`."""
    return sparse_addmm(input, mat1, mat2, beta=beta, alpha=alpha)
