"""LAPACK routines that numpy.linalg lacks, on batches of matrices (..., rows, columns).

Every function copies its operands into column order, so that the sizes LAPACK is told are those
of memory allocated here, and gives back arrays of the same batch shape. Shapes and pivots that do
not fit raise RuntimeError before LAPACK sees them. `info` is int32, one number per matrix: 0 for
success, above 0 where the matrix has no answer.
"""

from __future__ import annotations

import math

from ._blas import lapack_library
from ._lazy import np

_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_functions: dict = {}


class _Workspace:
    """An argument whose size LAPACK names itself, when asked with a length of -1."""

    def __init__(self, dtype):
        self.dtype = dtype


def _letter(dtype):
    letter = _LETTERS.get(dtype.name)
    if letter is None:
        raise RuntimeError(
            f"linear algebra: got matrices of {dtype.name}, expected float or double"
        )
    return letter


def _is_complex(a):
    return a.dtype.kind == "c"


def _real(dtype):
    return np.empty(0, dtype).real.dtype


def _integer():
    return np.dtype("int64") if lapack_library()[3] == 64 else np.dtype("int32")


def _function(routine):
    """The C function of a routine such as "dgetrf"; every argument is an address."""
    found = _functions.get(routine)
    if found is None:
        library, prefix, suffix, _ = lapack_library()
        found = getattr(library, prefix + routine + suffix)
        found.restype = None
        _functions[routine] = found
    return found


def _run(routine, count, *arguments):
    """Call a routine for each of `count` matrices; returns info (count,).

    An ndarray with `count` leading items passes one item a call, a number or letter passes by
    reference, a `_Workspace` is allocated once (it is followed by its length -1 in the list).
    """
    info = np.zeros(count, _integer())
    if count == 0:
        return info.astype(np.int32)
    function = _function(routine)
    if any(isinstance(a, _Workspace) for a in arguments):
        asked = [np.zeros((1, 1), a.dtype) if isinstance(a, _Workspace) else a for a in arguments]
        _loop(function, 1, asked, info)
        arguments = _allocated(arguments, asked)
    _loop(function, count, arguments, info)
    if (info < 0).any():
        raise RuntimeError(f"{routine}: LAPACK rejects argument {-int(info.min())}")
    return info.astype(np.int32)


def _allocated(arguments, asked):
    """The arguments with workspaces of the sizes that a query left in `asked`."""
    done: list = []
    for argument, answer in zip(arguments, asked, strict=True):
        if isinstance(argument, _Workspace):
            size = max(1, math.ceil(answer[0, 0].real * (1 + 1e-6)))  # float32 rounds the length
            done.append(np.empty((1, size), argument.dtype))
        elif isinstance(argument, int) and argument == -1:
            done.append(done[-1].size)
        else:
            done.append(argument)
    return done


def _loop(function, count, arguments, info):
    import ctypes

    integer = ctypes.c_int64 if info.itemsize == 8 else ctypes.c_int32
    kept, moving, fixed, letters = [], [], [], 0
    for a in (*arguments, info.reshape(-1, 1)):
        position = len(fixed)
        if isinstance(a, str):
            fixed.append(ctypes.c_char_p(a.encode()))
            letters += 1
        elif isinstance(a, np.ndarray):
            if not a.flags.c_contiguous:
                raise RuntimeError("linear algebra: an operand is not contiguous")
            fixed.append(ctypes.c_void_p(a.ctypes.data))
            if len(a) > 1 and count > 1:
                moving.append((position, a.ctypes.data, a.strides[0]))
        else:
            if info.itemsize == 4 and not -(2**31) <= a < 2**31:
                raise RuntimeError(f"linear algebra: {a} is more than this LAPACK's integers hold")
            kept.append(integer(a))
            fixed.append(ctypes.byref(kept[-1]))
    fixed.extend([ctypes.c_size_t(1)] * letters)  # Fortran's hidden lengths of the letters
    pointer = ctypes.c_void_p
    for i in range(count):
        if i:
            for position, address, step in moving:
                fixed[position] = pointer(address + i * step)
        function(*fixed)


# -- columns: how matrices are laid out for LAPACK ------------------------------------------------


def _columns(a, rows=None):
    """A copy (count, columns, rows): each matrix in column order, padded with zeros to `rows`."""
    *batch, m, n = a.shape
    rows = m if rows is None else rows
    made = np.zeros((math.prod(batch), n, rows), a.dtype)
    if a.size:
        made.reshape(*batch, n, rows)[..., :m] = np.swapaxes(a, -1, -2)
    return made


def _matrices(columns, batch):
    """The array (*batch, rows, columns) over what `_columns` made."""
    return np.swapaxes(columns.reshape(*batch, *columns.shape[1:]), -1, -2)


def _expect(condition, what):
    if not condition:
        raise RuntimeError(f"linear algebra: {what}")


def _square(a, what="the matrix"):
    _expect(a.ndim >= 2 and a.shape[-1] == a.shape[-2], f"{what} of shape {a.shape} is not square")
    return a.shape[:-2], a.shape[-1]


def _same_rows(a, b):
    fits = b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-2] == b.shape[-2]
    _expect(fits and a.dtype == b.dtype, f"shapes {a.shape} and {b.shape} do not fit")


def _triangle(upper):
    return "U" if upper else "L"


# -- LU, LDL, Cholesky ----------------------------------------------------------------------------


def getrf(a):
    """(LU, pivots, info) of A = P L U, with rows exchanged; pivots are int32 and count from 1."""
    *batch, m, n = a.shape
    lu, k = _columns(a), min(m, n)
    pivots = np.zeros((len(lu), k), _integer())
    info = np.zeros(len(lu), np.int32)
    if k:
        info = _run(_letter(a.dtype) + "getrf", len(lu), m, n, lu, m, pivots)
    shaped = pivots.astype(np.int32).reshape(*batch, k)
    return _matrices(lu, batch), shaped, info.reshape(batch)


def check_pivots(pivots, n, signed=False):
    """Raise unless pivots name rows 1 to n; LAPACK would write outside the matrix.

    With `signed` those below zero stand for blocks of two rows, and come in pairs.
    """
    size = np.abs(pivots.astype(np.int64)) if signed else pivots
    if size.size and (size.min() < 1 or size.max() > n):
        raise RuntimeError(
            f"linear algebra: pivots must be between 1 and {n}: got "
            f"{int(pivots.min())} to {int(pivots.max())}. Are they those of the factorisation?"
        )
    inside = np.zeros(pivots.shape[:-1], bool)
    for j in range(pivots.shape[-1] if signed else 0):
        block = pivots[..., j] < 0
        _expect(not (inside & ~block).any(), "a block of two rows has a pivot for one only")
        inside = block & ~inside
    _expect(not inside.any(), "a block of two rows has a pivot for one only")


def permutation(pivots, m):
    """The rows (..., m), from 0, in the order that exchanges by `pivots` leave them."""
    check_pivots(pivots, m)
    rows = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    for i in range(pivots.shape[-1]):
        j = pivots[..., i : i + 1].astype(np.int64) - 1
        moved = np.take_along_axis(rows, j, -1)
        np.put_along_axis(rows, j, rows[..., i : i + 1].copy(), -1)
        rows[..., i : i + 1] = moved
    return rows


def potrf(a, upper=False):
    """(factor, info): L with L L^H = A, or U with U^H U = A; one triangle is read and written."""
    batch, n = _square(a)
    made = _columns(a)
    info = np.zeros(len(made), np.int32)
    if n:
        info = _run(_letter(a.dtype) + "potrf", len(made), _triangle(upper), n, made, n)
    factor = _matrices(made, batch)
    return (np.triu(factor) if upper else np.tril(factor)), info.reshape(batch)


def potri(factor, upper=False):
    """(inverse, info) of the matrix whose Cholesky factor is given."""
    batch, n = _square(factor)
    made = _columns(factor)
    info = np.zeros(len(made), np.int32)
    if n:
        info = _run(_letter(factor.dtype) + "potri", len(made), _triangle(upper), n, made, n)
    half = _matrices(made, batch)
    half = np.triu(half) if upper else np.tril(half)
    off = np.triu(half, 1) if upper else np.tril(half, -1)
    return half + np.conj(np.swapaxes(off, -1, -2)), info.reshape(batch)


def sytrf(a, hermitian=False):
    """(LD, pivots, info) of A = L D L^T (L^H when Hermitian), D in blocks of one or two rows."""
    batch, n = _square(a)
    made = _columns(a)
    pivots = np.zeros((len(made), n), _integer())
    info = np.zeros(len(made), np.int32)
    if n:
        routine = "hetrf" if hermitian and _is_complex(a) else "sytrf"
        work = _Workspace(a.dtype)
        info = _run(_letter(a.dtype) + routine, len(made), "L", n, made, n, pivots, work, -1)
    return _matrices(made, batch), pivots.astype(np.int32).reshape(*batch, n), info.reshape(batch)


def sytrs(ld, pivots, b, hermitian=False):
    """X with A X = B, from what `sytrf` gives."""
    batch, n = _square(ld)
    _same_rows(ld, b)
    _expect(pivots.shape == (*batch, n), f"pivots of shape {pivots.shape} do not fit")
    check_pivots(pivots, n, signed=True)
    x = _columns(b)
    if b.size:
        routine = "hetrs" if hermitian and _is_complex(ld) else "sytrs"
        flat = np.ascontiguousarray(pivots.reshape(len(x), n), _integer())
        factor = _columns(ld)
        _run(_letter(ld.dtype) + routine, len(x), "L", n, b.shape[-1], factor, n, flat, x, n)
    return _matrices(x, batch)


# -- triangular systems, orthogonal factors -------------------------------------------------------


def trsm(a, b, upper, unit=False):
    """X with A X = B for triangular A; a zero on its diagonal gives inf or NaN, no error."""
    batch, n = _square(a)
    _same_rows(a, b)
    x = _columns(b)
    if b.size:
        one = np.ones((1, 1), a.dtype)
        shape = ("L", _triangle(upper), "N", "U" if unit else "N", n, b.shape[-1])
        _run_blas(_letter(a.dtype) + "trsm", len(x), *shape, one, _columns(a), n, x, n)
    return _matrices(x, batch)


def _run_blas(routine, count, *arguments):
    """A BLAS routine: it takes no info; the address of one, at the end, is left alone."""
    _loop(_function(routine), count, arguments, np.zeros(count, _integer()))


def geqrf(a):
    """(factors, tau): R above the diagonal, the reflections of Q below it."""
    *batch, m, n = a.shape
    made, k = _columns(a), min(m, n)
    tau = np.zeros((len(made), k), a.dtype)
    if k:
        work = _Workspace(a.dtype)
        _run(_letter(a.dtype) + "geqrf", len(made), m, n, made, m, tau, work, -1)
    return _matrices(made, batch), tau.reshape(*batch, k)


def orgqr(a, tau):
    """The first columns (..., m, n) of the product of the reflections that geqrf leaves."""
    *batch, m, n = a.shape
    k = tau.shape[-1]
    _expect(k <= n <= m, f"{k} reflections do not fit a matrix of {m} by {n}")
    _expect(tau.shape[:-1] == tuple(batch), f"tau of shape {tau.shape} does not fit {a.shape}")
    q = _columns(a)
    if q.size:
        routine = "ungqr" if _is_complex(a) else "orgqr"
        flat = np.ascontiguousarray(tau.reshape(len(q), k))
        if k == 0:  # LAPACK reads no tau then, but wants an address
            flat = np.zeros((len(q), 1), a.dtype)
        work = _Workspace(a.dtype)
        _run(_letter(a.dtype) + routine, len(q), m, n, k, q, m, flat, work, -1)
    return _matrices(q, batch)


def ormqr(a, tau, c, left=True, adjoint=False):
    """Q C, or C Q, or with Q^H, where Q is the whole square product of the reflections."""
    *batch, m, n = c.shape
    order, k = (m if left else n), tau.shape[-1]
    fits = a.shape[:-2] == tau.shape[:-1] == tuple(batch) and a.shape[-2] == order
    _expect(fits and k <= order and k <= a.shape[-1] and a.dtype == c.dtype == tau.dtype,
            f"shapes {a.shape}, {tau.shape} and {c.shape} do not fit")  # fmt: skip
    made = _columns(c)
    if c.size and k:
        complex_ = _is_complex(a)
        routine = "unmqr" if complex_ else "ormqr"
        letters = ("L" if left else "R", ("C" if complex_ else "T") if adjoint else "N")
        flat = np.ascontiguousarray(tau.reshape(len(made), k))
        work = _Workspace(a.dtype)
        reflections = _columns(a[..., :k])
        _run(_letter(a.dtype) + routine, len(made), *letters, m, n, k, reflections, order, flat,
             made, m, work, -1)  # fmt: skip
    return _matrices(made, batch)


# -- least squares --------------------------------------------------------------------------------


def gels(a, b):
    """(X, info) least squares for A of full rank, by QR; info above 0 where it is not."""
    x, info, _, _ = _least_squares("gels", a, b, 0.0)
    return x, info


def gelsy(a, b, rcond):
    """(X, rank) least squares for any A, by QR with exchanged columns."""
    x, _, rank, _ = _least_squares("gelsy", a, b, rcond)
    return x, rank


def gelsd(a, b, rcond, driver="gelsd"):
    """(X, rank, singular values) by singular values; `driver` may be "gelss" too."""
    x, info, rank, values = _least_squares(driver, a, b, rcond)
    if (info > 0).any():
        raise np.linalg.LinAlgError("SVD did not converge in linear least squares")
    return x, rank, values


def _least_squares(driver, a, b, rcond):
    _same_rows(a, b)
    *batch, m, n = a.shape
    k, rows, right = min(m, n), max(m, n), b.shape[-1]
    factor, x = _columns(a), _columns(b, rows)
    count = len(x)
    integer, real = _integer(), _real(a.dtype)
    info = np.zeros(count, np.int32)
    rank = np.zeros((count, 1), integer)
    values = np.zeros((count, k), real)
    if k and right:
        work = _Workspace(a.dtype)
        limit = np.full((1, 1), rcond, real)
        sizes = (m, n, right, factor, m, x, rows)
        if driver == "gels":
            tail = ("N", *sizes, work, -1)
        elif driver == "gelsy":
            columns = np.zeros((count, n), integer)
            tail = (*sizes, columns, limit, rank, work, -1)
            tail += (np.zeros((1, 2 * n), real),) if _is_complex(a) else ()
        else:
            tail = (*sizes, values, limit, rank, work, -1)
            if driver == "gelss":
                tail += (np.zeros((1, 5 * k), real),) if _is_complex(a) else ()
            else:
                tail += (_Workspace(real),) if _is_complex(a) else ()
                tail += (_Workspace(integer),)
        info = _run(_letter(a.dtype) + driver, count, *tail)
    x = _matrices(x, batch)[..., :n, :]
    shaped = rank.reshape(batch).astype(np.int64)
    return x, info.reshape(batch), shaped, values.reshape(*batch, k)
