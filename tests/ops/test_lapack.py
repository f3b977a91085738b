"""LAPACK: right answers for every dtype and batch, and no call with sizes that lie."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight import _blas, _lapack
from rushlight.ops import linalg, linalg_solve, linalg_triangular

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
        given = torch.from_numpy(positive)
        factor, info = (x.numpy() for x in torch.linalg.cholesky_ex(given, upper=upper))
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
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("m,n", SIZES)
def test_orthogonal_factors_multiply_to_the_matrix(dtype, batch, m, n):
    a, k = matrices(dtype, *batch, m, n), min(m, n)
    given = torch.from_numpy(a)
    for mode, wide in (("reduced", k), ("complete", m)):
        q, r = (x.numpy() for x in torch.linalg.qr(given, mode))
        assert q.shape == (*batch, m, wide) and r.shape == (*batch, wide, n)
        close(q @ r, a, dtype)
        close(adjoint(q) @ q, np.broadcast_to(np.eye(wide), (*batch, wide, wide)), dtype)
        assert (np.tril(r, -1) == 0).all()
    close(abs(torch.linalg.qr(given, "r")[1].numpy()), abs(np.linalg.qr(a, "r")), dtype)
    for full in (False, True):
        u, s, vh = (x.numpy() for x in torch.linalg.svd(given, full))
        assert u.shape[-1] == (m if full else k) and vh.shape[-2] == (n if full else k)
        close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, dtype)
        close(
            adjoint(u) @ u,
            np.broadcast_to(np.eye(u.shape[-1]), adjoint(u).shape[:-1] + u.shape[-1:]),
            dtype,
        )
    close(torch.linalg.svdvals(given).numpy(), s, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", (0, 1, 4, 70))
def test_square_matrices_agree_with_numpy(dtype, batch, n):
    a = matrices(dtype, *batch, n, n) + n * np.eye(n, dtype=dtype)
    b = matrices(dtype, *batch, n, 2, seed=1)
    given, right = torch.from_numpy(a), torch.from_numpy(b)
    close(torch.linalg.inv(given).numpy(), np.linalg.inv(a), dtype)
    close(torch.linalg.solve(given, right).numpy(), np.linalg.solve(a, b), dtype)
    close(torch.linalg.solve(given, right[..., :1].expand(2, *b.shape[:-1], 1)).numpy()[0],
          np.linalg.solve(a, b[..., :1]), dtype)  # fmt: skip
    if n < 70:
        close(torch.linalg.det(given).numpy(), np.linalg.det(a), dtype)
    for half in "LU":
        values, vectors = (x.numpy() for x in torch.linalg.eigh(given, half))
        close(values, np.linalg.eigvalsh(a, half), dtype)
        mirrored = np.tril(a) + adjoint(np.tril(a, -1)) if half == "L" else None
        if mirrored is not None:
            mirrored[..., np.arange(n), np.arange(n)] = mirrored.diagonal(0, -2, -1).real
            close(vectors * values[..., None, :], mirrored @ vectors, dtype)


def test_eigenvalues_of_what_is_not_finite_are_nan():
    a = torch.eye(3).repeat(3, 1, 1)
    a[1, 0, 0] = float("inf")
    values, vectors = torch.linalg.eigh(a)
    assert values[1].isnan().all() and vectors[1].isnan().all()
    assert values[::2].equal(torch.ones(2, 3)) and not vectors[::2].isnan().any()


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
    given = torch.from_numpy(spoilt), torch.from_numpy(b)
    for left in (given[0], given[0].mT.contiguous().mT):  # rows in order, columns in order
        x = linalg_triangular.solve_triangular(left, given[1], upper, False)
        close(triangle @ x.numpy(), b, "float64")
    unit = triangle - np.diag(np.diag(triangle)) + np.eye(3)
    x = linalg_triangular.solve_triangular(*given, upper, True)
    close(unit @ x.numpy(), b, "float64")


def test_info_names_the_first_failure():
    a = np.stack([np.eye(3), np.zeros((3, 3)), np.diag([1.0, 0, 1])])
    assert _lapack.getrf(a)[2].tolist() == [0, 1, 2]
    given = torch.from_numpy(a)
    assert torch.linalg.cholesky_ex(given)[1].tolist() == [0, 1, 2]
    assert torch.linalg.lu_factor_ex(given)[2].tolist() == [0, 1, 2]
    inverse, info = torch.linalg.inv_ex(given)
    assert info.tolist() == [0, 1, 2] and inverse[1:].isnan().all() and inverse[0].equal(given[0])
    x, info = torch.linalg.solve_ex(given[1:2], torch.ones(2, 3, 1, dtype=torch.float64))
    assert info.tolist() == [1] and x.isnan().all()
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
        lambda: linalg_triangular.cholesky_ex(torch.ones(2, 3)),
        lambda: linalg_triangular.solve_triangular(torch.eye(3), torch.ones(2, 2), True, False),
        lambda: linalg_triangular.solve_triangular(
            torch.eye(3), torch.ones(3, 2, dtype=torch.float64), True, False
        ),
        lambda: linalg_solve.solve_ex(torch.eye(3), torch.ones(2, 2)),
        lambda: linalg_solve.inv_ex(torch.ones(3)),
        lambda: linalg.svd(torch.ones(3)),
        lambda: linalg.svd(torch.full((3, 2), float("nan"))),
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
