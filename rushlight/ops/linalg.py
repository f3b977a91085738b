"""Singular values, eigenvalues and orthogonal factors, through LAPACK (NumPy's).

Gradients follow PyTorch's convention for complex matrices. Derivations: M. Giles, "Collected
matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

from .._lazy import np
from ..op import op, public, return_type
from ._linalg import (
    check_float,
    check_kernel,
    check_matrix,
    check_phase,
    check_square,
    deliver,
    off_diagonal,
    warn_replaced,
)

_SVD = return_type("svd", ("U", "S", "V"))
_QR = return_type("qr", ("Q", "R"))


# -- singular values ------------------------------------------------------------------------------


@op("", name="linalg_svd", node="LinalgSvd", outputs=("U", "S", "Vh"))
class svd:
    """A = U diag(S) Vh of matrices (..., m, n), singular values in descending order."""

    lapack = True

    def forward(A, full_matrices=True, compute_uv=True):
        return tuple(np.linalg.svd(A, full_matrices))

    def grad_A(g, A, U, S, Vh, compute_uv):
        gu, gs, gvh = g
        if not compute_uv:  # only now somebody asks for more than the values
            gu = gvh = None
            U, S, Vh = svd(A, False)
        if gu is None and gs is None and gvh is None:
            return A.new_zeros(A.shape)
        k = S.shape[-1]
        u, v = U[..., :k], Vh[..., :k, :].mH
        if gu is None and gvh is None:
            return (u * gs.unsqueeze(-2)) @ v.mH
        inner = 0 if gs is None else gs.diag_embed().to(A.dtype)
        e = off_diagonal(S * S)
        s = S.to(A.dtype)
        outer = 0
        if A.is_complex():
            pulls = [
                (x, y) for x, y in ((u, gu), (v, None if gvh is None else gvh.mH)) if y is not None
            ]
            turns = [(x.conj() * y[..., :k]).sum(-2).imag for x, y in pulls]
            check_phase("svd_backward", "singular vectors", sum(turns))
        if gu is not None:
            gu = gu[..., :k]
            w = u.mH @ gu
            skew = (w - w.mH) / e
            inner = inner + skew * s.unsqueeze(-2)
            if A.is_complex():
                inner = inner + (w.diagonal(0, -2, -1).imag / S).mul(1j).diag_embed()
            if A.shape[-2] > k:
                outer = outer + ((gu - u @ w) / s.unsqueeze(-2)) @ v.mH
        if gvh is not None:
            gv = gvh[..., :k, :].mH
            w = v.mH @ gv
            skew = (w - w.mH) / e
            inner = inner + s.unsqueeze(-1) * skew
            if A.is_complex() and gu is None:
                inner = inner - (w.diagonal(0, -2, -1).imag / S).mul(1j).diag_embed()
            if A.shape[-1] > k:
                outer = outer + (u / s.unsqueeze(-2)) @ (gv - v @ w).mH
        return u @ inner @ v.mH + outer

    def samples(make):
        yield make(4, 3), False
        yield make(2, 3, 4), False


@public("linalg.svd")
def linalg_svd(A, full_matrices=True, *, driver=None, out=None):
    """Singular value decomposition (U, S, Vh) of matrices (..., m, n)."""
    check_matrix("linalg.svd", A)
    check_float("linalg.svd", A, "linalg_svd_cpu")
    if driver is not None:
        raise RuntimeError(
            "linalg.svd: keyword argument `driver=` is only supported on CUDA inputs"
        )
    return deliver(svd(A, full_matrices), out)


@public("linalg.svdvals")
def svdvals(A, *, driver=None, out=None):
    """Singular values of matrices (..., m, n), descending."""
    from .. import is_grad_enabled

    if A.requires_grad and is_grad_enabled():
        return deliver(linalg_svd(A, False, driver=driver)[1], out)
    check_matrix("linalg.svd", A)
    check_float("linalg.svd", A, "linalg_svd_cpu")
    return deliver(svd(A, False, False)[1], out)


@public("torch.svd Tensor.svd")
def svd_old(input, some=True, compute_uv=True, *, out=None):
    """Singular value decomposition (U, S, V): `linalg.svd` with V instead of its transpose."""
    u, s, vh = linalg_svd(input, not some)
    if not compute_uv:
        u, vh = u.new_zeros(u.shape), vh.new_zeros(vh.shape)
    return deliver(_SVD((u, s, vh.mH)), out)


# -- eigenvalues ----------------------------------------------------------------------------------


@op("", name="linalg_eigh", node="LinalgEigh", outputs=("eigenvalues", "eigenvectors"))
class eigh:
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices."""

    lapack = True
    symmetric = True  # for tests: only Hermitian perturbations make sense

    def forward(A, UPLO="L", compute_v=True):  # noqa: N803 (PyTorch's spelling)
        return tuple(np.linalg.eigh(A, UPLO))

    def grad_A(g, A, eigenvalues, eigenvectors, UPLO, compute_v):  # noqa: N803
        gl, gv = g
        if not compute_v:  # only now somebody asks for more than the values
            gv = None
            eigenvalues, eigenvectors = eigh(A, UPLO)
        if gl is None and gv is None:
            return A.new_zeros(A.shape)
        inner = 0 if gl is None else gl.diag_embed().to(A.dtype)
        if gv is not None:
            w = eigenvectors.mH @ gv
            if A.is_complex():
                turn = w.diagonal(0, -2, -1).imag
                check_phase("linalg_eigh_backward", "eigenvectors", turn)
            w = w - w.diagonal(0, -2, -1).diag_embed()
            inner = inner + w / off_diagonal(eigenvalues)
        return eigenvectors @ inner @ eigenvectors.mH

    def samples(make):
        a = make(3, 3, grad=False)
        a = a + a.mH
        yield (a.requires_grad_() if make.grad else a,)


def _check_eigh(input, UPLO):  # noqa: N803
    check_square("linalg.eigh", input)
    check_kernel("linalg_eigh_cpu", input)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")


@public("linalg.eigh")
def linalg_eigh(input, UPLO="L", *, out=None):  # noqa: N803
    """(eigenvalues, eigenvectors) of Hermitian matrices; only the triangle UPLO is read."""
    _check_eigh(input, UPLO)
    return deliver(eigh(input, UPLO), out)


@public("linalg.eigvalsh")
def eigvalsh(input, UPLO="L", *, out=None):  # noqa: N803
    """Eigenvalues of Hermitian matrices, ascending."""
    from .. import is_grad_enabled

    if input.requires_grad and is_grad_enabled():
        return deliver(linalg_eigh(input, UPLO)[0], out)
    _check_eigh(input, UPLO)
    return deliver(eigh(input, UPLO, False)[0], out)


@op("", name="linalg_eig", node="LinalgEig", outputs=("eigenvalues", "eigenvectors"))
class eig:
    """Complex eigenvalues and eigenvectors of square matrices."""

    lapack = True

    def forward(A, compute_v=True):
        values, vectors = np.linalg.eig(A)
        kind = np.complex64 if A.dtype in (np.float32, np.complex64) else np.complex128
        return values.astype(kind), vectors.astype(kind)

    def meta(A, compute_v=True):
        kind = A.dtype.to_complex()
        vectors = A.shape if compute_v else (*A.shape[:-2], 0, 0)
        return A.new_empty(A.shape[:-1], dtype=kind), A.new_empty(vectors, dtype=kind)

    def grad_A(g, A, eigenvalues, eigenvectors, compute_v):
        from .. import linalg

        gl, gv = g
        if not compute_v:  # only now somebody asks for more than the values
            gv = None
            eigenvalues, eigenvectors = eig(A)
        v = eigenvectors
        inner = 0 if gl is None else gl.diag_embed()
        if gv is not None:
            w = v.mH @ gv
            if A.is_complex():
                turn = w.diagonal(0, -2, -1).imag
                check_phase("linalg_eig_backward", "eigenvectors", turn)
            along = (v.mH @ v) * w.diagonal(0, -2, -1).real.unsqueeze(-2)
            e = off_diagonal(eigenvalues).conj()
            inner = inner + (w - along) / e
        return linalg.solve(v.mH, inner @ v.mH)

    def samples(make):
        a = make(3, 3, grad=False)
        for i in range(3):  # real eigenvalues, whose vectors have a sign but no phase to choose
            a[i, i] = a[i, i] + 5 * i
        yield (a.requires_grad_() if make.grad else a,)


@public("linalg.eig")
def linalg_eig(input, *, out=None):
    """(eigenvalues, eigenvectors), complex, of square matrices."""
    check_square("linalg.eig", input)
    check_float("linalg.eig", input, "linalg_eig_out_cpu")
    return deliver(eig(input), out, castable=True)


@public("linalg.eigvals")
def eigvals(input, *, out=None):
    """Complex eigenvalues of square matrices."""
    from .. import is_grad_enabled

    if input.requires_grad and is_grad_enabled():
        return deliver(linalg_eig(input)[0], out, castable=True)
    check_square("linalg.eig", input)
    check_float("linalg.eig", input, "linalg_eig_out_cpu")
    return deliver(eig(input, False)[0], out, castable=True)


# -- orthogonal and triangular factors ------------------------------------------------------------


@op("", name="linalg_qr", node="LinalgQr", outputs=("Q", "R"))
class qr:
    """A = Q R with orthonormal columns in Q; mode "reduced", "complete" or "r"."""

    lapack = True

    def forward(A, mode="reduced"):
        if mode == "r":
            return np.zeros((0,), A.dtype), np.linalg.qr(A, mode)
        return tuple(np.linalg.qr(A, mode))

    def grad_A(g, A, Q, R, mode):
        if mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
                "Please use linalg.qr(A, mode='reduced') if you are going to differentiate through "
                "linalg.qr."
            )
        m, n = A.shape[-2:]
        if mode == "complete" and m > n:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
            )
        from .. import cat

        gq, gr = g
        if m >= n:
            return _qr_gradient(gq, gr, Q, R)
        # A = Q [R1, R2]: the last columns are A2 = Q R2, the first ones a square matrix.
        if gr is None:
            first = _qr_gradient(gq, None, Q, R[..., :m])
            return cat([first, first.new_zeros(A[..., m:].shape)], -1)
        turned = A[..., m:] @ gr[..., m:].mH
        gq = turned if gq is None else gq + turned
        return cat([_qr_gradient(gq, gr[..., :m], Q, R[..., :m]), Q @ gr[..., m:]], -1)

    def samples(make):
        yield (make(4, 3),)
        yield (make(3, 5),)


def _qr_gradient(gq, gr, q, r):
    """The gradient of A = Q R with as many rows as columns or more."""
    from .linalg_triangular import solve_triangular

    inner = 0
    if gr is not None:
        inner = r @ gr.mH
    if gq is not None:
        inner = inner - gq.mH @ q
    below = inner.tril(-1)  # the diagonal of R is real, and so is that of this
    diagonal = inner.diagonal(0, -2, -1)
    diagonal = diagonal.real if inner.is_complex() else diagonal
    right = q @ (below + below.mH + diagonal.diag_embed())
    if gq is not None:
        right = gq + right
    return solve_triangular(r, right.mH, True, False).mH


@public("linalg.qr")
def linalg_qr(A, mode="reduced", *, out=None):  # noqa: N803
    """(Q, R) of matrices (..., m, n)."""
    check_matrix("linalg.qr", A)
    check_float("linalg.qr", A, "geqrf_cpu")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    return deliver(qr(A, mode), out)


@public("torch.qr Tensor.qr")
def qr_old(input, some=True, *, out=None):
    """(Q, R); complete Q when `some` is False."""
    warn_replaced("qr", "qr")
    return deliver(_QR(tuple(linalg_qr(input, "reduced" if some else "complete"))), out)
