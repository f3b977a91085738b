"""Linear algebra through LAPACK (NumPy's): factorisations, solving, determinants, norms.

Gradients follow PyTorch's convention for complex matrices. Derivations: M. Giles, "Collected
matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

from .._lazy import np
from ..op import op, public


def _hermitian(x):
    return x.mH


def _square(make, n=3):
    """A well conditioned matrix: random plus a dominant diagonal."""
    a = make(n, n, grad=False)
    for i in range(n):
        a[i, i] += n
    return a.requires_grad_() if make.grad else a


def _mT(x):  # noqa: N802 (as the tensor attribute)
    return np.conj(np.swapaxes(x, -1, -2))


def _off_diagonal(values):
    """1 / (values_j - values_i) off the diagonal, 1 on it."""
    e = values.unsqueeze(-2) - values.unsqueeze(-1)
    e.diagonal(0, -2, -1).fill_(1)
    return e


# -- singular values --------------------------------------------------------------------------


@op("", node="LinalgSvd", outputs=("U", "S", "Vh"))
class svd:
    """A = U diag(S) Vh of matrices (..., m, n), singular values in descending order."""

    def forward(A, full_matrices=True):
        return tuple(np.linalg.svd(A, full_matrices))

    def grad_A(g, A, U, S, Vh):
        gu, gs, gvh = g
        k = S.shape[-1]
        u, v = U[..., :k], Vh[..., :k, :].mH
        if gu is None and gvh is None:
            return (u * gs.unsqueeze(-2)) @ v.mH
        inner = 0 if gs is None else gs.diag_embed().to(A.dtype)
        e = _off_diagonal(S * S)
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
    _check_matrix("linalg.svd", A)
    _check_float("linalg.svd", A)
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


def _check_matrix(name, *tensors):
    for t in tensors:
        if t.ndim < 2:
            raise RuntimeError(
                f"{name}: The input tensor A must have at least 2 dimensions, got {t.ndim}"
            )


def _check_square(name, a):
    _check_matrix(name, a)
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {a.shape[-2]} by "
            f"{a.shape[-1]} matrices"
        )


def _check_float(name, a):
    from .. import bfloat16, float16

    if not (a.is_floating_point() or a.is_complex()):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {a.dtype}"
        )
    if a.dtype in (float16, bfloat16):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {a.dtype}")


# -- eigenvalues ------------------------------------------------------------------------------


@op("", node="LinalgEigh", outputs=("eigenvalues", "eigenvectors"))
class eigh:
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices."""

    symmetric = True  # for tests: only Hermitian perturbations make sense

    def forward(A, UPLO="L"):  # noqa: N803 (PyTorch's spelling)
        return tuple(np.linalg.eigh(A, UPLO.upper()))

    def grad_A(g, A, eigenvalues, eigenvectors):
        gl, gv = g
        inner = 0 if gl is None else gl.diag_embed().to(A.dtype)
        if gv is not None:
            w = eigenvectors.mH @ gv
            w = w - w.diagonal(0, -2, -1).diag_embed()
            inner = inner + w / _off_diagonal(eigenvalues)
        return eigenvectors @ inner @ eigenvectors.mH

    def samples(make):
        a = make(3, 3, grad=False)
        a = a + a.mH
        yield (a.requires_grad_() if make.grad else a,)


@public("linalg.eigh")
def linalg_eigh(A, UPLO="L", *, out=None):  # noqa: N803
    """(eigenvalues, eigenvectors) of Hermitian matrices; only the triangle UPLO is read."""
    _check_square("linalg.eigh", A)
    _check_float("linalg.eigh", A)
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
            e = _off_diagonal(eigenvalues).conj()
            inner = inner + (w - along) / e
        return linalg.solve(v.mH, inner @ v.mH)

    def samples(make):
        yield (_square(make),)


@public("linalg.eig")
def linalg_eig(A, *, out=None):  # noqa: N803
    """(eigenvalues, eigenvectors), complex, of square matrices."""
    _check_square("linalg.eig", A)
    _check_float("linalg.eig", A)
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
    _check_matrix("linalg.qr", A)
    _check_float("linalg.qr", A)
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

    symmetric = True  # for tests: only Hermitian perturbations make sense

    def forward(A):
        lower = np.tril(A, -1)
        full = lower + _mT(lower) + np.real(np.eye(A.shape[-1]) * A)
        return np.linalg.cholesky(full.astype(A.dtype))

    def grad_A(g, out):
        from .. import linalg

        phi = (out.mH @ g).tril()
        phi = phi - 0.5 * phi.diagonal(0, -2, -1).diag_embed()
        left = linalg.solve(out.mH, 0.5 * (phi + phi.mH))
        return linalg.solve(out.mH, left.mH).mH

    def samples(make):
        a = make(3, 3, grad=False)
        a = a @ a.mH + 3 * _identity(a)
        yield (a.requires_grad_() if make.grad else a,)


def _identity(a):
    from .. import eye

    return eye(a.shape[-1], dtype=a.dtype)


@public("linalg.cholesky")
def linalg_cholesky(A, *, upper=False, out=None):  # noqa: N803
    """The Cholesky factor of positive definite matrices: L, or its conjugate transpose."""
    _check_square("linalg.cholesky", A)
    _check_float("linalg.cholesky", A)
    result = cholesky(A.mH if upper else A)
    result = result.mH if upper else result
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("torch.cholesky Tensor.cholesky")
def cholesky_old(input, upper=False, *, out=None):
    """The Cholesky factor of positive definite matrices."""
    return linalg_cholesky(input, upper=upper, out=out)


# -- solving ----------------------------------------------------------------------------------


@op("linalg.inv torch.inverse Tensor.inverse", node="LinalgInvEx", name="inv")
class inv:
    """Inverses of square matrices; LinAlgError for a singular one."""

    def forward(A):
        return np.linalg.inv(A)

    def grad_A(g, out):
        return -(out.mH @ g @ out.mH)

    def samples(make):
        yield (_square(make),)


@op("", name="solve", node="LinalgSolveEx")
class solve:
    """X with A X = B, for matrices B (..., n, k)."""

    def forward(A, B):
        return np.linalg.solve(A, B)

    def grad_A(g, A, out):
        return -(solve(A.mH, g) @ out.mH)

    def grad_B(g, A):  # noqa: N802
        return solve(A.mH, g)

    def samples(make):
        yield _square(make), make(3, 2)


@public("linalg.solve")
def linalg_solve(A, B, *, left=True, out=None):  # noqa: N803
    """X with A X = B (or X A = B with left=False); B may be a batch of vectors."""
    _check_square("linalg.solve", A)
    _check_float("linalg.solve", A)
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
        yield _square(make), make(3, 2), True, False
        yield _square(make), make(3, 2), False, True


@public("linalg.solve_triangular")
def linalg_solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):  # noqa: N803
    """X with A X = B (or X A = B) for triangular A."""
    _check_square("linalg.solve_triangular", A)
    _check_matrix("linalg.solve_triangular", B)
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

    _check_matrix("linalg.pinv", A)
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

    _check_matrix("linalg.matrix_rank", A)
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


# -- determinants -------------------------------------------------------------------------------


@op("", name="det", node="LinalgDet")
class det:
    """Determinants of square matrices."""

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
        yield (_square(make),)


@public("linalg.det torch.det Tensor.det")
def linalg_det(A, *, out=None):  # noqa: N803
    """Determinants of square matrices."""
    _check_square("linalg.det", A)
    _check_float("linalg.det", A)
    return det(A) if out is None else det(A, out=out)


@op("", name="slogdet", node="LinalgSlogdet", outputs=("sign", "logabsdet"))
class slogdet:
    """(sign, log of the absolute value) of determinants."""

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
        yield (_square(make),)


@public("linalg.slogdet torch.slogdet Tensor.slogdet")
def linalg_slogdet(A, *, out=None):  # noqa: N803
    """(sign, logabsdet) of square matrices."""
    _check_square("linalg.slogdet", A)
    _check_float("linalg.slogdet", A)
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
    _check_square("linalg.matrix_power", A)
    base, n = (inv(A), -n) if n < 0 else (A, n)
    result = None
    while n:
        if n & 1:
            result = base if result is None else result @ base
        n >>= 1
        base = base @ base if n else base
    if result is None:
        result = _identity(A).expand(A.shape).clone()
    return result if out is None else out.resize_(result.shape).copy_(result)


@public("linalg.matrix_norm")
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):  # noqa: N803
    """Norms of matrices in the two dims: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    from .. import linalg

    _check_matrix("linalg.matrix_norm", A)
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


def _named(name, fields):
    from ..op import return_type

    return return_type(name, fields)


_SVD = _named("svd", ("U", "S", "V"))
_TriangularSolve = _named("triangular_solve", ("solution", "cloned_coefficient"))
