"""LAPACK by ctypes: right answers for every dtype and batch, and no call with sizes that lie."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight import _blas, _lapack

DTYPES = ("float32", "float64", "complex64", "complex128")
BATCHES = ((), (3,), (2, 2), (0,))
SIZES = ((4, 4), (5, 3), (3, 5), (1, 1), (0, 3), (3, 0), (0, 0), (70, 70))


def matrices(dtype, *shape, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape)
    if "complex" in dtype:
        x = x + 1j * random.standard_normal(shape)
    return x.astype(dtype)


def adjoint(a):
    return np.conj(np.swapaxes(a, -1, -2))


def close(got, want, dtype):
    tolerance = 2e-2 if dtype in ("float32", "complex64") else 1e-9
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("m,n", SIZES)
def test_factors_multiply_to_the_matrix(dtype, batch, m, n):
    a, k = matrices(dtype, *batch, m, n), min(m, n)
    lu, pivots, info = _lapack.getrf(a)
    lower = np.tril(lu[..., :k], -1) + np.eye(m, k, dtype=dtype)
    rows = _lapack.permutation(pivots, m)
    exchanged = np.take_along_axis(a, rows[..., None], -2)
    close(lower @ np.triu(lu[..., :k, :]), exchanged, dtype)
    assert info.shape == batch and pivots.dtype == info.dtype == np.int32
    packed, tau = _lapack.geqrf(a)
    if m >= n:
        close(_lapack.orgqr(packed, tau) @ np.triu(packed[..., :n, :]), a, dtype)
    for left in (True, False):
        c = matrices(dtype, *batch, *((m, 2) if left else (2, m)))
        turned = _lapack.ormqr(packed, tau, c, left, True)
        close(_lapack.ormqr(packed, tau, turned, left, False), c, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", (0, 1, 4, 30))
def test_symmetric_factors_solve(dtype, batch, n):
    a, b = matrices(dtype, *batch, n, n), matrices(dtype, *batch, n, 2, seed=1)
    positive = a @ adjoint(a) + np.eye(n, dtype=dtype)
    for upper in (False, True):
        factor, info = _lapack.potrf(positive, upper)
        product = adjoint(factor) @ factor if upper else factor @ adjoint(factor)
        close(product, positive, dtype)
        inverse, _ = _lapack.potri(factor, upper)
        close(inverse, np.linalg.inv(positive), dtype)
        assert not info.any()
    for hermitian in (False, True):
        s = a + (adjoint(a) if hermitian else np.swapaxes(a, -1, -2))
        ld, pivots, _ = _lapack.sytrf(s, hermitian)
        got = _lapack.sytrs(ld, pivots, b, hermitian)
        residual = np.abs(s @ got - b).max(initial=0)
        assert residual <= 1e-3 * max(1, np.abs(got).max(initial=0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("driver", ("gels", "gelsy", "gelsd", "gelss"))
@pytest.mark.parametrize("m,n", ((5, 3), (3, 5), (4, 4)))
def test_least_squares_agree_with_the_pseudo_inverse(dtype, driver, m, n):
    a, b = matrices(dtype, 2, m, n), matrices(dtype, 2, m, 2, seed=1)
    if driver == "gels":
        x = _lapack.gels(a, b)[0]
    elif driver == "gelsy":
        x, rank = _lapack.gelsy(a, b, 1e-6)
        assert (rank == min(m, n)).all()
    else:
        x, rank, values = _lapack.gelsd(a, b, 1e-6, driver)
        close(values, np.linalg.svd(a, compute_uv=False), dtype)
    close(x, np.linalg.pinv(a) @ b, dtype)


@pytest.mark.parametrize("upper", (False, True))
def test_a_triangular_system_reads_one_triangle(upper):
    a = matrices("float64", 3, 3) + 3 * np.eye(3)
    b = matrices("float64", 3, 2, seed=1)
    triangle = np.triu(a) if upper else np.tril(a)
    spoilt = np.where(triangle == 0, np.nan, a)
    close(triangle @ _lapack.trsm(spoilt, b, upper), b, "float64")
    unit = triangle - np.diag(np.diag(triangle)) + np.eye(3)
    close(unit @ _lapack.trsm(spoilt, b, upper, unit=True), b, "float64")


def test_info_names_the_first_failure():
    a = np.stack([np.eye(3), np.zeros((3, 3)), np.diag([1.0, 0, 1])])
    assert _lapack.getrf(a)[2].tolist() == [0, 1, 2]
    assert _lapack.potrf(a)[1].tolist() == [0, 1, 2]
    assert _lapack.potri(a)[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda: _lapack.permutation(np.array([1, 9, 3], np.int32), 3),
        lambda: _lapack.permutation(np.array([0, 1, 2], np.int32), 3),
        lambda: _lapack.sytrs(np.eye(3), np.array([1, 2, -3], np.int32), np.ones((3, 1))),
        lambda: _lapack.sytrs(np.eye(3), np.array([-1, 2, 3], np.int32), np.ones((3, 1))),
        lambda: _lapack.sytrs(np.eye(3), np.array([1, 2, 7], np.int32), np.ones((3, 1))),
        lambda: _lapack.sytrs(np.eye(3), np.array([1, 2], np.int32), np.ones((3, 1))),
        lambda: _lapack.sytrs(np.eye(3), np.array([1, 2, 3], np.int32), np.ones((2, 1))),
        lambda: _lapack.potrf(np.ones((2, 3))),
        lambda: _lapack.trsm(np.eye(3), np.ones((2, 2)), True),
        lambda: _lapack.trsm(np.eye(3), np.ones((3, 2), np.float32), True),
        lambda: _lapack.orgqr(np.ones((2, 3)), np.ones(2)),
        lambda: _lapack.orgqr(np.ones((4, 2)), np.ones(3)),
        lambda: _lapack.ormqr(np.ones((4, 2)), np.ones(3), np.ones((4, 4))),
        lambda: _lapack.ormqr(np.ones((4, 2)), np.ones(2), np.ones((3, 4))),
        lambda: _lapack.gels(np.ones((4, 2)), np.ones((3, 1))),
        lambda: _lapack.getrf(np.ones((2, 2), np.float16)),
        lambda: _lapack._loop(8, [np.ones((1, 4))[:, ::2]], np.zeros(1, np.int64)),
        lambda: _lapack._loop(8, [2**40], np.zeros(1, np.int32)),
        lambda: _lapack._loop(8, [np.ones((3, 4))], np.zeros(2, np.int64)),
    ],
)
def test_what_does_not_fit_raises_before_lapack(call):
    with pytest.raises(RuntimeError):
        call()


def test_without_a_library_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setattr(_blas, "_opened", [])
    monkeypatch.setattr(_blas, "_candidates", lambda: ["/nowhere/libopenblas.so"])
    monkeypatch.setattr(_lapack, "_functions", {})
    with pytest.raises(RuntimeError, match="pip install"):
        _lapack.getrf(np.eye(2))
