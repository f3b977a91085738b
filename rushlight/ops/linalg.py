"""Linear algebra through LAPACK (NumPy's): factorisations, solving, determinants, norms.

Gradients follow PyTorch's convention for complex matrices. Derivations: M. Giles, "Collected
matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

from .._lazy import np
from ..op import op, public, return_type
from ._linalg import check_float, check_matrix, check_square, identity, mT, off_diagonal, square


def _hermitian(x):
    return x.mH


# -- singular values --------------------------------------------------------------------------


@op("", node="LinalgSvd", outputs=("U", "S", "Vh"))
class svd:
    """A = U diag(S) Vh of matrices (..., m, n), singular values in descending order."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A, full_matrices=True):
        return tuple(np.linalg.svd(A, full_matrices))

    def grad_A(g, A, U, S, Vh):
        gu, gs, gvh = g
        k = S.shape[-1]
        u, v = U[..., :k], Vh[..., :k, :].mH
        if gu is None and gvh is None:
            return (u * gs.unsqueeze(-2)) @ v.mH
        inner = 0 if gs is None else gs.diag_embed().to(A.dtype)
        e = off_diagonal(S * S)
        s = S.to(A.dtype)
        outer = 0
        if gu is not None:
            gu = gu[..., :k]
            w = u.mH @ gu
            skew = (w - w.mH) / e
            inner = inner + skew * s.unsqueeze(-2)
            if A.is_complex():
                inner = inner + (w.diagonal(0, -2, -1).imag / S).mul(0.5j).diag_embed()
            if A.shape[-2] > k:
                outer = outer + ((gu - u @ w) / s.unsqueeze(-2)) @ v.mH
        if gvh is not None:
            gv = gvh[..., :k, :].mH
            w = v.mH @ gv
            skew = (w - w.mH) / e
            inner = inner + s.unsqueeze(-1) * skew
            if A.is_complex() and gu is None:
                inner = inner - (w.diagonal(0, -2, -1).imag / S).mul(0.5j).diag_embed()
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
    check_float("linalg.svd", A)
    return svd(A, full_matrices) if out is None else svd(A, full_matrices, out=out)


@public("linalg.svdvals")
def svdvals(A, *, driver=None, out=None):
    """Singular values of matrices (..., m, n), descending."""
    result = linalg_svd(A, False)[1]
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("torch.svd Tensor.svd")
def svd_old(input, some=True, compute_uv=True):
    """Singular value decomposition (U, S, V): `linalg.svd` with V instead of its transpose."""
    u, s, vh = linalg_svd(input, not some)
    if not compute_uv:
        u, vh = u.new_zeros(u.shape), vh.new_zeros(vh.shape)
    return _SVD((u, s, vh.mH))


# -- eigenvalues ------------------------------------------------------------------------------


@op("", node="LinalgEigh", outputs=("eigenvalues", "eigenvectors"))
class eigh:
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices."""

    lapack = True  # the forward runs in NumPy\'s LAPACK
    symmetric = True  # for tests: only Hermitian perturbations make sense

    def forward(A, UPLO="L"):  # noqa: N803 (PyTorch's spelling)
        return tuple(np.linalg.eigh(A, UPLO.upper()))

    def grad_A(g, A, eigenvalues, eigenvectors):
        gl, gv = g
        inner = 0 if gl is None else gl.diag_embed().to(A.dtype)
        if gv is not None:
            w = eigenvectors.mH @ gv
            w = w - w.diagonal(0, -2, -1).diag_embed()
            inner = inner + w / off_diagonal(eigenvalues)
        return eigenvectors @ inner @ eigenvectors.mH

    def samples(make):
        a = make(3, 3, grad=False)
        a = a + a.mH
        yield (a.requires_grad_() if make.grad else a,)


@public("linalg.eigh")
def linalg_eigh(A, UPLO="L", *, out=None):  # noqa: N803
    """(eigenvalues, eigenvectors) of Hermitian matrices; only the triangle UPLO is read."""
    check_square("linalg.eigh", A)
    check_float("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return eigh(A, UPLO) if out is None else eigh(A, UPLO, out=out)


@public("linalg.eigvalsh")
def eigvalsh(A, UPLO="L", *, out=None):  # noqa: N803
    """Eigenvalues of Hermitian matrices, ascending."""
    result = linalg_eigh(A, UPLO)[0]
    return result if out is None else out.resize_(result.shape).copy_(result)


@op("", node="LinalgEig", outputs=("eigenvalues", "eigenvectors"))
class eig:
    """Complex eigenvalues and eigenvectors of square matrices."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A):
        values, vectors = np.linalg.eig(A)
        kind = np.complex64 if A.dtype in (np.float32, np.complex64) else np.complex128
        return values.astype(kind), vectors.astype(kind)

    def grad_A(g, A, eigenvalues, eigenvectors):
        from .. import linalg

        gl, gv = g
        v = eigenvectors
        inner = 0 if gl is None else gl.diag_embed()
        if gv is not None:
            w = v.mH @ gv
            along = (v.mH @ v) * w.diagonal(0, -2, -1).real.unsqueeze(-2)
            e = off_diagonal(eigenvalues).conj()
            inner = inner + (w - along) / e
        return linalg.solve(v.mH, inner @ v.mH)

    def samples(make):
        yield (square(make),)


@public("linalg.eig")
def linalg_eig(A, *, out=None):  # noqa: N803
    """(eigenvalues, eigenvectors), complex, of square matrices."""
    check_square("linalg.eig", A)
    check_float("linalg.eig", A)
    return eig(A) if out is None else eig(A, out=out)


@public("linalg.eigvals")
def eigvals(A, *, out=None):  # noqa: N803
    """Complex eigenvalues of square matrices."""
    result = linalg_eig(A)[0]
    return result if out is None else out.resize_(result.shape).copy_(result)


# -- orthogonal and triangular factors --------------------------------------------------------


@op("", node="LinalgQr", outputs=("Q", "R"))
class qr:
    """A = Q R with orthonormal columns in Q; mode "reduced", "complete" or "r"."""

    lapack = True  # the forward runs in NumPy\'s LAPACK

    def forward(A, mode="reduced"):
        if mode == "r":
            r = np.linalg.qr(A, "r")
            return np.zeros((0,), A.dtype), r
        q, r = np.linalg.qr(A, mode)
        return q, r

    def grad_A(g, A, Q, R, mode):
        from .. import linalg

        if mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
                "Please use linalg.qr(A, mode='reduced')"
            )
        gq, gr = g
        if A.shape[-2] < A.shape[-1]:
            raise RuntimeError("The QR decomposition is not differentiable when nrows < ncols")
        m = 0
        if gr is not None:
            m = R @ gr.mH
        if gq is not None:
            m = m - gq.mH @ Q
        low = m.tril()
        sym = low + m.tril(-1).mH
        right = Q @ sym if gq is None else gq + Q @ sym
        return linalg.solve(R, right.mH, left=True).mH

    def samples(make):
        yield (make(4, 3),)


@public("linalg.qr")
def linalg_qr(A, mode="reduced", *, out=None):  # noqa: N803
    """(Q, R) of matrices (..., m, n)."""
    check_matrix("linalg.qr", A)
    check_float("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    return qr(A, mode) if out is None else qr(A, mode, out=out)


@public("torch.qr Tensor.qr")
def qr_old(input, some=True):
    """(Q, R); complete Q when `some` is False."""
    return linalg_qr(input, "reduced" if some else "complete")


@op("", name="cholesky", node="LinalgCholeskyEx")
class cholesky:
    """Lower triangular L with L L^H = A, of positive definite matrices."""

    lapack = True  # the forward runs in NumPy\'s LAPACK
    symmetric = True  # for tests: only Hermitian perturbations make sense

    def forward(A):
        lower = np.tril(A, -1)
        full = lower + mT(lower) + np.real(np.eye(A.shape[-1]) * A)
        return np.linalg.cholesky(full.astype(A.dtype))

    def grad_A(g, out):
        from .. import linalg

        phi = (out.mH @ g).tril()
        phi = phi - 0.5 * phi.diagonal(0, -2, -1).diag_embed()
        left = linalg.solve(out.mH, 0.5 * (phi + phi.mH))
        return linalg.solve(out.mH, left.mH).mH

    def samples(make):
        a = make(3, 3, grad=False)
        a = a @ a.mH + 3 * identity(a)
        yield (a.requires_grad_() if make.grad else a,)


@public("linalg.cholesky")
def linalg_cholesky(A, *, upper=False, out=None):  # noqa: N803
    """The Cholesky factor of positive definite matrices: L, or its conjugate transpose."""
    check_square("linalg.cholesky", A)
    check_float("linalg.cholesky", A)
    result = cholesky(A.mH if upper else A)
    result = result.mH if upper else result
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("torch.cholesky Tensor.cholesky")
def cholesky_old(input, upper=False, *, out=None):
    """The Cholesky factor of positive definite matrices."""
    return linalg_cholesky(input, upper=upper, out=out)


_SVD = return_type("svd", ("U", "S", "V"))
