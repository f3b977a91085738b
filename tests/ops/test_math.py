"""Functions of single elements: accuracy, special values, gradients of complex ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from parity import both_raise, check, oracle, pair, same

import rushlight as torch

NAN, INF = math.nan, math.inf
SPECIAL = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 0.5, -0.5, 1e-40, -1e-40, 3e38, -3e38, 88.8,
           -104.0, 89.0, 1e-8, 0.99999994, 1.0000001, 2.0, -2.0, 20.0,
           -20.0, 3.95, 700.0]  # fmt: skip
UNARY = (
    "exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh "
    "atanh sigmoid sqrt rsqrt erf erfc reciprocal square floor ceil trunc round sign abs "
    "neg deg2rad rad2deg isnan isinf isfinite lgamma digamma erfinv"
).split()  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_special_values(name, dtype):
    x, u = pair(np.array(SPECIAL), dtype)
    a, b = getattr(oracle, name)(x), getattr(torch, name)(u)
    same(a, b, rtol=2e-6 if dtype == "float32" else 1e-13, atol=1e-37)


@pytest.mark.parametrize("name", "expm1 log1p sin tan asin atan sinh tanh asinh atanh erf".split())
def test_odd_functions_keep_the_sign_of_zero(name):
    zeros = getattr(torch, name)(torch.tensor([0.0, -0.0] * 20))
    assert torch.signbit(zeros).tolist() == [False, True] * 20


ULPS = [
    ("exp", -100, 88, 2), ("exp2", -140, 127, 2), ("expm1", -20, 88, 3), ("log", 0, 1e3, 2),
    ("log2", 0, 1e3, 3), ("log10", 0, 1e3, 3), ("log1p", -1, 10, 3), ("tanh", -10, 10, 3),
    ("sigmoid", -80, 80, 4), ("erf", -5, 5, 4), ("sin", -100, 100, 4), ("cos", -100, 100, 4),
    ("atan", -9, 9, 4), ("asinh", -9, 9, 4), ("cosh", -80, 80, 4), ("erfc", -4, 8, 4),
]  # fmt: skip


@pytest.mark.parametrize("name,low,high,bound", ULPS)
def test_float_functions_within_ulps(name, low, high, bound):
    """Errors in units in the last place, against the same function of doubles."""
    x = np.random.default_rng(0).uniform(low, high, 200_003).astype(np.float32)
    exact = getattr(torch, name)(torch.from_numpy(x).double()).numpy()
    got = getattr(torch, name)(torch.from_numpy(x)).numpy()
    error = np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact).astype(np.float32))
    assert np.nanmax(error) <= bound


@pytest.mark.parametrize("name", ("exp", "log", "tanh", "sigmoid", "erf", "log1p", "expm1"))
def test_every_length_gives_the_same(name):
    """Tails of vector loops compute as their bodies do."""
    x = torch.rand(67) + 0.1
    whole = getattr(torch, name)(x)
    for n in range(1, 67):
        torch.testing.assert_close(getattr(torch, name)(x[:n]), whole[:n], rtol=2e-7, atol=0)


COMPLEX = (
    "exp log sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh sqrt rsqrt reciprocal "
    "square sigmoid abs angle sgn log2 log10 log1p expm1 exp2 sinc"
).split()  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_functions_and_gradients(name):
    rng = np.random.default_rng(3)
    z = rng.uniform(0.2, 0.9, 6) * np.exp(1j * rng.uniform(-3, 3, 6))
    x, u = pair(z, grad=True)
    a, b = getattr(oracle, name)(x), getattr(torch, name)(u)
    same(a, b, rtol=1e-10, atol=1e-12)
    weight = rng.uniform(-1, 1, 6) + (1j * rng.uniform(-1, 1, 6) if a.is_complex() else 0)
    w, v = pair(weight)
    a.backward(w)
    b.backward(v)
    same(x.grad, u.grad, rtol=1e-9, atol=1e-10)


def test_complex_arithmetic_and_gradients():
    rng = np.random.default_rng(4)
    a, b = (rng.normal(size=5) + 1j * rng.normal(size=5) for _ in range(2))
    for f in (
        lambda m, x, y: x * y,
        lambda m, x, y: x / y,
        lambda m, x, y: x - y * 2,
        lambda m, x, y: m.addcdiv(x, x, y, value=2),
        lambda m, x, y: m.lerp(x, y, 0.3),
    ):
        x, u = pair(a, grad=True)
        y, v = pair(b, grad=True)
        f(oracle, x, y).abs().sum().backward()
        f(torch, u, v).abs().sum().backward()
        same(x.grad, u.grad, rtol=1e-10)
        same(y.grad, v.grad, rtol=1e-10)


def test_parts_of_complex_tensors_are_views():
    z = torch.zeros(3, dtype=torch.complex64)
    z.real.fill_(2)
    z.imag[1] = 5
    assert z.tolist() == [2, 2 + 5j, 2]
    z.imag = torch.tensor([1.0, 1.0, 1.0])
    assert torch.view_as_real(z).tolist() == [[2, 1]] * 3
    pairs = torch.zeros(4, 2)
    torch.view_as_complex(pairs)[0] = 3 - 4j
    assert pairs[0].tolist() == [3, -4]
    assert z.real.data_ptr() == z.data_ptr() and not z.conj().is_conj()


@pytest.mark.parametrize("f", (
    lambda m: m.imag(m.ones(1)), lambda m: m.view_as_real(m.ones(1)),
    lambda m: m.view_as_complex(m.ones(3)), lambda m: m.view_as_complex(m.ones(2, 4)[:, ::2]),
    lambda m: m.complex(m.tensor([1]), m.tensor([1])), lambda m: m.isposinf(m.tensor([1j])),
    lambda m: m.complex(m.ones(1), m.ones(1).double()), lambda m: m.polygamma(-1, m.ones(1)),
    lambda m: m.isclose(m.ones(1), m.ones(1).double()), lambda m: m.frexp(m.tensor([1])),
))  # fmt: skip
def test_errors(f):
    both_raise(RuntimeError, f)


@pytest.mark.parametrize("f", (
    lambda m, x: m.logaddexp(x, x.flip(0)), lambda m, x: m.hypot(x, x.flip(0)),
    lambda m, x: m.atan2(x, x.flip(0)), lambda m, x: m.xlogy(x.abs(), x.flip(0).abs()),
    lambda m, x: m.polygamma(2, x.abs() + 0.5), lambda m, x: m.logit(x.sigmoid(), 0.3),
    lambda m, x: m.ldexp(x, x.flip(0)), lambda m, x: m.nan_to_num(x), lambda m, x: x.erfinv(),
    lambda m, x: m.mvlgamma(x.abs() + 2, 3), lambda m, x: m.polar(x.abs(), x).real,
))  # fmt: skip
def test_gradients_twice(f):
    check(f, np.random.default_rng(5).uniform(-0.9, 0.9, 9), grad=True, rtol=1e-9)


def test_frexp_and_neighbours():
    x, u = pair(np.array([0.0, 1.0, -3.7, 1e-310, INF, 5e20]))
    a, b = oracle.frexp(x), torch.frexp(u)
    same(a.mantissa, b.mantissa)
    same(a.exponent[:4], b.exponent[:4])
    for dtype in ("float32", "float64", "bfloat16"):
        (x, u), (y, v) = pair([0.0, 1.0, -1.0, 2.0], dtype), pair([1.0, 2.0, -3.0, 2.0], dtype)
        same(oracle.nextafter(x, y), torch.nextafter(u, v))
        same(oracle.nextafter(x, -y), torch.nextafter(u, -v))


def test_closeness():
    a = torch.tensor([1.0, INF, -INF, NAN, 1e9])
    b = torch.tensor([1.0 + 1e-6, INF, INF, NAN, 1e9 + 1e3])
    assert torch.isclose(a, b).tolist() == [True, True, False, False, True]
    assert torch.isclose(a, b, equal_nan=True).tolist() == [True, True, False, True, True]
    assert not torch.allclose(a, b) and torch.allclose(a[:2], b[:2])
    assert torch.equal(a[:3], a[:3].clone()) and not torch.equal(a[:2], a[:3])


SCIPY = [
    ("i0", "i0", -700, 700), ("i0e", "i0e", -900, 900), ("i1", "i1", -60, 60),
    ("i1e", "i1e", -900, 900), ("bessel_j0", "j0", -60, 60), ("bessel_j1", "j1", -60, 60),
    ("bessel_y0", "y0", 0.01, 60), ("bessel_y1", "y1", 0.01, 60),
    ("modified_bessel_k0", "k0", 0.001, 200), ("modified_bessel_k1", "k1", 0.001, 200),
    ("scaled_modified_bessel_k0", "k0e", 0.001, 3000),
    ("scaled_modified_bessel_k1", "k1e", 0.001, 3000), ("erfcx", "erfcx", -20, 200),
    ("log_ndtr", "log_ndtr", -300, 8), ("ndtr", "ndtr", -35, 8), ("ndtri", "ndtri", 1e-9, 1),
    ("entr", "entr", 0, 50), ("digamma", "psi", -9, 50), ("gammaln", "gammaln", -9, 50),
    ("erfinv", "erfinv", -1, 1),
]  # fmt: skip


@pytest.mark.parametrize("ours,name,low,high", SCIPY)
def test_special_functions_against_scipy(ours, name, low, high):
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(2)
    near = rng.uniform(max(low, -9), min(high, 9), 2000)
    x = np.concatenate([rng.uniform(low, high, 2000), near])
    got = getattr(torch.special, ours)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, getattr(special, name)(x), rtol=2e-12, atol=2e-14)


def test_airy_and_incomplete_gamma_against_scipy():
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(2)
    x = rng.uniform(-30, 30, 4000)
    got = torch.special.airy_ai(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, special.airy(x)[0], rtol=1e-10, atol=1e-12)
    a, x = rng.uniform(0, 300, 4000), rng.uniform(0, 300, 4000)
    first, second = torch.from_numpy(a), torch.from_numpy(x)
    for got, want in (
        (torch.igamma(first, second), special.gammainc(a, x)),
        (torch.igammac(first, second), special.gammaincc(a, x)),
    ):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-14)
    s, q = rng.uniform(1.1, 20, 500), rng.uniform(0.1, 30, 500)
    got = torch.special.zeta(torch.from_numpy(s), torch.from_numpy(q)).numpy()
    np.testing.assert_allclose(got, special.zeta(s, q), rtol=1e-12)
