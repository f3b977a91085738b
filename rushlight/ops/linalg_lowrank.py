"""A few singular values or eigenpairs of big matrices, and the names that PyTorch has removed.

Randomised decompositions follow N. Halko, P. G. Martinsson, J. A. Tropp, "Finding structure with
randomness" (2011); `lobpcg` follows A. Knyazev, "Toward the optimal preconditioned eigensolver"
(2001), with the basis made orthonormal as in A. Stathopoulos, K. Wu (2002).
"""

from __future__ import annotations

from .._lazy import np
from ..op import op, public
from ._linalg import check_float, check_kernel, check_matrix

# -- randomised decompositions --------------------------------------------------------------------


def _is_sparse(a):
    from .. import strided

    return a.layout is not strided


class _Difference:
    """A - M as a map, without making the difference (A may be sparse, M a view of few numbers)."""

    def __init__(self, a, m):
        self.a, self.m = a, m

    def __matmul__(self, x):
        product = self.a @ x
        return product if self.m is None else product - self.m @ x

    @property
    def mH(self):  # noqa: N802 (as the tensor attribute)
        a = self.a.mH if self.a.is_complex() else self.a.transpose(-2, -1)
        return _Difference(a, None if self.m is None else self.m.mH)


@public("torch.svd_lowrank")
def svd_lowrank(A, q=6, niter=2, M=None):  # noqa: N803
    """(U, S, V): the q largest singular values of A (of A - M), nearly.

    niter power iterations sharpen the range that q random directions span.
    """
    from .. import linalg, randn

    check_matrix("svd_lowrank", A)
    check_kernel("geqrf_cpu", A)
    q = 6 if q is None else q
    m, n = A.shape[-2:]
    if q < 0:
        raise RuntimeError(f"svd_lowrank: q must not be negative: got {q}")
    if M is not None:
        M = M.expand(*A.shape)  # noqa: N806
    if M is not None and not _is_sparse(A):
        A, M = A - M, None  # noqa: N806
    matrix = _Difference(A, M)
    wide = m < n
    if wide:
        matrix = matrix.mH
    random = randn(min(m, n), q, dtype=A.dtype, device=A.device)
    basis = linalg.qr(matrix @ random)[0]
    for _ in range(2 if niter is None else niter):
        basis = linalg.qr(matrix.mH @ basis)[0]
        basis = linalg.qr(matrix @ basis)[0]
    u, s, vh = linalg.svd((matrix.mH @ basis).mH, full_matrices=False)
    u, v = basis @ u, vh.mH
    return (v, s, u) if wide else (u, s, v)


@public("torch.pca_lowrank")
def pca_lowrank(A, q=None, center=True, niter=2):  # noqa: N803
    """(U, S, V) of the principal q components of the rows of A, whose mean is taken off first."""
    check_matrix("pca_lowrank", A)
    check_float("pca_lowrank", A)
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    if not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if not center:
        return svd_lowrank(A, q, niter)
    if not _is_sparse(A):
        return svd_lowrank(A - A.mean(-2, keepdim=True), q, niter)
    if A.ndim != 2:
        raise ValueError("pca_lowrank input is expected to be 2-dimensional tensor when sparse")
    from .. import ones

    total = A.transpose(0, 1) @ ones(m, 1, dtype=A.dtype, device=A.device)
    return svd_lowrank(A, q, niter, (total / m).mT)


# -- eigenpairs -----------------------------------------------------------------------------------


@op("", name="lobpcg", outputs=("values", "vectors"))
class eigenpairs:
    """Gives back the eigenpairs that were found for A; the gradient is that of Hermitian A."""

    def forward(A, found_values, found_vectors):
        return np.array(found_values), np.array(found_vectors)

    def meta(A, found_values, found_vectors):
        return found_values.clone(), found_vectors.clone()

    def grad_A(g, A, values, vectors):
        # In the basis of all eigenvectors dX_i = sum_j v_j (v_j^H dA x_i) / (value_i - value_j).
        from .. import linalg

        gl, gx = g
        inner = 0 if gl is None else (vectors * gl.unsqueeze(-2)) @ vectors.mH
        if gx is None:
            return inner
        every, basis = linalg.eigh(A)
        gap = values.unsqueeze(-2) - every.unsqueeze(-1)
        near = gap.abs() <= 1e-5 * every.abs().amax(-1).unsqueeze(-1).unsqueeze(-1)
        turned = (basis.mH @ gx) / gap.where(~near, float("inf"))
        return inner + basis @ turned @ vectors.mH

    def samples(make):
        yield make(4, 4, grad=False), make(2, grad=False), make(4, 2, grad=False)


def _orthonormal(s, b):
    """A basis of the span of s with S^H B S = 1, without the directions that are too near."""
    from .. import finfo, linalg

    gram = s.mH @ (s if b is None else b @ s)
    size = gram.diagonal().real.clamp(min=finfo(s.dtype).tiny).rsqrt()
    values, vectors = linalg.eigh(gram * size.unsqueeze(-1) * size.unsqueeze(-2))
    keep = values > values.amax() * finfo(s.dtype).eps * s.shape[-1]
    scale = values[keep].rsqrt()
    return s @ (size.unsqueeze(-1) * vectors[:, keep] * scale)


def _rayleigh_ritz(a, s, count, largest):
    """The best eigenpairs of A in the span of the orthonormal s."""
    from .. import linalg

    small = s.mH @ (a @ s)
    values, vectors = linalg.eigh((small + small.mH) / 2)
    if largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    return values[:count], s @ vectors[:, :count]


class _Progress:
    """What a tracker is shown: the state after an iteration."""

    def __init__(self, A, B, iK, X, E, R, step, left, converged):  # noqa: N803
        self.A, self.B, self.iK, self.X, self.E, self.R = A, B, iK, X, E, R
        self.tvars = {"residual_norms": R.norm(dim=0)}
        self.fvars, self.bvars = {}, {}
        self.ivars = {"istep": step, "iterations_left": left, "converged_count": converged}


def _lobpcg(a, b, x, k, inverse, niter, tol, largest, tracker):
    """(values, vectors) of one matrix from the first guess x (m, n), n >= k."""
    from .. import cat

    count = x.shape[-1]
    values, x = _rayleigh_ritz(a, _orthonormal(x, b), count, largest)
    moved = None
    scale = (a @ x).norm() / x.norm()
    for step in range(niter + 1):
        bx = x if b is None else b @ x
        residual = a @ x - bx * values
        whole = scale * x.norm(dim=0) + values.abs() * bx.norm(dim=0)
        error = residual.norm(dim=0) / whole
        converged = int((error[:k] < tol).sum())
        if tracker is not None:
            tracker(_Progress(a, b, inverse, x, values, residual, step, niter - step, converged))
        if converged == min(k, error.numel()) or step == niter:
            break
        w = residual if inverse is None else inverse @ residual
        w = w - x @ (bx.mH @ w)
        parts = [w / w.norm(dim=0).clamp(min=1e-30)] + ([] if moved is None else [moved])
        basis = _orthonormal(cat([x, *parts], -1), b)
        values, new = _rayleigh_ritz(a, basis, count, largest)
        if new.shape[-1] < count:  # the span has collapsed: what there is is exact
            break
        step_taken = new - x @ (bx.mH @ new)
        moved = step_taken / step_taken.norm(dim=0).clamp(min=1e-30)
        x = new
    return values[:k], x[:, :k]


@public("torch.lobpcg")
def lobpcg(A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None,
           method=None, tracker=None, ortho_iparams=None, ortho_fparams=None, ortho_bparams=None):  # noqa: N803 # fmt: skip
    """(E, X): the k largest (or smallest) eigenvalues of Hermitian A X = B X E, and their vectors.

    A (..., m, m) may be sparse; X (..., m, n) is the first guess, random by default; iK is a
    preconditioner; an eigenpair has converged when its residual is below tol. Both methods run the
    same iteration, whose basis is always made orthonormal. With B there is no gradient.
    """
    from .. import finfo, no_grad, stack

    assert A.ndim >= 2 and A.shape[-1] == A.shape[-2], f"A must be square, got shape {A.shape}"
    check_float("lobpcg", A)
    m = A.shape[-1]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    n = (k if X is None else X.shape[-1]) if n is None else n
    if k < 1:
        raise ValueError(f"lobpcg: k must be at least one: got {k}")
    if m < 3 * n:
        raise ValueError(
            f"LOBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than "
            f"3 x the number of requested eigenpairs (={n})"
        )
    if A.requires_grad and B is not None:
        raise ValueError("lobpcg: there is no gradient for generalized problems: B must be None")
    settings = (
        1000 if niter is None or niter < 0 else niter,
        finfo(A.dtype).eps ** 0.5 if tol is None else tol,
        True if largest is None else largest,
        tracker,
    )
    with no_grad():
        found = [_lobpcg(*one, *settings) for one in _problems(A.detach(), B, X, n, k, iK)]
    if A.ndim == 2:
        values, vectors = found[0]
    else:
        values = stack([f[0] for f in found]).reshape(*A.shape[:-2], -1)
        vectors = stack([f[1] for f in found]).reshape(*A.shape[:-1], -1)
    if not A.requires_grad:
        return values, vectors
    return tuple(eigenpairs(A, values, vectors))


def _problems(a, b, x, n, k, inverse):
    """(A, B, first guess, k, preconditioner) of each matrix of a batch."""
    from .. import randn

    m = a.shape[-1]
    if x is None:
        x = randn(*a.shape[:-1], n, dtype=a.dtype, device=a.device)
    if a.ndim == 2:
        yield a, b, x[..., :n], k, inverse
        return

    def flat(t):
        return (
            None
            if t is None
            else t.expand(*a.shape[:-2], *t.shape[-2:]).reshape(-1, m, t.shape[-1])
        )

    a2, b2, x2, i2 = flat(a), flat(b), flat(x), flat(inverse)
    for i in range(len(a2)):
        pick = [None if t is None else t[i] for t in (b2, i2)]
        yield a2[i], pick[0], x2[i][:, :n], k, pick[1]


# -- removed names --------------------------------------------------------------------------------


def _removed(names, instead):
    """Publish a function that says what to call instead."""
    short = names.split()[0]

    def removed(*args, **kwargs):
        raise RuntimeError(
            f"This function was deprecated since version 1.9 and is now removed. `{short}` is "
            f"deprecated in favor of {instead}."
        )

    removed.__name__ = removed.__qualname__ = short.rpartition(".")[2]
    removed.__doc__ = f"Removed: use {instead}."
    public(names)(removed)


_removed(
    "torch.solve Tensor.solve", "`torch.linalg.solve`, whose arguments are the other way round"
)
_removed(
    "torch.lstsq Tensor.lstsq", "`torch.linalg.lstsq`, whose arguments are the other way round"
)
_removed("torch.eig Tensor.eig", "`torch.linalg.eig`, which gives complex tensors")
_removed("torch.symeig Tensor.symeig", "`torch.linalg.eigh` or `torch.linalg.eigvalsh`")
_removed("torch.matrix_rank", "`torch.linalg.matrix_rank`")
