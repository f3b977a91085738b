"""Norms of matrices, condition numbers, powers and exponentials."""

from __future__ import annotations

import math

from .. import _C
from .._lazy import np
from ..op import op, public
from ._linalg import check_float, check_matrix, check_square, deliver, identity
from .linalg import svdvals
from .linalg_solve import inv, inv_ex

_INFINITY = float("inf")
_ORDERS = ("fro", "nuc", 1, -1, 2, -2, _INFINITY, -_INFINITY)


# -- norms ----------------------------------------------------------------------------------------


def _check_norm(input, order, dim, dtype):
    name = "linalg.matrix_norm"
    check_matrix(name, input)
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {input.dtype}"
        )
    if order not in _ORDERS:
        raise RuntimeError(f"{name}: Order {order} not supported.")
    if len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, dim))}")
    for d in dim:
        if not -input.ndim <= d < input.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-input.ndim}, "
                f"{input.ndim - 1}], but got {d})"
            )
    if dim[0] % input.ndim == dim[1] % input.ndim:
        raise RuntimeError(f"{name}: dims must be different. Got {tuple(dim)}")
    if order in ("nuc", 1, -1, 2, -2):
        check_float(name, input)
    if dtype is not None:
        if not (dtype.is_floating_point or dtype.is_complex):
            raise RuntimeError(f"{name}: dtype should be floating point or complex. Got {dtype}")
        if dtype.is_complex != input.is_complex():
            kind = "complex" if input.is_complex() else "real"
            raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {dtype}")


@public("linalg.matrix_norm")
def matrix_norm(input, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """Norms of matrices in the two dims: "fro", "nuc", inf, -inf, 1, -1, 2 or -2."""
    from .. import linalg

    _check_norm(input, ord, dim, dtype)
    a = input if dtype is None else input.to(dtype)
    rows, columns = dim[0] % a.ndim, dim[1] % a.ndim
    if ord == "fro":
        return deliver(linalg.vector_norm(a, 2, (rows, columns), keepdim), out)
    if ord in ("nuc", 2, -2):
        result = _spectral_norm(a, ord, rows, columns, keepdim)
    else:
        first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = a.abs().sum(first, keepdim=keepdim)
        second -= int(second > first and not keepdim)
        result = _extreme(sums, second, keepdim, ord > 0)
    return deliver(result, out)


def _spectral_norm(a, order, rows, columns, keepdim):
    s = svdvals(a.movedim((rows, columns), (-2, -1)))
    result = s.sum(-1) if order == "nuc" else _extreme(s, -1, False, order == 2)
    for d in sorted((rows, columns)) if keepdim else ():
        result = result.unsqueeze(d)
    return result


def _extreme(x, dim, keepdim, largest):
    """The largest or smallest along `dim`; of nothing, the largest of these norms is 0."""
    if largest and x.shape[dim] == 0:
        return x.sum(dim, keepdim=keepdim)
    return x.amax(dim, keepdim) if largest else x.amin(dim, keepdim)


@public("linalg.norm")
def norm(input, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """A vector norm, or a matrix norm when two dims (or a matrix with an order) are given."""
    from .. import linalg

    dims = (dim,) if isinstance(dim, int) else dim
    if dims is not None and ord is not None and len(dims) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
        )
    if ord is not None and dims is None and input.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
            f"Got {input.ndim}D."
        )
    matrix = ord is not None and (len(dims) == 2 if dims is not None else input.ndim == 2)
    if matrix or isinstance(ord, str):
        return matrix_norm(input, ord, dims or (-2, -1), keepdim, dtype=dtype, out=out)
    result = linalg.vector_norm(input, 2 if ord is None else ord, dims, keepdim, dtype=dtype)
    return deliver(result, out)


@public("linalg.cond")
def cond(input, p=None, *, out=None):
    """Condition numbers: the norm times the norm of the inverse; inf for a singular matrix."""
    check_matrix("linalg.cond", input)
    if p is None or p in (2, -2):
        s = svdvals(input)
        if s.shape[-1] == 0:
            return deliver(s.sum(-1), out, castable=True)
        result = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
        return deliver(result, out, castable=True)
    check_square(f"linalg.cond(ord={p})", input)
    check_float("linalg.cond", input)
    if input.numel() == 0:
        return deliver(input.real.sum((-2, -1)), out, castable=True)
    inverse, info = inv_ex(input)
    result = matrix_norm(input, p) * matrix_norm(inverse, p) if p != "nuc" else None
    if p == "nuc":  # the singular values of NaN are not to be had
        safe = inverse.where((info == 0).unsqueeze(-1).unsqueeze(-1), identity(input))
        result = matrix_norm(input, p) * matrix_norm(safe, p)
        nothing = (input == 0).all(-1).all(-1)
        result = result.where(~nothing, result.new_full((), float("nan")))
        info = info * ~nothing
    return deliver(result.where(info == 0, result.new_full((), _INFINITY)), out, castable=True)


# -- powers and exponentials ----------------------------------------------------------------------


@public("linalg.matrix_power torch.matrix_power Tensor.matrix_power")
def matrix_power(input, n, *, out=None):
    """A matrix multiplied by itself n times; a negative n inverts first."""
    check_square("linalg.matrix_power", input)
    if n == 0:
        unit = identity(input).expand(input.shape)
        if input.requires_grad:  # a constant, that the graph of `input` leads to all the same
            unit = unit + input[..., :0].sum()
        return deliver(unit.clone(), out, castable=True)
    base, n = (inv(input), -n) if n < 0 else (input, n)
    if n == 1:
        return deliver(base.clone() if base is input else base, out, castable=True)
    result = None
    while n:
        if n & 1:
            result = base if result is None else result @ base
        n >>= 1
        base = base @ base if n else base
    return deliver(result, out, castable=True)


# Taylor polynomials of degree 18 are exact to rounding where the 1-norm is below these
# (Bader, Blanes, Casas: "Computing the matrix exponential with an optimized Taylor polynomial",
# 2019, table 1).
_REACH = {"float32": 3.01, "complex64": 3.01, "float64": 1.09, "complex128": 1.09}
_DEGREE = 18


@op("", name="linalg_matrix_exp", node="LinalgMatrixExp")
class matrix_exp_op:
    """Matrix exponentials: a Taylor polynomial of the scaled matrix, squared back."""

    lapack = True

    def forward(A):
        if A.size == 0:
            return A.copy()
        norms = np.abs(A).sum(-2).max(-1)
        finite = np.isfinite(norms)
        ratio = np.where(finite, norms, 0).astype(np.float64) / _REACH[A.dtype.name]
        squarings = np.ceil(np.log2(np.maximum(ratio, 1))).astype(np.int64)
        scale = np.ldexp(1.0, -squarings)[..., None, None].astype(A.real.dtype)
        result = _taylor(np.where(finite[..., None, None], A, 0) * scale)
        for k in range(int(squarings.max())):
            more = (squarings > k)[..., None, None]
            result = np.where(more, result @ result, result)
        return np.where(finite[..., None, None], result, np.array(np.nan, A.dtype))

    def meta(A):
        return A.new_empty(A.shape)

    def grad_A(g, A):
        # The derivative in the direction g stands in the corner of exp([[A, g], [0, A]]).
        from .. import cat

        a, n = A.mH, A.shape[-1]
        top, bottom = cat([a, g], -1), cat([a.new_zeros(a.shape), a], -1)
        return matrix_exp_op(cat([top, bottom], -2))[..., :n, n:]

    def samples(make):
        yield (make(3, 3),)
        yield (make(2, 2, 2, high=6),)


def _taylor(x):
    """The Taylor polynomial of degree 18, with seven products (Paterson and Stockmeyer, 1973)."""
    eye = np.eye(x.shape[-1], dtype=x.dtype)
    powers = [eye, x]
    for _ in range(3):
        powers.append(powers[-1] @ x)
    whole = powers[-1]  # x^4
    total = 0
    for start in range(_DEGREE - _DEGREE % 4, -1, -4):
        part = sum(
            powers[k] * x.dtype.type(1 / math.factorial(start + k))
            for k in range(min(4, _DEGREE - start + 1))
        )
        total = part if isinstance(total, int) else part + whole @ total
    return total


@public("linalg.matrix_exp torch.matrix_exp Tensor.matrix_exp")
def matrix_exp(input):
    """Exponentials of square matrices."""
    check_square("linalg.matrix_exp", input)
    if input.dtype in (_C.float16, _C.bfloat16):
        return matrix_exp_op(input.float()).to(input.dtype)
    check_float("linalg.matrix_exp", input)
    return matrix_exp_op(input)
