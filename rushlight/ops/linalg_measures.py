"""Determinants, powers, norms and products of matrices."""

from __future__ import annotations

from .._lazy import np
from ..op import op, public
from ._linalg import check_float, check_matrix, check_square, identity, square
from .linalg import svd, svdvals
from .linalg_solve import inv


@op("", name="det", node="LinalgDet")
class det:
    """Determinants of square matrices."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A):
        return np.linalg.det(A)

    def grad_A(g, A, out):
        # det * inverse is the adjugate, finite for singular matrices too: through the SVD,
        # where the product of the other singular values replaces det / s.
        u, s, vh = svd(A, False)
        n = s.shape[-1]
        rest = [(s[..., :i].prod(-1) * s[..., i + 1 :].prod(-1)) for i in range(n)]
        from .. import linalg, stack

        if n == 0:
            return A.new_zeros(A.shape)
        phase = linalg.slogdet(u @ vh)[0]
        adjugate = (u * stack(rest, -1).to(A.dtype).unsqueeze(-2)) @ vh
        return (g * phase).unsqueeze(-1).unsqueeze(-1) * adjugate

    def samples(make):
        yield (square(make),)


@public("linalg.det torch.det Tensor.det")
def linalg_det(A, *, out=None):  # noqa: N803
    """Determinants of square matrices."""
    check_square("linalg.det", A)
    check_float("linalg.det", A)
    return det(A) if out is None else det(A, out=out)


@op("", name="slogdet", node="LinalgSlogdet", outputs=("sign", "logabsdet"))
class slogdet:
    """(sign, log of the absolute value) of determinants."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A):
        return tuple(np.linalg.slogdet(A))

    def grad_A(g, A, sign):
        gs, gl = g
        total = 0 if gl is None else gl.unsqueeze(-1).unsqueeze(-1) * inv(A).mH
        if gs is not None and A.is_complex():
            turn = (sign.conj() * gs).imag * 1j
            total = total - (turn).unsqueeze(-1).unsqueeze(-1) * inv(A).mH
        return total if gl is not None or A.is_complex() else A.new_zeros(A.shape)

    def samples(make):
        yield (square(make),)


@public("linalg.slogdet torch.slogdet Tensor.slogdet")
def linalg_slogdet(A, *, out=None):  # noqa: N803
    """(sign, logabsdet) of square matrices."""
    check_square("linalg.slogdet", A)
    check_float("linalg.slogdet", A)
    return slogdet(A) if out is None else slogdet(A, out=out)


@public("torch.logdet Tensor.logdet")
def logdet(input):
    """The logarithm of determinants: NaN for a negative one."""
    sign, value = linalg_slogdet(input)
    return value + sign.log()


# -- powers, norms ------------------------------------------------------------------------------


@public("linalg.matrix_power torch.matrix_power Tensor.matrix_power")
def matrix_power(A, n, *, out=None):  # noqa: N803
    """A multiplied by itself n times; a negative n inverts first."""
    check_square("linalg.matrix_power", A)
    base, n = (inv(A), -n) if n < 0 else (A, n)
    result = None
    while n:
        if n & 1:
            result = base if result is None else result @ base
        n >>= 1
        base = base @ base if n else base
    if result is None:
        result = identity(A).expand(A.shape).clone()
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("linalg.matrix_norm")
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):  # noqa: N803
    """Norms of matrices in the two dims: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    from .. import linalg

    check_matrix("linalg.matrix_norm", A)
    a = A if dtype is None else A.to(dtype)
    n = a.ndim
    rows, cols = dim[0] % n, dim[1] % n
    if ord in ("fro", "f"):
        result = linalg.vector_norm(a, 2, (rows, cols), keepdim)
    elif ord in ("nuc", 2, -2):
        s = svdvals(a.movedim((rows, cols), (-2, -1)))
        result = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord == 2 else s.amin(-1)
        if keepdim:
            for d in sorted((rows, cols)):
                result = result.unsqueeze(d)
    elif abs(ord) in (1, float("inf")):
        first, second = (rows, cols) if abs(ord) == 1 else (cols, rows)
        if second > first and not keepdim:
            second -= 1
        sums = a.abs().sum(first, keepdim=keepdim)
        result = sums.amax(second, keepdim) if ord > 0 else sums.amin(second, keepdim)
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("linalg.norm")
def norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):  # noqa: N803
    """A vector norm, or a matrix norm when two dims (or a matrix with an order) are given."""
    from .. import linalg

    dims = (dim,) if isinstance(dim, int) else dim
    if ord is not None and dims is None and A.ndim > 2:
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
            f"Got {A.ndim}D."
        )
    matrix = ord is not None and (len(dims) == 2 if dims is not None else A.ndim == 2)
    if matrix or isinstance(ord, str):
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype, out=out)
    order = 2 if ord is None else ord
    result = linalg.vector_norm(A, order, dims, keepdim, dtype=dtype)
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("linalg.cond")
def cond(A, p=None, *, out=None):  # noqa: N803
    """Condition numbers: the norm times the norm of the inverse."""
    if p is None or p in (2, -2):
        s = svdvals(A)
        result = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        result = matrix_norm(A, p) * matrix_norm(inv(A), p)
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("linalg.cross")
def linalg_cross(input, other, *, dim=-1, out=None):
    """Cross products of vectors of three elements along `dim`."""
    from .. import broadcast_shapes, stack

    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if input.size(dim) != 3 or other.size(dim) != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.size(dim)} and "
            f"{other.size(dim)}"
        )
    shape = broadcast_shapes(input.shape, other.shape)
    a, b = input.expand(shape).unbind(dim), other.expand(shape).unbind(dim)
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    result = stack(parts, dim)
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("torch.cross Tensor.cross")
def cross(input, other, dim=None, *, out=None):
    """Cross products along `dim` (the first dim of size 3 by default)."""
    if dim is None:
        dim = next((i for i, s in enumerate(input.shape) if s == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim, out=out)


@public("linalg.diagonal")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):  # noqa: N803
    """The diagonals of the last two dims, as views."""
    return A.diagonal(offset, dim1, dim2)
