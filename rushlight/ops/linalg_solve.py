"""Inverses, linear systems, pseudo-inverses and ranks, through LAPACK."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from ._lanes import some
from ._linalg import (
    PRECISE,
    check_float,
    check_info,
    check_matrix,
    check_same_dtype,
    check_square,
    check_system,
    deliver,
    square,
)
from .linalg import eigvalsh, svdvals
from .linalg_triangular import zero_diagonal


@op(
    "",
    name="linalg_inv_ex",
    node="LinalgInvEx",
    outputs=("inverse", "info"),
    grad_outputs=1,
)
class inv_ex:
    """Inverses of square matrices, NaN for a singular one, which `info` tells (0: it is not)."""

    lapack = True

    def forward(A):
        return np.linalg.inv(A), np.zeros(A.shape[:-2], np.int32)

    def grad_A(g, inverse):
        return -(inverse.mH @ g[0] @ inverse.mH)

    def samples(make):
        yield (square(make),)


def _inverse(name, a, check=True):
    check_square("linalg.inv", a)
    check_float("linalg.inv", a)
    result = inv_ex(a)
    if check:
        check_info(name, result[1], zero_diagonal)
    return result


@public("linalg.inv torch.inverse Tensor.inverse")
def inv(A, *, out=None):  # noqa: N803
    """Inverses of square matrices; LinAlgError for a singular one."""
    return deliver(_inverse("linalg.inv", A)[0], out)


@public("linalg.inv_ex")
def linalg_inv_ex(A, *, check_errors=False, out=None):  # noqa: N803
    """(inverse, info) of square matrices; info above 0 where a matrix is singular."""
    return deliver(_inverse("linalg.inv_ex", A, check_errors), out)


@op(
    "",
    name="linalg_solve_ex",
    node="LinalgSolveEx",
    outputs=("result", "info"),
    grad_outputs=1,
)
class solve_ex:
    """X with A X = B for matrices B (..., n, k), NaN where A is singular, which `info` tells."""

    lapack = True

    def forward(A, B):
        return np.linalg.solve(A, B), np.zeros(A.shape[:-2], np.int32)

    def grad_A(g, A, result):
        return -(solve_ex(A.mH, g[0])[0] @ result.mH)

    def grad_B(g, A):  # noqa: N802
        return solve_ex(A.mH, g[0])[0]

    def samples(make):
        yield square(make), make(3, 2)
        yield square(make), make(2, 3, 2)


def _solve(name, a, b, left, check):
    check_square("linalg.solve", a)
    check_float("linalg.solve", a, "lu_cpu")
    check_same_dtype("linalg.solve", a, b)
    vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    rhs = b.unsqueeze(-1) if vector else b
    check_system("linalg.solve", a, rhs, left)
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. B / A.squeeze(-1) is the same."
        )
    result = solve_ex(a, rhs) if left else solve_ex(a.mT, rhs.mT)
    x, info = result
    if check:
        check_info(name, info, _unsolvable)
    x = x if left else x.mT
    return type(result)((x.squeeze(-1) if vector else x, info))


def _unsolvable(info):
    return "The solver failed because the input matrix is singular."


@public("linalg.solve")
def linalg_solve(A, B, *, left=True, out=None):  # noqa: N803
    """X with A X = B (or X A = B with left=False); B may be a batch of vectors."""
    return deliver(_solve("torch.linalg.solve", A, B, left, True)[0], out)


@public("linalg.solve_ex")
def linalg_solve_ex(A, B, *, left=True, check_errors=False, out=None):  # noqa: N803
    """(X, info) with A X = B; info above 0 where A is singular."""
    return deliver(_solve("torch.linalg.solve_ex", A, B, left, check_errors), out)


# -- pseudo-inverse, rank -------------------------------------------------------------------------


def _keep(values, atol, rtol):
    """Which singular values (..., k) exceed max(atol, rtol * largest): a bool array."""
    largest = values.max(-1, keepdims=True, initial=0)
    return values > np.maximum(np.asarray(atol)[..., None], np.asarray(rtol)[..., None] * largest)


@op("", name="linalg_pinv", node="LinalgPinv")
class pinv_op:
    """Moore-Penrose inverses; singular values up to max(atol, rtol * largest) count as zero."""

    lapack = True

    def forward(A, atol, rtol, hermitian=False):
        if hermitian:
            values, u = np.linalg.eigh(A)
            vh = np.conj(np.swapaxes(u, -1, -2))
            size = np.abs(values)
        else:
            u, size, vh = np.linalg.svd(A, False)
            values = size
        keep = _keep(size, atol, rtol)
        inverse = np.where(keep, 1 / np.where(keep, values, 1), 0).astype(values.dtype)
        return (np.conj(np.swapaxes(vh, -1, -2)) * inverse[..., None, :]) @ np.conj(
            np.swapaxes(u, -1, -2)
        )

    def meta(A, atol, rtol, hermitian=False):
        return A.new_empty(A.mT.shape)

    def grad_A(g, A, out):
        # Golub and Pereyra (1973): dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P.
        ph = out.mH
        left, right = g.mH @ out @ ph, ph @ out @ g.mH
        return (left - A @ (out @ left)) + (right - (right @ out) @ A) - ph @ g @ ph

    def samples(make):
        yield make(4, 3), 0.0, 1e-12
        yield make(2, 3, 4), 0.0, 1e-12


def _tolerances(a, atol, rtol):
    """(atol, rtol) with the defaults: the longer side times eps, or 0 beside an atol."""
    from .. import Tensor, finfo

    if rtol is None:
        given = atol is not None and (not isinstance(atol, Tensor) or some(atol > 0))
        rtol = 0.0 if given else max(a.shape[-2:]) * finfo(a.dtype).eps
    parts = [0.0 if atol is None else atol, rtol]
    for part in parts:
        if isinstance(part, Tensor) and part.is_complex():
            raise RuntimeError("linalg: atol and rtol tensors must be real: got a complex tensor")
    return [p.detach() if isinstance(p, Tensor) else float(p) for p in parts]


@public("linalg.pinv")
def pinv(input, rcond=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """Moore-Penrose inverses; singular values up to max(atol, rtol * largest) count as zero."""
    if input.ndim < 2 or input.dtype not in PRECISE:
        raise RuntimeError(
            f"linalg.pinv({input.dtype}{{{list(input.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        check_square("linalg.eigh", input)
    if input.numel() == 0:
        return deliver(input.mH.clone(), out, castable=True)
    atol, rtol = _tolerances(input, atol, rcond if rtol is None else rtol)
    return deliver(pinv_op(input, atol, rtol, hermitian), out, castable=True)


@public("torch.pinverse Tensor.pinverse")
def pinverse(input, rcond=1e-15):
    """Moore-Penrose inverses; singular values up to rcond times the largest count as zero."""
    return pinv(input, rcond)


@public("linalg.matrix_rank")
def matrix_rank(input, tol=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """How many singular values exceed max(atol, rtol * largest)."""
    from .. import Tensor

    check_matrix("linalg.matrix_rank", input)
    check_float("linalg.matrix_rank", input)
    s = eigvalsh(input).abs() if hermitian else svdvals(input)
    if s.shape[-1] == 0:
        return deliver(s.sum(-1).long(), out, castable=True)
    atol, rtol = _tolerances(input, tol if atol is None else atol, rtol)
    atol, rtol = (t.unsqueeze(-1) if isinstance(t, Tensor) else t for t in (atol, rtol))
    bound = s.amax(-1, keepdim=True) * rtol
    bound = bound.maximum(atol) if isinstance(atol, Tensor) else bound.clamp(min=atol)
    return deliver((s > bound).sum(-1), out, castable=True)


# -- tensors as matrices --------------------------------------------------------------------------


@public("linalg.tensorinv")
def tensorinv(input, ind=2, *, out=None):
    """The inverse of a tensor as a map: the first `ind` dims against the others."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = input.shape[:ind], input.shape[ind:]
    m, n = rows.numel(), columns.numel()
    if m != n:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {n} != {m}"
        )
    return deliver(inv(input.reshape(m, n)).reshape(*columns, *rows), out, castable=True)


@public("linalg.tensorsolve")
def tensorsolve(input, other, dims=None, *, out=None):
    """X with tensordot(input, X, X.ndim) = other; `dims` of input are moved to its end first."""
    if dims is not None:
        last = tuple(range(input.ndim - len(dims), input.ndim))
        input = input.movedim(tuple(dims), last)
    rows, columns = input.shape[: other.ndim], input.shape[other.ndim :]
    m, n = rows.numel(), columns.numel()
    if m != n:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {n} != {m}"
        )
    x = linalg_solve(input.reshape(m, n), other.reshape(-1))
    return deliver(x.reshape(columns), out, castable=True)


@public("linalg.vander")
def vander(x, N=None):  # noqa: N803
    """Vandermonde matrices: the powers 0 to N - 1 of the elements along the last dim."""
    from .. import cat

    if x.dtype in (_C.float16, _C.bfloat16, _C.bool):
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got "
            f"{x.dtype._scalar_name}"
        )
    x = x.reshape(1) if x.ndim == 0 else x
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise RuntimeError(f"N must be greater than 1: got {n}.")
    x = x.long() if not (x.is_floating_point() or x.is_complex()) else x
    powers = x.unsqueeze(-1).expand(*x.shape, n - 1).cumprod(-1)
    return cat([x.new_ones(*x.shape, 1), powers], -1)
