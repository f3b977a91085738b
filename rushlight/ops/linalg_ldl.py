"""LDL factors of symmetric and Hermitian matrices that need not be positive, by LAPACK's sytrf."""

from __future__ import annotations

from .. import _C
from ..op import op, public, return_type
from ._linalg import (
    check_float,
    check_info,
    check_matrix,
    check_same_dtype,
    check_square,
    columns,
    deliver,
    expand_batches,
    lapack,
)


@op(
    "",
    name="linalg_ldl_factor_ex",
    node="LinalgLdlFactorEx",
    outputs=("LD", "pivots", "info"),
    grad_outputs=1,
)
class ldl_factor_ex:
    """A = L D L^T (L^H if Hermitian): D has blocks of one or two rows, packed with L."""

    lapack = True

    def forward(A, hermitian=False):
        return lapack.sytrf(A, hermitian)

    def meta(A, hermitian=False):
        batch, n = A.shape[:-2], A.shape[-1]
        return (
            columns(A, A.shape),
            A.new_empty((*batch, n), dtype=_C.int32),
            A.new_empty(batch, dtype=_C.int32),
        )

    def grad_A(g):
        raise NotImplementedError("the derivative for 'linalg_ldl_factor_ex' is not implemented.")

    def samples(make):
        a = make(3, 3, grad=False)
        yield (a + a.mT,)


_LDLFactor = return_type("linalg_ldl_factor", ("LD", "pivots"))


@public("linalg.ldl_factor_ex")
def linalg_ldl_factor_ex(input, *, hermitian=False, check_errors=False, out=None):
    """(LD, pivots, info) of symmetric or Hermitian matrices; the lower triangle is read."""
    name = "torch.linalg.ldl_factor_ex"
    check_square(name, input)
    check_float(name, input, "ldl_factor_kernel_cpu")
    result = ldl_factor_ex(input, hermitian)
    if check_errors:
        check_info(name, result[2], _zero_block, RuntimeError)
    return deliver(result, out)


def _zero_block(info):
    return f"D[{info},{info}] is exactly zero: the matrix is singular"


@public("linalg.ldl_factor")
def linalg_ldl_factor(input, *, hermitian=False, out=None):
    """(LD, pivots) of symmetric or Hermitian matrices; RuntimeError for a singular one."""
    check_square("torch.linalg.ldl_factor", input)
    check_float("torch.linalg.ldl_factor", input, "ldl_factor_kernel_cpu")
    result = ldl_factor_ex(input, hermitian)
    check_info("torch.linalg.ldl_factor", result[2], _zero_block, RuntimeError)
    return deliver(_LDLFactor(result[:2]), out)


@op("", name="ldl_solve", node="LinalgLdlSolve")
class ldl_solve:
    """X with A X = B from the LDL factors of A."""

    lapack = True

    def forward(LD, pivots, B, hermitian=False):
        return lapack.sytrs(LD, pivots, B, hermitian)

    def meta(LD, pivots, B, hermitian=False):
        return columns(B, B.shape)

    def grad_B(g, LD, pivots, hermitian):  # noqa: N802, N803
        # A^-H: of a complex symmetric A it is the conjugate of A^-1.
        if hermitian or not g.is_complex():
            return ldl_solve(LD, pivots, g, hermitian)
        return ldl_solve(LD, pivots, g.conj(), hermitian).conj()

    def samples(make):
        a = make(3, 3, grad=False)
        a = a + a.mT
        if not (a.is_floating_point() or a.is_complex()):
            a = a.double()
        packed, pivots, _ = ldl_factor_ex(a)
        yield packed, pivots, make(3, 2).to(packed.dtype)


@public("linalg.ldl_solve")
def linalg_ldl_solve(LD, pivots, B, *, hermitian=False, out=None):  # noqa: N803
    """X with A X = B, from what `ldl_factor` gives for A; B is (..., n, k)."""
    name = "torch.linalg.ldl_solve"
    check_square(name, LD)
    check_float(name, LD)
    check_same_dtype(name, LD, B, "LD and B")
    check_matrix(name, B, letter="B")
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {LD.shape[-1]} by "
            f"{LD.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    if tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {tuple(pivots.shape)} instead"
        )
    if pivots.is_floating_point() or pivots.is_complex():
        raise RuntimeError(f"{name}: Expected pivots to be integers, got {pivots.dtype}")
    packed, b = expand_batches(LD, B)
    return deliver(ldl_solve(packed, pivots.expand(packed.shape[:-1]), b, hermitian), out)
