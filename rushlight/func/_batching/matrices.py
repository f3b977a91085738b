"""Linear algebra: these operators take batches of matrices as they are."""

from __future__ import annotations

import rushlight as torch

from ._lanes import Lanes, aligned, base_name, full, has_lanes, rank, rule, rules
from .fallback import loop


def _need_matrices(name, *operands):
    if any(rank(x) < 2 for x in operands):
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")


def matrices(op, size, A, *rest, **named):  # noqa: N803 (the operators' own name)
    """One batched operand, matrices in its last two dims."""
    if type(A) is not Lanes or has_lanes(rest) or has_lanes(tuple(named.values())):
        return loop(op, size, A, *rest, **named)
    _need_matrices(base_name(op), A)
    return op(A.tensor, *rest, **named)


rules.update(
    dict.fromkeys(
        (
            "linalg_svd linalg_eigh linalg_eig linalg_qr linalg_ldl_factor_ex linalg_lu_factor_ex "
            "linalg_cholesky_ex cholesky_inverse_ex linalg_inv_ex linalg_det linalg_slogdet "
            "linalg_matrix_exp geqrf"
        ).split(),
        matrices,
    )
)


@rule("solve_triangular")
def solve_triangular(op, size, A, B, *rest):  # noqa: N803
    top = max(rank(A), rank(B))
    return op(aligned(A, top), aligned(B, top), *rest)


@rule("linalg_solve_ex")
def solve(op, size, A, B):  # noqa: N803
    """`info` is that of A, which may have lanes or not."""
    top = max(rank(A), rank(B))
    pair = op(aligned(A, top), aligned(B, top))
    x, info = pair
    if type(A) is not Lanes:
        info = info.unsqueeze(0).expand((size, *info.shape))
    else:
        info = info.reshape(A.tensor.shape[:-2])
    return type(pair)((x, info))


@rule("linalg_pinv")
def pinv(op, size, A, atol, rtol, hermitian=False):  # noqa: N803
    """Tolerances of lanes have the dims of a lane's batch."""
    _need_matrices("linalg.pinv", A)
    n = max(rank(A) - 2, rank(atol), rank(rtol))
    atol, rtol = (aligned(t, n) for t in (atol, rtol))
    return op(full(A, size), atol, rtol, hermitian)


@rule("lobpcg", "linalg_householder_product")
def every_operand(op, size, *operands):
    return op(*[full(x, size) for x in operands])


@rule("lstsq")
def lstsq(op, size, A, B, rcond, driver):  # noqa: N803
    """The drivers without singular values give an empty vector, whatever the batch."""
    _need_matrices("torch.linalg.lstsq", A, B)
    found = op(full(A, size), full(B, size), rcond, driver)
    values = found[3]
    if values.ndim == 1:
        values = values.new_empty((size, 0))
    return type(found)((*found[:3], values))


@rule("ldl_solve")
def ldl_solve(op, size, LD, pivots, B, hermitian=False):  # noqa: N803
    return op(full(LD, size), full(pivots, size), full(B, size), hermitian)


@rule("ormqr")
def ormqr(op, size, input, tau, other, left=True, transpose=False):
    return op(*[full(x, size) for x in (input, tau, other)], left, transpose)


@rule("lu_rows")
def lu_rows(op, size, pivots, rows):
    return op(pivots.tensor, rows)


@rule("trace")
def trace(op, size, input):
    if rank(input) != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {rank(input)}")
    if input.tensor.dtype is torch.bool:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    return input.tensor.diagonal(0, 1, 2).sum(-1)


@rule("cdist")
def cdist(op, size, x1, x2, p):
    _need_matrices("cdist", x1, x2)
    top = max(rank(x1), rank(x2))
    return op(*_same_batches(aligned(x1, top), aligned(x2, top)), p)


def _same_batches(a, b):
    shape = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return a.expand((*shape, *a.shape[-2:])), b.expand((*shape, *b.shape[-2:]))


@rule("cdist_backward")
def cdist_backward(op, size, gs, x1, x2, p, d):
    return op(full(gs, size), full(x1, size), full(x2, size), p, full(d, size))


@rule("above_diagonal")
def above_diagonal(op, size, square):
    _need_matrices("above_diagonal", square)
    return op(square.tensor)


@rule("from_above_diagonal")
def from_above_diagonal(op, size, runs, n):
    if rank(runs) < 1:
        raise RuntimeError("from_above_diagonal: got a tensor without dims, expected runs")
    return op(runs.tensor, n)
