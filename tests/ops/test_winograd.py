"""3 x 3 convolutions of float32 by fewer multiplications, beside the plain sums in float64."""

from __future__ import annotations

import pytest

import rushlight as torch

# batch, inputs, outputs, height, width, padding: odd edges, narrow and flat images, many blocks
SHAPES = [
    (2, 32, 32, 12, 12, 1),
    (1, 64, 32, 17, 23, 1),
    (2, 32, 48, 9, 40, 0),
    (3, 48, 32, 8, 8, 2),
    (8, 32, 32, 4, 4, 1),
    (40, 32, 32, 1, 1, 1),
    (20, 32, 32, 3, 2, 1),
    (1, 32, 80, 31, 66, 1),
]


def gradients(x, w, b, g, padding, transposed=False):
    """The output and the gradients to image, weight and bias."""
    F = torch.nn.functional
    leaves = [t.detach().clone().requires_grad_() for t in (x, w, b)]
    y = (F.conv_transpose2d if transposed else F.conv2d)(*leaves, padding=padding)
    return y.detach(), *torch.autograd.grad(y, leaves, g)


def assert_rounding_only(ours, exact):
    for a, b in zip(ours, exact, strict=True):
        assert a.dtype is torch.float32
        assert float((a.double() - b).abs().max() / b.abs().max()) < 2e-6


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [False, True])
def test_all_three_passes(shape, last):
    n, c, k, h, w, padding = shape
    torch.manual_seed(1)
    x, weight, b = torch.randn(n, c, h, w), torch.randn(k, c, 3, 3), torch.randn(k)
    g = torch.randn(n, k, h + 2 * padding - 2, w + 2 * padding - 2)
    exact = gradients(x.double(), weight.double(), b.double(), g.double(), padding)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    assert_rounding_only(gradients(x, weight, b, g, padding), exact)


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_transposed(padding):
    torch.manual_seed(2)
    x, weight, b = torch.randn(3, 64, 9, 14), torch.randn(64, 32, 3, 3), torch.randn(32)
    g = torch.randn(3, 32, 11 - 2 * padding, 16 - 2 * padding)
    exact = gradients(x.double(), weight.double(), b.double(), g.double(), padding, True)
    assert_rounding_only(gradients(x, weight, b, g, padding, True), exact)


def test_every_number_of_threads_gives_the_same():
    torch.manual_seed(3)
    x, weight, b = torch.randn(2, 64, 30, 30), torch.randn(64, 64, 3, 3), torch.randn(64)
    g, before = torch.randn(2, 64, 30, 30), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        y, gx, gw, _ = gradients(x, weight, b, g, 1)
        torch.set_num_threads(3)
        y3, gx3, gw3, _ = gradients(x, weight, b, g, 1)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(y, y3) and torch.equal(gx, gx3)
    torch.testing.assert_close(gw, gw3, rtol=1e-5, atol=1e-3)


def test_values_that_are_not_finite_stay_where_they_belong():
    x = torch.zeros(1, 32, 20, 20)
    x[0, 3, 10, 10] = float("nan")
    y = torch.nn.functional.conv2d(x, torch.ones(32, 32, 3, 3), padding=1)
    assert y[0, :, 9:12, 9:12].isnan().all()
    # A tile of 2 x 2 is made of 4 x 4 pixels: what lies further away is untouched.
    assert not y[0, :, :6].isnan().any() and not y[0, :, 14:].isnan().any()
