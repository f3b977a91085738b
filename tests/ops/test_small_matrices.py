"""Batches of matrices of a few rows, which have kernels of their own, beside NumPy's LAPACK."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def batch(n, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal((7, n, n)).astype(dtype)


def close(ours, theirs, dtype):
    tolerance = 2e-3 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_systems_inverses_determinants_factors(n, dtype):
    a, b = batch(n, dtype) + 2 * np.eye(n, dtype=dtype), batch(n, dtype, 1)[..., : max(1, n - 1)]
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    close(torch.linalg.solve(x, y), np.linalg.solve(a, b), dtype)
    close(torch.linalg.inv(x), np.linalg.inv(a), dtype)
    close(torch.linalg.det(x), np.linalg.det(a), dtype)
    sign, size = torch.linalg.slogdet(x)
    close(sign * size.exp(), np.linalg.det(a), dtype)
    positive = a @ np.swapaxes(a, -1, -2) + np.eye(n, dtype=dtype)
    close(torch.linalg.cholesky(torch.from_numpy(positive)), np.linalg.cholesky(positive), dtype)
    p, low, up = torch.linalg.lu(x)
    close(p @ low @ up, a, dtype)
    q, r = torch.linalg.qr(x)
    close(q @ r, a, dtype)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 9])
def test_singular_and_indefinite_ones_are_named(n):
    a = torch.eye(n).repeat(4, 1, 1)
    a[2, n - 1, n - 1] = 0
    _, info = torch.linalg.inv_ex(a)
    assert info.tolist() == [0, 0, n, 0]
    assert torch.linalg.lu_factor_ex(a).info.tolist() == [0, 0, n, 0]
    assert torch.linalg.cholesky_ex(a).info.tolist() == [0, 0, n, 0]
    assert torch.linalg.det(a).tolist() == [1, 1, 0, 1]
    with pytest.raises(torch.linalg.LinAlgError, match=rf"Batch element 2\).*element {n} is zero"):
        torch.linalg.inv(a)


def test_values_that_are_not_finite_spread():
    a = torch.eye(3).repeat(2, 1, 1)
    a[1, 0, 0] = float("nan")
    inverse = torch.linalg.inv_ex(a).inverse
    assert torch.equal(inverse[0], torch.eye(3)) and inverse[1].isnan().any()


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_least_squares(driver, shape, dtype):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 5, *shape)), rng.standard_normal((2, 5, shape[0], 2))
    if dtype.startswith("complex"):
        a, b = a + 1j * rng.standard_normal(a.shape), b + 1j * rng.standard_normal(b.shape)
    a, b = a.astype(dtype), b.astype(dtype)
    answer = torch.linalg.lstsq(torch.from_numpy(a), torch.from_numpy(b), driver=driver)
    np.testing.assert_allclose(answer.solution.numpy(), np.linalg.pinv(a) @ b, rtol=2e-3, atol=2e-3)
    if driver != "gels":
        assert (answer.rank == min(shape)).all()
    if driver in ("gelsd", "gelss"):
        values = np.linalg.svd(a, compute_uv=False)
        np.testing.assert_allclose(answer.singular_values.numpy(), values, rtol=1e-3)


def test_least_squares_of_what_is_not_finite():
    a = torch.full((3, 2), float("inf"))
    with pytest.raises(RuntimeError, match="finite"):
        torch.linalg.lstsq(a, torch.ones(3, 1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_eigenvalues_of_any_matrix(dtype):
    rng = np.random.default_rng(4)
    a = rng.standard_normal((6, 5, 5))
    if dtype.startswith("complex"):
        a = a + 1j * rng.standard_normal(a.shape)
    a = torch.from_numpy(a.astype(dtype))
    values, vectors = torch.linalg.eig(a)
    assert values.dtype == vectors.dtype == a.dtype.to_complex()
    error = a.to(values.dtype) @ vectors - vectors * values.unsqueeze(-2)
    assert error.abs().max() < 1e-4
    torch.testing.assert_close(torch.linalg.eigvals(a), values, rtol=1e-4, atol=1e-4)
    with pytest.raises(RuntimeError, match="infs or NaNs"):
        torch.linalg.eigvals(torch.full((2, 2), float("nan")))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)])
def test_pseudo_inverses(dtype, shape):
    rng = np.random.default_rng(5)
    a = rng.standard_normal((2, 3, *shape))
    if dtype.startswith("complex"):
        a = a + 1j * rng.standard_normal(a.shape)
    a = a.astype(dtype)
    a[0, 0, :, 0] = a[0, 0, :, 1]  # of less than full rank
    found = torch.linalg.pinv(torch.from_numpy(a), rtol=1e-4).numpy()
    np.testing.assert_allclose(found, np.linalg.pinv(a, 1e-4), rtol=1e-3, atol=1e-3)
    limits = torch.full((2, 3), 1e-4, dtype=torch.float64)
    again = torch.linalg.pinv(torch.from_numpy(a), rtol=limits).numpy()
    np.testing.assert_array_equal(again, found)
    square = a @ np.conj(np.swapaxes(a, -1, -2))
    ours = torch.linalg.pinv(torch.from_numpy(square), hermitian=True, rtol=1e-3).numpy()
    np.testing.assert_allclose(
        ours, np.linalg.pinv(square, 1e-3, hermitian=True), rtol=1e-2, atol=1e-2
    )
