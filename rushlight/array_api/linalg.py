"""The linear algebra extension of the standard."""

from __future__ import annotations

import rushlight as torch

from .dtypes import pair
from .statistics import sum as _sum

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve",
    "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip

_own = torch.linalg


def matmul(x1, x2, /):
    """The matrix product over the last two axes."""
    return torch.matmul(*pair("matmul", x1, x2))


def matrix_transpose(x, /):
    """The last two axes exchanged."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: at least 2 axes are needed, got {x.ndim}")
    return x.mT


def tensordot(x1, x2, /, *, axes=2):
    """Products summed over `axes`: how many of the last and first, or a pair of lists."""
    return torch.tensordot(*pair("tensordot", x1, x2), dims=axes)


def vecdot(x1, x2, /, *, axis=-1):
    """The sum over an axis of products, the first factor conjugated."""
    x1, x2 = pair("vecdot", x1, x2)
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"vecdot: sizes differ: {x1.shape[axis]}, {x2.shape[axis]}")
    if x1.is_floating_point() or x1.is_complex():
        return _own.vecdot(x1, x2, dim=axis)
    return (x1 * x2).sum(axis, dtype=x1.dtype)


def outer(x1, x2, /):
    """All products of two vectors' elements."""
    return torch.outer(*pair("outer", x1, x2))


def cross(x1, x2, /, *, axis=-1):
    """The cross product of vectors of three elements along an axis."""
    return _own.cross(*pair("cross", x1, x2), dim=axis)


def cholesky(x, /, *, upper=False):
    """The triangular factor of a positive definite matrix."""
    return _own.cholesky(x, upper=upper)


def det(x, /):
    """The determinant."""
    return _own.det(x)


def slogdet(x, /):
    """(sign, logabsdet) of the determinant."""
    return _own.slogdet(x)


def inv(x, /):
    """The inverse."""
    return _own.inv(x)


def solve(x1, x2, /):
    """The x with x1 @ x = x2; only a one-dimensional `x2` is a vector."""
    x1, x2 = pair("solve", x1, x2)
    if x2.ndim == 1:
        return _own.solve(x1, x2[:, None])[..., 0]
    batch = torch.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    return _own.solve(x1.expand((*batch, *x1.shape[-2:])), x2.expand((*batch, *x2.shape[-2:])))


def eigh(x, /):
    """(eigenvalues, eigenvectors) of a symmetric or Hermitian matrix."""
    return _own.eigh(x)


def eigvalsh(x, /):
    """The eigenvalues of a symmetric or Hermitian matrix."""
    return _own.eigvalsh(x)


def qr(x, /, *, mode="reduced"):
    """(Q, R): orthonormal columns times an upper triangle."""
    return _own.qr(x, mode=mode)


def svd(x, /, *, full_matrices=True):
    """(U, S, Vh): the singular value decomposition."""
    return _own.svd(x, full_matrices=full_matrices)


def svdvals(x, /):
    """The singular values, the largest first."""
    return _own.svdvals(x)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """A norm of every matrix."""
    return _own.matrix_norm(x, ord, keepdim=keepdims)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """A norm over one or more axes (all for None)."""
    return _own.vector_norm(x, ord, axis, keepdims)


def matrix_power(x, n, /):
    """The n-th power of a square matrix."""
    return _own.matrix_power(x, n)


def matrix_rank(x, /, *, rtol=None):
    """How many singular values exceed `rtol` times the largest."""
    return _own.matrix_rank(x, rtol=rtol)


def pinv(x, /, *, rtol=None):
    """The Moore-Penrose inverse."""
    return _own.pinv(x, rtol=rtol)


def diagonal(x, /, *, offset=0):
    """The diagonals of the last two axes, as the last axis."""
    return torch.diagonal(x, offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """The sum of the diagonals of the last two axes."""
    return _sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)
