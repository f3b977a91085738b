"""Reductions, scans and orders over the shapes that take paths of their own: short rows, few
columns, long rows in parts, blocks without a newer extreme. NumPy says what is right."""

import numpy as np
import pytest

import rushlight as torch

DTYPES = ["float32", "float64", "bfloat16", "int64", "int32", "uint8", "bool"]
SHAPES = [(2000, 8), (600, 3), (40, 24), (6, 300, 16), (4, 40, 5), (300, 7, 9), (5, 3000), (40000,)]


def numbers(shape, dtype, low=-60, high=60):
    torch.manual_seed(3)
    x = torch.randint(0 if dtype == "uint8" else low, high, shape)
    return x % 2 == 0 if dtype == "bool" else x.to(getattr(torch, dtype))


def as_numpy(x):
    return (x.double() if x.dtype == torch.bfloat16 else x).numpy()


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_along_every_dim(shape, dtype, threads):
    x = numbers(shape, dtype)
    a = as_numpy(x)
    wide = a.astype("float64" if x.is_floating_point() else "int64")
    for dim in (*range(x.ndim), None):
        layouts = [x] if x.ndim < 2 else [x, x.transpose(0, -1).contiguous().transpose(0, -1)]
        for y in layouts:
            given = () if dim is None else (dim,)
            assert np.array_equal(y.sum(*given).double().numpy(), as_sum(wide, dim, x))
            assert np.array_equal(as_numpy(y.amax(*given)), a.max(dim))
            assert np.array_equal(y.any(*given).numpy() != 0, a.any(dim))
            assert np.array_equal(y.all(*given).numpy() != 0, a.all(dim))
            assert np.array_equal(y.count_nonzero(*given).numpy(), (a != 0).sum(dim))
            if dtype != "bool":
                assert np.array_equal(y.argmax(*given).numpy(), a.argmax(dim))
                assert np.array_equal(y.argmin(*given).numpy(), a.argmin(dim))
            if x.is_floating_point():
                near = 1e-2 if dtype == "bfloat16" else 1e-4
                got = y.var(*given).double().numpy()
                assert np.allclose(got, wide.var(dim, ddof=1), near, near)


def as_sum(wide, dim, x):
    total = np.asarray(wide.sum(dim), "float64")
    return torch.tensor(total).to(x.dtype).double().numpy() if x.is_floating_point() else total


@pytest.mark.parametrize("shape", [(3000, 8), (9, 500, 16), (7, 128), (3, 70000), (5, 77)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_products(shape, dtype, threads):
    torch.manual_seed(1)
    x = torch.rand(shape, dtype=torch.float64) * 0.2 + 0.9
    x = (x * 3).long() if dtype == "int64" else x.to(getattr(torch, dtype))
    for dim in range(x.ndim):
        want = x.numpy().astype("int64" if dtype == "int64" else "float64").prod(dim)
        assert np.allclose(x.prod(dim).numpy(), want, 1e-4)


def test_products_beyond_the_range_of_float():
    x = torch.ones(3, 256)
    x[0, :100], x[0, 100:200] = 1e30, 1e-30
    x[1, 3], x[1, 7] = 0.0, 3e38
    x[2, 200] = float("inf")
    assert torch.allclose(x.prod(1), torch.tensor([1.0, 0.0, float("inf")]))


def test_any_and_all_find_one_element_anywhere(threads):
    for n in (5000, 300_000):
        for place in (0, 4095, 4096, n - 1):
            x = torch.zeros(n)
            x[place] = -1.0
            assert x.any().item() is True and x.bool().any().item() is True
            assert (x == 0).all().item() is False
            assert torch.zeros(n).any().item() is False and torch.ones(n).all().item() is True


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(3, 1200), (1200, 3), (700, 100), (2, 900, 20)], ids=str)
def test_running_extremes(shape, dtype, threads):
    x = numbers(shape, dtype)
    if x.is_floating_point():
        x.view(-1)[x.numel() // 2] = float("nan")
    for dim in range(x.ndim):
        for name, newer in (("cummax", np.greater_equal), ("cummin", np.less_equal)):
            values, indices = getattr(x, name)(dim)
            a = np.moveaxis(as_numpy(x), dim, 0)
            best, at = a[0].copy(), np.zeros(a.shape[1:], "int64")
            for i, row in enumerate(a):
                take = (row != row) | ((best == best) & newer(row, best))
                best, at = np.where(take, row, best), np.where(take, i, at)
                got = np.moveaxis(as_numpy(values), dim, 0)[i]
                assert np.array_equal(got, best, equal_nan=x.is_floating_point())
                assert np.array_equal(np.moveaxis(indices.numpy(), dim, 0)[i], at)


@pytest.mark.parametrize("shape", [(3, 1203), (1203, 3), (300, 130), (2, 200, 40)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64"])
def test_running_sums_and_products(shape, dtype, threads):
    x = numbers(shape, dtype)
    wide = as_numpy(x).astype("int64" if dtype == "int64" else "float64")
    near = 1e-2 if dtype == "bfloat16" else 1e-6
    for dim in range(x.ndim):
        got = x.cumsum(dim).double().numpy()
        assert np.allclose(got, wide.cumsum(dim), near, near)
        factors = x.sign() + (x == 0).to(x.dtype)
        want = np.where(wide < 0, -1, 1).cumprod(dim)
        assert np.array_equal(factors.cumprod(dim).double().numpy(), want)


def test_running_product_of_floats_leaves_zero_at_zero():
    x = torch.full((40,), 3e38)
    x[2] = 0.0
    assert torch.equal(x.cumprod(0)[2:], torch.zeros(38))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 31, 32, 33, 100, 128, 159, 191, 192, 193, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
def test_short_lines_sort_stably(n, dtype):
    x = numbers((50, n), dtype, -20, 20)
    if dtype == "int64":
        x[::2] *= 2**50  # keys of more than 32 bits
    if x.is_floating_point():
        x[:, n // 2] = float("nan")
        x[:, n // 3] = -0.0
    a = as_numpy(x)
    values, indices = x.sort(1)
    order = np.argsort(a, axis=1, kind="stable")
    assert np.array_equal(indices.numpy(), order)
    assert np.array_equal(np.signbit(as_numpy(values)), np.signbit(np.take_along_axis(a, order, 1)))
    falling = x.sort(1, descending=True).values
    assert np.array_equal(as_numpy(falling), as_numpy(values)[:, ::-1], equal_nan=dtype != "bool")


@pytest.mark.parametrize("n, k", [(8, 1), (8, 8), (64, 20), (128, 5), (192, 100), (2000, 100)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_largest_of_different_numbers(n, k, dtype):
    torch.manual_seed(2)
    x = torch.stack([torch.randperm(n) for _ in range(20)]) - n // 2
    x = (x * 2**40 if dtype == "int64" else x).to(getattr(torch, dtype))
    for largest in (True, False):
        values, indices = x.topk(k, 1, largest)
        want = x.numpy().argsort(1)
        want = want[:, ::-1][:, :k] if largest else want[:, :k]
        assert np.array_equal(indices.numpy(), want)
        assert np.array_equal(values.numpy(), np.take_along_axis(x.numpy(), want, 1))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_kth_and_median_of_numbers_of_both_signs(dtype, threads):
    for n in (5, 100, 5000):
        x = numbers((7, n), dtype, -9, 9)
        ordered = np.sort(x.numpy(), 1)
        for k in (1, n // 2 + 1, n):
            assert np.array_equal(x.kthvalue(k, 1).values.numpy(), ordered[:, k - 1])
        assert np.array_equal(x.median(1).values.numpy(), ordered[:, (n - 1) // 2])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_running_logsumexp(dtype):
    torch.manual_seed(4)
    x = torch.randn(3, 700).mul(20).to(getattr(torch, dtype))
    x[1, 0] = x[1, 300] = -float("inf")
    x[2, :300] = -3000.0
    want = np.logaddexp.accumulate(x.double().numpy(), axis=1)
    near = 1e-2 if dtype == "bfloat16" else 1e-6
    assert np.allclose(x.logcumsumexp(1).double().numpy(), want, near, near)
    assert x.t().contiguous().logcumsumexp(0).double().numpy() == pytest.approx(want.T, near, near)
    x[0, 40], x[1, 60] = float("nan"), float("inf")
    y = x.logcumsumexp(1)
    assert y[0, :40].isfinite().all() and y[0, 40:].isnan().all()
    assert y[1, 60:].isinf().all() and not y[1, :60].isnan().any()


@pytest.mark.parametrize("name", ["sum", "amax", "logsumexp", "norm", "any"])
def test_a_dim_may_be_an_array_of_no_dims(name):
    x = torch.arange(6.0).reshape(2, 3)
    made = getattr(x, name)(dim=np.array(1))
    assert torch.equal(made, getattr(x, name)(dim=1))
