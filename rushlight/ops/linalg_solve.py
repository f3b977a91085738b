"""Inverses, linear systems, pseudo-inverses and ranks, through LAPACK (NumPy's)."""

from __future__ import annotations

import math

from .._lazy import np
from ..op import op, public, return_type
from ._linalg import check_float, check_matrix, check_square, identity, square
from .linalg import eigvalsh, linalg_svd, svdvals


@op("linalg.inv torch.inverse Tensor.inverse", node="LinalgInvEx", name="inv")
class inv:
    """Inverses of square matrices; LinAlgError for a singular one."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A):
        return np.linalg.inv(A)

    def grad_A(g, out):
        return -(out.mH @ g @ out.mH)

    def samples(make):
        yield (square(make),)


@op("", name="solve", node="LinalgSolveEx")
class solve:
    """X with A X = B, for matrices B (..., n, k)."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A, B):
        return np.linalg.solve(A, B)

    def grad_A(g, A, out):
        return -(solve(A.mH, g) @ out.mH)

    def grad_B(g, A):  # noqa: N802
        return solve(A.mH, g)

    def samples(make):
        yield square(make), make(3, 2)


@public("linalg.solve")
def linalg_solve(A, B, *, left=True, out=None):  # noqa: N803
    """X with A X = B (or X A = B with left=False); B may be a batch of vectors."""
    check_square("linalg.solve", A)
    check_float("linalg.solve", A)
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {A.dtype} "
            f"and B of type {B.dtype} instead"
        )
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    b = B.unsqueeze(-1) if vector else B
    x = solve(A, b) if left or vector else solve(A.mT, b.mT).mT
    x = x.squeeze(-1) if vector else x
    return x if out is None else out.resize_(x.shape).copy_(x)


@op("", name="solve_triangular", node="LinalgSolveTriangular")
class solve_triangular:
    """X with A X = B for triangular A; the other triangle is not read."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A, B, upper, unitriangular):
        t = np.triu(A) if upper else np.tril(A)
        if unitriangular:
            eye = np.eye(A.shape[-1], dtype=bool)
            t = np.where(eye, np.ones((), A.dtype), t)
        return np.linalg.solve(t, B)

    def grad_A(g, A, out, upper, unitriangular):
        ga = -(solve_triangular(A.mH, g, not upper, unitriangular) @ out.mH)
        k = int(unitriangular)
        return ga.triu(k) if upper else ga.tril(-k)

    def grad_B(g, A, upper, unitriangular):  # noqa: N802
        return solve_triangular(A.mH, g, not upper, unitriangular)

    def samples(make):
        yield square(make), make(3, 2), True, False
        yield square(make), make(3, 2), False, True


@public("linalg.solve_triangular")
def linalg_solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):  # noqa: N803
    """X with A X = B (or X A = B) for triangular A."""
    check_square("linalg.solve_triangular", A)
    check_matrix("linalg.solve_triangular", B)
    if left:
        x = solve_triangular(A, B, upper, unitriangular)
    else:
        x = solve_triangular(A.mT, B.mT, not upper, unitriangular).mT
    return x if out is None else out.resize_(x.shape).copy_(x)


@public("torch.triangular_solve Tensor.triangular_solve")
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):  # noqa: N803
    """(X with A X = input, A) for triangular A."""
    a = A.mT if transpose else A
    return _TriangularSolve((solve_triangular(a, input, upper != transpose, unitriangular), A))


@public("linalg.pinv torch.pinverse Tensor.pinverse")
def pinv(A, rtol=None, hermitian=False, *, atol=None, rcond=None, out=None):  # noqa: N803
    """Moore-Penrose inverses; singular values below max(atol, rtol * largest) count as zero."""
    from .. import finfo, where

    check_matrix("linalg.pinv", A)
    u, s, vh = linalg_svd(A, False)
    rtol = rcond if rtol is None else rtol
    if rtol is None:
        rtol = 0.0 if atol is not None else max(A.shape[-2:]) * finfo(A.dtype).eps
    bound = s[..., :1] * (rtol.unsqueeze(-1) if hasattr(rtol, "unsqueeze") and rtol.ndim else rtol)
    if atol is not None:
        atol = atol.unsqueeze(-1) if hasattr(atol, "unsqueeze") and atol.ndim else atol
        bound = bound.clamp(min=atol) if not hasattr(atol, "shape") else bound.maximum(atol)
    inverse = where(s > bound, 1 / s, s.new_zeros(()))
    result = (vh.mH * inverse.unsqueeze(-2).to(A.dtype)) @ u.mH
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("linalg.matrix_rank")
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None, out=None):  # noqa: N803
    """How many singular values exceed max(atol, rtol * largest)."""
    from .. import finfo

    check_matrix("linalg.matrix_rank", A)
    s = eigvalsh(A).abs() if hermitian else svdvals(A)
    atol = tol if atol is None else atol
    if rtol is None:
        rtol = 0.0 if atol is not None else max(A.shape[-2:]) * finfo(A.dtype).eps
    largest = s.amax(-1, keepdim=True) if s.shape[-1] else s.sum(-1, keepdim=True)
    bound = largest * (rtol.unsqueeze(-1) if hasattr(rtol, "ndim") and rtol.ndim else rtol)
    if atol is not None:
        atol = atol.unsqueeze(-1) if hasattr(atol, "ndim") and atol.ndim else atol
        bound = bound.maximum(atol) if hasattr(atol, "ndim") else bound.clamp(min=atol)
    result = (s > bound).sum(-1)
    return result if out is None else out.resize_(result.shape).copy_(result)


_TriangularSolve = return_type("triangular_solve", ("solution", "cloned_coefficient"))


@public("linalg.householder_product torch.orgqr Tensor.orgqr")
def householder_product(A, tau, *, out=None):  # noqa: N803
    """The first columns of the product of reflections I - tau_i v_i v_i^H, as geqrf gives them.

    v_i is column i of A below the diagonal, with a one on it and zeros above.
    """
    from .. import eye

    check_matrix("linalg.householder_product", A)
    m, n = A.shape[-2:]
    k = tau.shape[-1]
    if n > m or k > n:
        raise RuntimeError(
            "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to "
            f"input.shape[-1], and input.shape[-1] to tau.shape[-1]: got {m}, {n} and {k}"
        )
    q = eye(m, n, dtype=A.dtype).expand(*A.shape[:-2], m, n)
    unit = eye(m, n, dtype=A.dtype)
    v = A.tril(-1) + unit
    for i in range(k - 1, -1, -1):
        column = v[..., i : i + 1]
        q = q - tau[..., i, None, None] * (column @ (column.mH @ q))
    return q if out is None else out.resize_(q.shape).copy_(q)


@public("linalg.matrix_exp torch.matrix_exp Tensor.matrix_exp")
def matrix_exp(A):  # noqa: N803
    """Matrix exponentials: a Taylor polynomial of the scaled matrix, squared back.

    Scaled to a 1-norm below 1/2, eighteen terms leave less than double precision's rounding.
    """
    check_square("linalg.matrix_exp", A)
    check_float("linalg.matrix_exp", A)
    if A.numel() == 0:
        return A.clone()
    largest = float(A.detach().abs().sum(-2).max())
    squarings = max(0, math.frexp(largest)[1] + 1) if math.isfinite(largest) else 0
    x = A * 2.0**-squarings
    total = identity(A).expand(A.shape)
    for k in range(18, 0, -1):  # Horner: 1 + x (1 + x/2 (1 + x/3 ...))
        total = identity(A) + (x / k) @ total
    for _ in range(squarings):
        total = total @ total
    return total
