"""LU factors with exchanged rows, A = P L U, and what is solved with them."""

from __future__ import annotations

from .. import _C
from ..op import op, public, return_type
from ._linalg import (
    check_float,
    check_info,
    check_kernel,
    check_matrix,
    check_same_dtype,
    check_square,
    check_system,
    deliver,
    expand_batches,
    lapack,
    square,
    warn_replaced,
)

_LUFactor = return_type("linalg_lu_factor", ("LU", "pivots"))
_LU = return_type("linalg_lu", ("P", "L", "U"))
_Unpacked = return_type("lu_unpack", ("P", "L", "U"))
_WithInfo = return_type("_lu_with_info", ("LU", "pivots", "info"))


@op("", name="lu_rows")
class lu_rows:
    """The rows of A, from 0, in the order that the exchanges `pivots` leave them."""

    def forward(pivots, rows):
        return lapack.permutation(pivots, rows)

    def meta(pivots, rows):
        return pivots.new_empty((*pivots.shape[:-1], rows), dtype=_C.int64)

    def samples(make):
        from .. import int32, tensor

        yield tensor([[2, 2, 3], [3, 3, 3]], dtype=int32), 3


def _move_rows(x, rows):
    """x[rows] in each matrix of a batch."""
    return x.gather(-2, rows.unsqueeze(-1).expand(*rows.shape, x.shape[-1]))


def _lower(lu):
    """L of the packed factors: ones on the diagonal, zeros above it."""
    from .. import eye

    k = min(lu.shape[-2:])
    return lu[..., :k].tril(-1) + eye(lu.shape[-2], k, dtype=lu.dtype, device=lu.device)


def _upper(lu):
    return lu[..., : min(lu.shape[-2:]), :].triu()


@op(
    "",
    name="linalg_lu_factor_ex",
    node="LinalgLuFactorEx",
    outputs=("LU", "pivots", "info"),
    grad_outputs=1,
)
class lu_factor_ex:
    """L and U packed in one matrix, the exchanged rows, and which U[i, i] is zero (0: none)."""

    lapack = True

    def forward(A):
        return lapack.getrf(A)

    def grad_A(g, LU, pivots):  # noqa: N803
        # With X = L^-1 dA U^-1 of the square part: dL = L tril(X, -1) and dU = triu(X) U.
        g = g[0]
        m, n = LU.shape[-2:]
        k = min(m, n)
        lower, upper = _lower(LU), _upper(LU)
        low, up = lower[..., :k, :], upper[..., :k]
        gl, gu = g[..., :k].tril(-1), g[..., :k, :].triu()
        skew, rest = low.mH @ gl[..., :k, :], gu[..., :k] @ up.mH
        if m < n:
            skew = skew - gu[..., k:] @ upper[..., k:].mH
        if m > n:
            rest = rest - lower[..., k:, :].mH @ gl[..., k:, :]
        inner = skew.tril(-1) + rest.triu()
        inner = _triangular(low.mH, _triangular(up, inner.mH, True, False).mH, True, True)
        from .. import cat

        if m < n:
            inner = cat([inner, _triangular(low.mH, gu[..., k:], True, True)], -1)
        if m > n:
            below = _triangular(up, gl[..., k:, :].mH, True, False).mH
            inner = cat([inner, below], -2)
        return _move_rows(inner, lu_rows(pivots, m).argsort(-1))

    def samples(make):
        yield (square(make),)
        yield (make(2, 4),)
        yield (make(4, 2),)


def _triangular(a, b, upper, unit):
    from .linalg_triangular import solve_triangular

    return solve_triangular(a, b, upper, unit)


def _factors(name, A, pivot):  # noqa: N803
    check_matrix(name, A)
    check_kernel("lu_cpu", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    return lu_factor_ex(A)


def _singular(info):
    return (
        f"U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. "
        "If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
        "linalg.lu_factor_ex(A, pivot)"
    )


@public("linalg.lu_factor_ex")
def linalg_lu_factor_ex(A, *, pivot=True, check_errors=False, out=None):  # noqa: N803
    """(LU, pivots, info) of matrices (..., m, n); info names the first zero on U's diagonal."""
    result = _factors("torch.linalg.lu_factor_ex", A, pivot)
    if check_errors:
        check_info("torch.linalg.lu_factor_ex", result[2], _singular, RuntimeError)
    return deliver(result, out)


@public("linalg.lu_factor")
def linalg_lu_factor(A, *, pivot=True, out=None):  # noqa: N803
    """(LU, pivots) of matrices (..., m, n); RuntimeError for a singular one."""
    result = _factors("torch.linalg.lu_factor", A, pivot)
    check_info("torch.linalg.lu_factor", result[2], _singular, RuntimeError)
    return deliver(_LUFactor(result[:2]), out)


@public("torch.lu Tensor.lu")
def lu_old(A, pivot=True, get_infos=False, out=None):  # noqa: N803
    """(LU, pivots), and info with `get_infos`; nothing is said of singular matrices."""
    warn_replaced("lu", "lu_factor or torch.linalg.lu_factor_ex")
    result = _factors("torch.lu", A, pivot)
    return deliver(_WithInfo(tuple(result)) if get_infos else tuple(result)[:2], out)


@public("linalg.lu")
def linalg_lu(A, *, pivot=True, out=None):  # noqa: N803
    """(P, L, U) with A = P L U, of matrices (..., m, n)."""
    packed, pivots, _ = _factors("torch.linalg.lu", A, pivot)
    return deliver(_LU(_unpack(packed, pivots)), out)


def _unpack(packed, pivots):
    return _permutation_matrix(packed, pivots), _lower(packed), _upper(packed)


def _permutation_matrix(packed, pivots):
    from .. import arange

    rows = lu_rows(pivots, packed.shape[-2])
    places = arange(packed.shape[-2], device=packed.device)
    return (rows.unsqueeze(-2) == places.unsqueeze(-1)).to(packed.dtype)


@public("torch.lu_unpack")
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True, *, out=None):  # noqa: N803
    """(P, L, U) from what lu_factor gives; empty tensors for the parts not asked for."""
    from .. import int32

    check_matrix("torch.lu_unpack", LU_data, letter="LU_data")
    nothing = LU_data.new_empty(0)
    permutation = lower = upper = nothing
    if unpack_pivots:
        if LU_pivots.dtype is not int32:
            raise RuntimeError(
                "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
                f"dtype: got {LU_pivots.dtype}. Is it the output of torch.linalg.lu_factor?"
            )
        wanted = (*LU_data.shape[:-2], min(LU_data.shape[-2:]))
        if tuple(LU_pivots.shape) != wanted:
            raise RuntimeError(
                "pivots passed to lu_unpack must be those of LU_data: got shape "
                f"{tuple(LU_pivots.shape)}, expected {wanted}"
            )
        permutation = _permutation_matrix(LU_data, LU_pivots)
    if unpack_data:
        lower, upper = _lower(LU_data), _upper(LU_data)
    return deliver(_Unpacked((permutation, lower, upper)), out)


@public("linalg.lu_solve")
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False, out=None):  # noqa: N803
    """X with A X = B (A^H with `adjoint`, X A with left=False), from the LU factors of A."""
    from .. import int32

    name = "linalg.lu_solve"
    check_square(name, LU, letter="LU")
    check_float(name, LU, "linalg.lu_solve_cpu")
    check_same_dtype(name, LU, B, "LU and B")
    check_system(name, LU, B, left)
    if pivots.dtype is not int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if tuple(pivots.shape) != tuple(LU.shape[:-1]):
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix: "
            f"got {tuple(pivots.shape)}, expected {tuple(LU.shape[:-1])}"
        )
    n = LU.shape[-1]
    rows = lu_rows(pivots, n)
    if not left:  # X A = B is A^H X^H = B^H
        return deliver(_solve(LU, rows, B.mH, not adjoint).mH, out)
    return deliver(_solve(LU, rows, B, adjoint), out)


def _solve(packed, rows, b, adjoint):
    """X with P L U X = B, or with its conjugate transpose U^H L^H P^T X = B."""
    packed, b = expand_batches(packed, b)
    rows = rows.expand(packed.shape[:-1])
    if adjoint:
        y = _triangular(packed.mH, b, False, False)
        return _move_rows(_triangular(packed.mH, y, True, True), rows.argsort(-1))
    y = _triangular(packed, _move_rows(b, rows), False, True)
    return _triangular(packed, y, True, False)


@public("torch.lu_solve Tensor.lu_solve")
def lu_solve(input, LU_data, LU_pivots, *, out=None):  # noqa: N803
    """X with A X = input, from the LU factors of A."""
    warn_replaced("lu_solve", "lu_solve")
    return linalg_lu_solve(LU_data, LU_pivots, input, out=out)
