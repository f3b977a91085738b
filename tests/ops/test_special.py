"""Special functions: accuracy against mpmath and SciPy, and their values at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special

mp = pytest.importorskip("mpmath")

from special_table import FLOAT_BOUNDS, ONE, ORDERS, POLYNOMIALS, TWO, polynomial  # noqa: E402

import rushlight as torch  # noqa: E402

DTYPES = (np.float64, np.float32)
NAN, INF = math.nan, math.inf


def points(low, high, count, dtype, seed):
    """Spread evenly, or evenly in the logarithm over wide ranges."""
    rng = np.random.default_rng(seed)
    if low > 0 and high / low > 50:
        x = np.exp(rng.uniform(np.log(low), np.log(high), count))
    elif high < 0 and low / high > 50:
        x = -np.exp(rng.uniform(np.log(-high), np.log(-low), count))
    else:
        x = rng.uniform(low, high, count)
    return x.astype(dtype)


def worst(got, exact, scales, dtype):
    """The largest error in ulp."""
    most = 0.0
    for value, want, scale in zip(got, exact, scales, strict=True):
        with np.errstate(over="ignore"):
            rounded = dtype(float(want))
        if np.isinf(rounded):
            assert value == rounded
            continue
        unit = np.spacing(dtype(max(abs(float(rounded)), float(scale))))
        most = max(most, float(abs(mp.mpf(float(value)) - want) / mp.mpf(float(unit))))
    return most


def check(got, exact, scales, dtype, name, bound):
    if dtype is np.float32:
        bound = FLOAT_BOUNDS.get(name, 1)
    error = worst(got.numpy(), exact, scales, dtype)
    assert error <= bound, f"{name}: {error} ulp, allowed {bound}"


def within(dtype, low, high):
    return dtype is np.float64 or (abs(low) > 1e-30 or low == 0) and abs(high) < 1e30


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", range(len(ONE)), ids=[r[0] for r in ONE])
def test_functions_of_one_number_within_their_bounds(row, dtype):
    name, exact, ranges, bound, scale = ONE[row]
    for low, high in ranges:
        if not within(dtype, low, high):
            continue
        x = points(low, high, 24 if dtype is np.float64 else 10, dtype, row)
        with mp.workdps(36):
            want = [mp.re(exact(mp.mpf(float(v)))) for v in x]
        got = getattr(torch.special, name)(torch.from_numpy(x))
        assert got.numpy().dtype == dtype
        check(got, want, [scale(float(v)) if scale else 0 for v in x], dtype, name, bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", range(len(TWO)), ids=[r[0] for r in TWO])
def test_functions_of_two_numbers_within_their_bounds(row, dtype):
    name, exact, ranges, bound = TWO[row]
    for first, second in ranges:
        x, y = points(*first, 16, dtype, row), points(*second, 16, dtype, row + 99)
        with mp.workdps(36):
            want = [mp.re(exact(mp.mpf(float(a)), mp.mpf(float(b)))) for a, b in zip(x, y)]
        got = getattr(torch.special, name)(torch.from_numpy(x), torch.from_numpy(y))
        check(got, want, [0] * 16, dtype, name, bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", range(len(ORDERS)), ids=[r[0] for r in ORDERS])
def test_functions_with_an_order_within_their_bounds(row, dtype):
    name, exact, orders, ranges, bound = ORDERS[row]
    for n in orders:
        for low, high in ranges:
            x = points(low, high, 12, dtype, n)
            with mp.workdps(36):
                want = [mp.re(exact(n, mp.mpf(float(v)))) for v in x]
            given = torch.from_numpy(x)
            function = getattr(torch.special, name)
            got = function(n, given) if name == "polygamma" else function(given, n)
            check(got, want, [0] * 12, dtype, name, bound)


@pytest.mark.parametrize("name,low,high,bound", [(n, *r, b) for n, r, b in POLYNOMIALS])
def test_polynomials_within_their_bounds(name, low, high, bound):
    exact, scale = polynomial(name)
    x = points(low, high, 16, np.float64, 5)
    for n in (0, 1, 2, 3, 6, 9, 12, 25, 40):
        with mp.workdps(36):
            want = [mp.re(exact(mp.mpf(float(v)), n)) for v in x]
            sizes = [scale(float(v), n) for v in x]
        got = getattr(torch.special, name)(torch.from_numpy(x), n)
        check(got, want, sizes, np.float64, name, bound)
        assert got.dtype is torch.float64


@pytest.mark.parametrize(
    "name,ours,low,high",
    [
        ("i0", "i0", -50, 50), ("i1", "i1", -50, 50), ("k0", "modified_bessel_k0", 0, 60),
        ("k1", "modified_bessel_k1", 0, 60), ("j0", "bessel_j0", -60, 60),
        ("j1", "bessel_j1", -60, 60), ("y0", "bessel_y0", 0, 60), ("y1", "bessel_y1", 0, 60),
        ("ndtr", "ndtr", -37, 9), ("log_ndtr", "log_ndtr", -300, 9), ("ndtri", "ndtri", 0, 1),
        ("erfcx", "erfcx", -20, 60), ("psi", "digamma", -30, 30), ("gammaln", "gammaln", -30, 90),
        ("erfinv", "erfinv", -1, 1), ("entr", "entr", 0, 9),
    ],
)  # fmt: skip
def test_many_points_agree_with_scipy(name, ours, low, high):
    """No range that the table's points miss is badly wrong."""
    x = np.random.default_rng(3).uniform(low, high, 20_000)
    want = getattr(scipy.special, name)(x)
    got = getattr(torch.special, ours)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=2e-11, atol=2e-13 if low < 0 else 1e-14)


@pytest.mark.parametrize("name,ours", [("gammainc", "gammainc"), ("gammaincc", "gammaincc")])
def test_incomplete_gamma_of_large_arguments(name, ours):
    """Near x = a, where the series would take too long."""
    for a in (9e4, 2e5, 1e7, 1e10):
        x = a + np.linspace(-4, 4, 33) * math.sqrt(a)
        want = getattr(scipy.special, name)(a, x)
        got = getattr(torch.special, ours)(torch.full((33,), a).double(), torch.from_numpy(x))
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-11)


EDGES = [  # name, x, value
    ("i0", (0, INF, NAN, 800), (1, NAN, NAN, INF)),
    ("i1", (0, INF, -800, 800), (0, NAN, -INF, INF)),
    ("i0e", (0, 1e300), (1, 0.3989422804014327e-150)),
    ("bessel_j0", (0, INF, NAN), (1, NAN, NAN)),
    ("bessel_j1", (0, INF, NAN), (0, NAN, NAN)),
    ("bessel_y0", (0, -1, INF), (-INF, NAN, NAN)),
    ("bessel_y1", (0, -1, INF), (-INF, NAN, NAN)),
    ("modified_bessel_k0", (0, -1, INF, 5e-324), (INF, NAN, 0, 744.5560034370396)),
    ("modified_bessel_k1", (0, -1, INF), (INF, NAN, 0)),
    ("scaled_modified_bessel_k0", (0, -1), (INF, NAN)),
    ("spherical_bessel_j0", (0, INF, NAN), (1, 0, NAN)),
    ("airy_ai", (0, INF, -INF, NAN, 200), (0.35502805388781724, NAN, NAN, NAN, 0)),
    ("ndtr", (-INF, INF, NAN, 0), (0, 1, NAN, 0.5)),
    ("log_ndtr", (-INF, INF, NAN), (-INF, 0, NAN)),
    ("ndtri", (0, 1, -0.1, 1.1, NAN, 0.5), (-INF, INF, NAN, NAN, NAN, 0)),
    ("ndtri", (5e-324,), (-38.467405617144344,)),
    ("erfinv", (-1, 1, 2, NAN, 0), (-INF, INF, NAN, NAN, 0)),
    ("erfcx", (INF, -INF, NAN, 0), (0, INF, NAN, 1)),
    ("entr", (0, -1, INF, NAN), (0, -INF, -INF, NAN)),
    ("digamma", (0.0, -0.0, -1, INF, NAN), (-INF, INF, NAN, INF, NAN)),
    ("gammaln", (0, -1, INF, -INF, NAN, 1, 2), (INF, INF, INF, INF, NAN, 0, 0)),
    ("sinc", (0, 1, -2, INF, NAN), (1, 0, 0, NAN, NAN)),
    ("logit", (0, 1, -1, NAN, 0.5), (-INF, INF, NAN, NAN, 0)),
]


@pytest.mark.parametrize("row", range(len(EDGES)), ids=[r[0] for r in EDGES])
def test_values_at_the_edges(row):
    name, x, want = EDGES[row]
    got = getattr(torch.special, name)(torch.tensor(x, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(got, np.array(want, float), rtol=1e-13, atol=0)


EDGES_OF_TWO = [  # name, x, y, value
    ("zeta", 1, 3, INF), ("zeta", 0.5, 3, NAN), ("zeta", 2, -3, INF), ("zeta", 2.5, -3.5, NAN),
    ("zeta", 2, -0.5, 8.934802200544679), ("zeta", 2, -100000.5, 9.869594401189358),
    ("zeta", 2, 1e300, 1e-300), ("gammainc", 0, 0, NAN), ("gammainc", 0, 1, 1),
    ("gammainc", 1, 0, 0), ("gammainc", 1, INF, 1), ("gammainc", INF, 1, 0),
    ("gammainc", -1, 1, NAN), ("gammainc", 1, -1, NAN), ("gammaincc", 0, 1, 0),
    ("gammaincc", 1, 0, 1), ("gammaincc", 1, INF, 0), ("gammaincc", INF, 1, 1),
    ("gammaincc", 1e-300, 1, 2.193839343955203e-301), ("xlog1py", 0, -1, 0), ("xlog1py", 0, INF, 0),
    ("xlog1py", 0, NAN, NAN), ("xlog1py", 1, -1, -INF), ("xlogy", 0, 0, 0), ("xlogy", 0, NAN, NAN),
    ("xlogy", 1, 0, -INF), ("xlogy", NAN, 1, NAN),
]  # fmt: skip


@pytest.mark.parametrize("name,x,y,want", EDGES_OF_TWO)
def test_values_of_two_numbers_at_the_edges(name, x, y, want):
    first, second = (torch.tensor(float(v), dtype=torch.float64) for v in (x, y))
    got = getattr(torch.special, name)(first, second).item()
    assert math.isnan(got) if math.isnan(want) else got == pytest.approx(want, rel=1e-12, abs=0)


def test_half_types_are_computed_as_floats_and_rounded_once():
    x = torch.tensor([0.3, 0.6, 0.9, 0.2])
    for name in {row[0] for row in ONE}:
        function = getattr(torch.special, name)
        for dtype in (torch.float16, torch.bfloat16):
            got = function(x.to(dtype))
            want = function(x.to(dtype).float())
            assert got.dtype is dtype, name
            assert torch.equal(got, want.to(dtype)), name


def test_integers_become_floats():
    for name in {row[0] for row in ONE} - {"erfinv", "ndtri", "logit"}:
        got = getattr(torch.special, name)(torch.tensor([1, 2]))
        want = getattr(torch.special, name)(torch.tensor([1.0, 2.0]))
        assert got.dtype is torch.float32 and torch.equal(got, want), name
