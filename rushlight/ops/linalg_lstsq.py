"""Least squares by LAPACK's four drivers."""

from __future__ import annotations

from .. import _C
from .._errors import LinAlgError
from .._lazy import np
from ..op import op, public, return_type
from ._lanes import some
from ._linalg import PRECISE, columns, deliver, expand_batches, lapack

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")
_LSTSQ = return_type("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"))


@op(
    "",
    name="lstsq",
    node="LinalgLstsq",
    outputs=("solution", "info", "rank", "singular_values"),
    grad_outputs=1,
    differentiable=("A", "B"),
)
class lstsq_op:
    """The X of least norm among those that minimise |A X - B|."""

    lapack = True

    def forward(A, B, rcond, driver):
        batch = A.shape[:-2]
        fine, unranked = np.zeros(batch, np.int32), np.zeros(batch, np.int64)
        no_values = np.zeros((0,), np.empty(0, A.dtype).real.dtype)
        if driver == "gels":
            x, info = lapack.gels(A, B)
            return x, info, unranked, no_values
        if not (np.isfinite(A).all() and np.isfinite(B).all()):
            raise LinAlgError("torch.linalg.lstsq: input and other must have finite values only")
        if driver == "gelsy":
            x, rank = lapack.gelsy(A, B, rcond)
            return x, fine, rank, no_values
        x, rank, values = lapack.gelsd(A, B, rcond, driver)
        return x, fine, rank, values

    def meta(A, B, rcond, driver):
        batch, (m, n) = A.shape[:-2], A.shape[-2:]
        values = (*batch, min(m, n)) if driver in ("gelsd", "gelss") else (0,)
        real = A.dtype.to_real()
        return (
            columns(A, (*batch, max(m, n), B.shape[-1]))[..., :n, :],
            A.new_empty(batch, dtype=_C.int32),
            A.new_empty(batch, dtype=_C.int64),
            A.new_empty(values, dtype=real),
        )

    def backward(g, A, B, needs):  # noqa: N803
        from .linalg_solve import pinv, pinv_op

        # X = P B with the pseudo-inverse P of A, whose derivative is that of pinv.
        inverse = pinv(A)
        ga = None
        if needs[0]:
            ga = pinv_op.declaration.grad_A(g[0] @ B.mH, A, inverse)
        return ga, inverse.mH @ g[0] if needs[1] else None

    def samples(make):
        yield make(4, 3), make(4, 2), 1e-12, "gelsy"
        yield make(3, 4), make(3, 2), 1e-12, "gelsd"
        yield make(2, 4, 3), make(2, 4, 2), 1e-12, "gels"


def _check(input, b, driver):
    name = "torch.linalg.lstsq"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if not 0 <= input.ndim - b.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - "
            f"other.dim()) <= 1: got {input.ndim} and {b.ndim}"
        )
    if input.dtype != b.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{input.dtype} and other's dtype {b.dtype}"
        )
    if driver not in _DRIVERS:
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    if input.dtype not in PRECISE:
        raise RuntimeError(
            f"{name}: This function doesn't handle types other than float and double"
        )


def _rank_deficient(info):
    return (
        "The least squares solution could not be computed because the input matrix does not have "
        f"full rank (error code: {info})."
    )


@public("linalg.lstsq")
def lstsq(input, b, rcond=None, *, driver=None, out=None):
    """X that minimises |input X - b|: (solution, residuals, rank, singular_values).

    b is (..., m, k), or a batch of vectors. `driver` is "gelsy" by default; "gels" is quickest and
    wants full rank, "gelsd" and "gelss" give singular values too. Singular values up to rcond times
    the largest count as zero. Residuals are those of full rank systems with more rows than columns.
    """
    from .. import finfo, int64
    from ._linalg import check_info

    driver = "gelsy" if driver is None else driver
    _check(input, b, driver)
    vector = b.ndim == 1 or b.shape == input.shape[:-1]
    rhs = b.unsqueeze(-1) if vector else b
    if input.shape[-2] != rhs.shape[-2]:
        raise RuntimeError(
            "torch.linalg.lstsq: input.size(-2) should match other.size(-"
            f"{1 if vector else 2}): got {input.shape[-2]} and {rhs.shape[-2]}"
        )
    m, n = input.shape[-2:]
    rcond = max(m, n) * finfo(input.dtype).eps if rcond is None else float(rcond)
    a, rhs = expand_batches(input, rhs)
    x, info, rank, values = lstsq_op(a, rhs, rcond, driver)
    check_info("torch.linalg.lstsq", info, _rank_deficient)
    residuals = x.reshape(-1)[:0]
    residuals = residuals.real if a.is_complex() else residuals
    known = driver != "gelsy" and m > n and (driver == "gels" or not some(rank != n))
    if known:  # by tensor operators, so that they have gradients
        error = a @ x - rhs
        residuals = (error * error.conj()).real.sum(-2) if a.is_complex() else (error**2).sum(-2)
    # Rank and singular values belong to the matrices of `input`, before they were broadcast.
    own = tuple(slice(None) if s > 1 else slice(0, 1) for s in input.shape[:-2])
    own = (0,) * (rank.ndim - len(own)) + own if rank.numel() else ()
    rank = rank.new_empty(0, dtype=int64) if driver == "gels" else rank[own]
    values = values[own] if driver in ("gelsd", "gelss") else values
    x = x.squeeze(-1) if vector else x
    return deliver(_LSTSQ((x, residuals, rank, values)), out, castable=True)
