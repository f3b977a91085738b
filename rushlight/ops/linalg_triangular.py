"""Triangular systems, and the Cholesky factors of positive definite matrices."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public, return_type
from ._linalg import (
    check_float,
    check_info,
    check_kernel,
    check_same_dtype,
    check_square,
    check_system,
    deliver,
    expand_batches,
    identity,
    lapack,
    positive,
    square,
    warn_replaced,
)


@op("", name="solve_triangular", node="LinalgSolveTriangular")
class solve_triangular:
    """X with A X = B for triangular A; the other triangle is not read."""

    lapack = True

    def forward(A, B, upper, unitriangular):
        a = np.triu(A) if upper else np.tril(A)
        if unitriangular:
            np.einsum("...ii->...i", a)[...] = 1
        return np.linalg.solve(a, B)

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
    name = "linalg.solve_triangular"
    check_square(name, A)
    check_kernel("triangular_solve_cpu", A)
    check_same_dtype(name, A, B)
    check_system(name, A, B, left)
    if left:
        x = solve_triangular(A, B, upper, unitriangular)
    else:
        x = solve_triangular(A.mT, B.mT, not upper, unitriangular).mT
    return deliver(x, out)


_TriangularSolve = return_type("triangular_solve", ("solution", "cloned_coefficient"))


def _check_pair(name, b, a):
    """The checks of the older functions, which call the right hand side b."""
    for letter, t in (("b", b), ("A", a)):
        if t.ndim < 2:
            raise RuntimeError(
                f"{name}: Expected {letter} to have at least 2 dimensions, but it has {t.ndim} "
                "dimensions instead"
            )
    check_square(name, a)
    check_kernel(f"{name}_cpu", a)
    if b.dtype != a.dtype:
        raise RuntimeError(
            f"{name}: Expected b and A to have the same dtype, but found b of type {b.dtype} and "
            f"A of type {a.dtype} instead."
        )
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {a.shape[-2]} by "
            f"{a.shape[-1]} but each b matrix is {b.shape[-2]} by {b.shape[-1]}"
        )


@public("torch.triangular_solve Tensor.triangular_solve")
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False, *, out=None):  # noqa: N803
    """(X with A X = input, A) for triangular A."""
    warn_replaced("triangular_solve", "solve_triangular")
    _check_pair("triangular_solve", input, A)
    a, b = expand_batches(A, input)
    x = solve_triangular(a.mT if transpose else a, b, upper != transpose, unitriangular)
    return deliver(_TriangularSolve((x, a.clone())), out)


# -- Cholesky -------------------------------------------------------------------------------------


@op(
    "",
    name="linalg_cholesky_ex",
    node="LinalgCholeskyEx",
    outputs=("L", "info"),
    grad_outputs=1,
)
class cholesky_ex:
    """Lower triangular L with L L^H = A, and where A ceases to be positive definite (0: never)."""

    lapack = True
    symmetric = True  # for tests: only Hermitian perturbations make sense

    def forward(A):
        return np.linalg.cholesky(A), np.zeros(A.shape[:-2], np.int32)

    def grad_A(g, L):  # noqa: N803
        phi = (L.mH @ g[0]).tril()
        phi = phi - 0.5 * phi.diagonal(0, -2, -1).diag_embed()
        left = solve_triangular(L.mH, 0.5 * (phi + phi.mH), True, False)
        return solve_triangular(L.mH, left.mH, True, False).mH

    def samples(make):
        yield (positive(make),)


def _not_positive(info):
    return (
        "The factorization could not be completed because the input is not positive-definite "
        f"(the leading minor of order {info} is not positive-definite)."
    )


def _cholesky(name, a, upper, check):
    check_square(name, a)
    check_float(name, a, "cholesky_cpu")
    factor, info = result = cholesky_ex(a.mH if upper else a)
    if check:
        check_info(name, info, _not_positive)
    return type(result)((factor.mH if upper else factor, info))


@public("linalg.cholesky_ex")
def linalg_cholesky_ex(input, *, upper=False, check_errors=False, out=None):
    """(L, info); info is the order of the first leading minor that is not positive."""
    return deliver(_cholesky("linalg.cholesky_ex", input, upper, check_errors), out)


@public("linalg.cholesky")
def linalg_cholesky(input, *, upper=False, out=None):
    """The Cholesky factor of positive definite matrices: L, or its conjugate transpose."""
    return deliver(_cholesky("linalg.cholesky", input, upper, True)[0], out)


@public("torch.cholesky Tensor.cholesky")
def cholesky_old(input, upper=False, *, out=None):
    """The Cholesky factor of positive definite matrices."""
    warn_replaced("cholesky", "cholesky")
    return deliver(_cholesky("cholesky", input, upper, True)[0], out, castable=True)


@op("", name="cholesky_inverse_ex", node="CholeskyInverse", outputs=("inverse", "info"),
    grad_outputs=1)  # fmt: skip
class cholesky_inverse_ex:
    """The inverse of L L^H, and which diagonal element of L is zero (0: none)."""

    lapack = True

    def forward(L, upper=False):
        return lapack.potri(L, upper)

    def meta(L, upper=False):
        return L.new_empty(L.shape), L.new_empty(L.shape[:-2], dtype=_C.int32)

    def grad_L(g, L, inverse, upper):  # noqa: N802, N803
        # As in PyTorch the gradient is that of the whole product: L is taken to be triangular.
        both = -(inverse @ (g[0] + g[0].mH) @ inverse)
        return L @ both if upper else both @ L

    def samples(make):  # gradients are tested where L is triangular, in test_linalg.py
        a = make(3, 3, grad=False)
        yield (a.tril(-1) + 2 * identity(a),)


@public("torch.cholesky_inverse Tensor.cholesky_inverse")
def cholesky_inverse(input, upper=False, *, out=None):
    """The inverse of A, from its Cholesky factor."""
    check_square("cholesky_inverse", input)
    check_kernel("cholesky_inverse_out_cpu", input)
    inverse, info = cholesky_inverse_ex(input, upper)
    check_info("cholesky_inverse", info, zero_diagonal)
    return deliver(inverse, out, castable=True)


def zero_diagonal(info):
    """What `info` of an inversion means."""
    return (
        f"The diagonal element {info} is zero, the inversion could not be completed because the "
        "input matrix is singular."
    )


@public("torch.cholesky_solve Tensor.cholesky_solve")
def cholesky_solve(input, input2, upper=False, *, out=None):
    """X with A X = input, where input2 is the Cholesky factor of A."""
    _check_pair("cholesky_solve", input, input2)
    factor, b = expand_batches(input2, input)
    if upper:
        y = solve_triangular(factor.mH, b, False, False)
        return deliver(solve_triangular(factor, y, True, False), out, castable=True)
    y = solve_triangular(factor, b, False, False)
    return deliver(solve_triangular(factor.mH, y, True, False), out, castable=True)
