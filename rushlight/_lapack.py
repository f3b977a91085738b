"""LAPACK routines that numpy.linalg lacks, on batches of matrices (..., rows, columns).

Every function copies its operands into column order, so that the sizes LAPACK is told are those
of memory allocated here, and gives back arrays of the same batch shape. Shapes and pivots that do
not fit raise RuntimeError before LAPACK sees them. `info` is int32, one number per matrix: 0 for
success, above 0 where the matrix has no answer.
"""

from __future__ import annotations

import math

from . import _C
from ._blas import lapack_library, thread_controls
from ._lazy import np

_LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}  # by NumPy's characters
_functions: dict = {}
_lengths: dict = {}  # of workspaces, by routine and sizes
_integers: list = []


class _Workspace:
    """An argument whose size LAPACK names itself, when asked with a length of -1."""

    def __init__(self, dtype):
        self.dtype = dtype


def _letter(dtype):
    letter = _LETTERS.get(dtype.char)
    if letter is None:
        raise RuntimeError(f"linear algebra: got matrices of {dtype}, expected float or double")
    return letter


def _is_complex(a):
    return a.dtype.kind == "c"


def _real(dtype):
    return np.float32 if dtype.char in "fF" else np.float64


def _integer():
    if not _integers:
        _integers.append(np.dtype("int64" if lapack_library()[3] == 64 else "int32"))
    return _integers[0]


def _function(routine):
    """The address of a routine such as "dgetrf"."""
    found = _functions.get(routine)
    if found is None:
        import ctypes

        library, prefix, suffix, _ = lapack_library()
        function = getattr(library, prefix + routine + suffix)
        found = _functions[routine] = ctypes.cast(function, ctypes.c_void_p).value
    return found


def address(routine):
    """The address of a routine such as "dgetrf", for csrc/cpu/lapack.cpp."""
    return _function(routine)


def library_facts():
    """(bits of an integer, addresses of the functions that get and set the library's threads)."""
    import ctypes

    controls = [ctypes.cast(f, ctypes.c_void_p).value for f in thread_controls()]
    return (lapack_library()[3], *(controls or (0, 0)))


def _run(routine, count, *arguments):
    """Call a routine for each of `count` matrices; returns info (count,).

    An ndarray with `count` leading items passes one item a call, a number or letter passes by
    reference, a `_Workspace` is allocated once (it is followed by its length -1 in the list).
    """
    info = np.zeros(count, _integer())
    if count == 0:
        return info.astype(np.int32)
    function = _function(routine)
    if -1 in [a for a in arguments if type(a) is int]:
        arguments = _with_workspaces(function, routine, arguments)
    _loop(function, arguments, info)
    if info.any() and (info < 0).any():
        raise RuntimeError(f"{routine}: LAPACK rejects argument {-int(info.min())}")
    return info.astype(np.int32)


def _with_workspaces(function, routine, arguments):
    """The arguments with workspaces of the lengths that LAPACK names when it is asked."""
    key = (routine, *[a for a in arguments if type(a) in (int, str)])
    lengths = _lengths.get(key)
    if lengths is None:
        asked = [_first(a) for a in arguments]
        _loop(function, asked, np.zeros(1, _integer()))
        # The answer is of the workspace's own dtype, where float32 rounds it.
        lengths = [
            max(1, math.ceil(answer[0, 0].real * (1 + 1e-6)))
            for a, answer in zip(arguments, asked, strict=True)
            if isinstance(a, _Workspace)
        ]
        if len(_lengths) > 1000:
            _lengths.clear()
        _lengths[key] = lengths
    done: list = []
    left = iter(lengths)
    for a in arguments:
        if isinstance(a, _Workspace):
            done.append(np.empty((1, next(left)), a.dtype))
        else:
            done.append(done[-1].size if type(a) is int and a == -1 else a)
    return done


def _first(argument):
    if isinstance(argument, _Workspace):
        return np.zeros((1, 1), argument.dtype)
    return argument[:1] if isinstance(argument, np.ndarray) else argument


def _loop(function, arguments, info):
    """Call the function at an address once for each element of info."""
    _C.lapack_call(function, info.itemsize * 8, info, *arguments)


# -- columns: how matrices are laid out for LAPACK ------------------------------------------------


def _columns(a, rows=None):
    """A copy (count, columns, rows): each matrix in column order, padded with zeros to `rows`."""
    *batch, m, n = a.shape
    if rows is None or rows == m:
        return np.array(np.swapaxes(a, -1, -2), order="C").reshape(math.prod(batch), n, m)
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


def _square(a):
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise RuntimeError(f"linear algebra: a matrix of shape {a.shape} is not square")
    return a.shape[:-2], a.shape[-1]


def _same_rows(a, b):
    fits = b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-2] == b.shape[-2]
    if not fits or a.dtype != b.dtype:
        raise RuntimeError(f"linear algebra: shapes {a.shape} and {b.shape} do not fit")


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
    if pivots.shape[-1] and pivots.size // pivots.shape[-1] < m:
        order = [_exchanged(one, m) for one in pivots.reshape(-1, pivots.shape[-1]).tolist()]
        return np.array(order, np.int64).reshape(*pivots.shape[:-1], m)
    rows = np.broadcast_to(np.arange(m), (*pivots.shape[:-1], m)).copy()
    for i in range(pivots.shape[-1]):
        j = pivots[..., i : i + 1].astype(np.int64) - 1
        moved = np.take_along_axis(rows, j, -1)
        np.put_along_axis(rows, j, rows[..., i : i + 1].copy(), -1)
        rows[..., i : i + 1] = moved
    return rows


def _exchanged(pivots, m):
    rows = list(range(m))
    for i, j in enumerate(pivots):
        rows[i], rows[j - 1] = rows[j - 1], rows[i]
    return rows


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


# -- orthogonal factors ---------------------------------------------------------------------------


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
