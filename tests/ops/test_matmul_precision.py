"""Products in reduced precision where the user asks; vectors and complex numbers."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch


@pytest.fixture
def passes():
    """Sets how many bfloat16 products stand for one of float32; none again afterwards."""
    yield lambda n: torch._C.set_bf16_passes(n, 1)
    torch.set_float32_matmul_precision("highest")


def error(a, b, product):
    exact = a.double() @ b.double()
    return float((product - exact).abs().max() / exact.abs().max())


needs_library = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="bfloat16 products are oneDNN's"
)


@needs_library
@pytest.mark.parametrize("layout", ["plain", "transposed", "linear"])
def test_each_pass_adds_digits(passes, layout):
    torch.manual_seed(0)
    a, b = torch.randn(160, 200), torch.randn(200, 192)
    if layout == "transposed":
        a, b = a.t().contiguous().t(), b.t().contiguous().t()

    def product():
        if layout == "linear":
            return torch.nn.functional.linear(a, b.t(), torch.zeros(192))
        return a @ b

    assert error(a, b, product()) < 1e-6
    passes(1)
    one = error(a, b, product())
    passes(3)
    three = error(a, b, product())
    assert 1e-4 < one < 1e-2 and 1e-7 < three < 2e-5
    a[3, 5] = float("inf")
    assert not product()[3].isfinite().any() and product()[4].isfinite().all()


@needs_library
def test_the_setting_reaches_large_products_only(passes):
    a, b, small = torch.randn(128, 256), torch.randn(256, 128), torch.randn(8, 8)
    plain, tiny = a @ b, small @ small
    torch.set_float32_matmul_precision("medium")
    assert not torch.equal(a @ b, plain) and torch.equal(small @ small, tiny)
    added = torch.addmm(plain, a, b, beta=2.0, alpha=1.0)
    torch.testing.assert_close(added, 3 * plain, rtol=0.05, atol=0.5)
    torch.set_float32_matmul_precision("highest")
    assert torch.equal(a @ b, plain)
    with pytest.raises(RuntimeError, match="is not one of"):
        torch.set_float32_matmul_precision("low")


@needs_library
def test_the_backends_setting_is_inherited_and_named(passes):
    backends = torch.backends
    a, b = torch.randn(128, 256), torch.randn(256, 128)
    plain = a @ b
    try:
        backends.fp32_precision = "bf16"
        assert (
            backends.mkldnn.matmul.fp32_precision == backends.mkldnn.conv.fp32_precision == "bf16"
        )
        assert not torch.equal(a @ b, plain)
        backends.mkldnn.matmul.fp32_precision = "ieee"
        assert backends.mkldnn.conv.fp32_precision == "bf16" and torch.equal(a @ b, plain)
        backends.fp32_precision = "none"
        with backends.mkldnn.flags(fp32_precision="bf16"):
            assert not torch.equal(a @ b, plain)
        assert torch.equal(a @ b, plain)
        torch.set_float32_matmul_precision("medium")
        assert backends.mkldnn.matmul.fp32_precision == "bf16"
        for owner in (backends, backends.mkldnn, backends.mkldnn.matmul):
            with pytest.raises(RuntimeError, match="Unknown precision: low"):
                owner.fp32_precision = "low"
    finally:
        backends.fp32_precision = "none"


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 70, 530), (530, 70, 1), (2, 33, 9), (7, 300, 21), (200, 5, 40)]
)
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_complex_products(dtype, m, k, n, turned):
    rng = np.random.default_rng(0)
    a = (rng.standard_normal((m, k)) + 1j * rng.standard_normal((m, k))).astype(dtype)
    b = (rng.standard_normal((k, n)) + 1j * rng.standard_normal((k, n))).astype(dtype)
    x = torch.from_numpy(np.asfortranarray(a) if "a" in turned else a)
    y = torch.from_numpy(np.asfortranarray(b) if "b" in turned else b)
    tolerance = 1e-4 if dtype == "complex64" else 1e-10
    np.testing.assert_allclose((x @ y).numpy(), a @ b, rtol=tolerance, atol=tolerance)
    c = torch.ones(m, n, dtype=x.dtype)
    ours = torch.addmm(c, x, y, beta=2j, alpha=0.5).numpy()
    np.testing.assert_allclose(ours, 0.5 * (a @ b) + 2j, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("k", [1, 3, 63, 64, 65, 200])
def test_bfloat16_dot_products(k):
    torch.manual_seed(1)
    a, v = torch.randn(37, k).bfloat16(), torch.randn(k).bfloat16()
    exact = a.double() @ v.double()
    torch.testing.assert_close((a @ v).double(), exact, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close((v @ a.t()).double(), exact, rtol=1e-2, atol=1e-2)
    wide = a @ torch.stack([v, v], 1)
    torch.testing.assert_close(wide[:, 0].double(), exact, rtol=1e-2, atol=1e-2)
