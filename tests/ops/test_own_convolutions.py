"""float32 convolutions in the tensors' own memory order, beside the plain sums in float64."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import _C

F = torch.nn.functional

# channels, outputs of each, (height, width), kernel, stride, padding, dilation
DEPTHWISE = [
    (40, 1, (96, 96), 3, 1, 1, 1),  # wide rows, straight to memory
    (40, 2, (64, 63), 3, 1, 0, 1),
    (96, 1, (57, 57), 3, 2, 1, 1),  # a copy for each remainder of the stride
    (3, 1, (14, 9), 5, 1, 2, 1),  # narrow rows, end to end
    (3, 2, (21, 17), (5, 3), (2, 1), (3, 0), (1, 2)),
    (2, 1, (16, 70), 4, (3, 2), 5, 3),
    (2, 1, (7, 7), 7, 1, 3, 1),
    (2, 3, (30, 1), (11, 1), 1, 0, 1),
    (2, 1, (5, 6), 5, 4, 4, 1),  # pixels that no window sees
]


def passes(convolve, tensors, **settings):
    """The output and the gradients to all of the tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    y = convolve(*leaves, **settings)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(9))
    return y.detach(), *torch.autograd.grad(y, leaves, g.to(y.dtype))


def assert_rounding_only(convolve, tensors, bound=5e-6, **settings):
    exact = passes(convolve, [t.double() for t in tensors], **settings)
    for ours, wanted in zip(passes(convolve, tensors, **settings), exact, strict=True):
        assert ours.dtype is torch.float32
        assert float((ours.double() - wanted).abs().max()) <= bound * float(wanted.abs().max())


@pytest.mark.parametrize("case", DEPTHWISE)
def test_depthwise(case):
    channels, each, size, kernel, stride, padding, dilation = case
    torch.manual_seed(1)
    taps = (kernel, kernel) if isinstance(kernel, int) else kernel
    x, b = torch.randn(3, channels, *size), torch.randn(channels * each)
    w = torch.randn(channels * each, 1, *taps)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
    assert_rounding_only(F.conv2d, (x, w, b), **settings)


def test_depthwise_of_one_dim_and_transposed():
    torch.manual_seed(2)
    x, b = torch.randn(3, 8, 500), torch.randn(8)
    assert_rounding_only(F.conv1d, (x, torch.randn(8, 1, 31), b), padding=15, groups=8)
    x, w = torch.randn(2, 24, 80, 80), torch.randn(24, 1, 3, 3)
    assert_rounding_only(F.conv_transpose2d, (x, w, torch.randn(24)), padding=1, groups=24)


@pytest.mark.parametrize("shape", [(2, 24, 40, 31, 45), (1, 3, 16, 64, 64), (3, 32, 70, 28, 28)])
def test_of_one_pixel(shape):
    n, inputs, outputs, height, width = shape
    torch.manual_seed(3)
    x, w = torch.randn(n, inputs, height, width), torch.randn(outputs, inputs, 1, 1)
    assert_rounding_only(F.conv2d, (x, w, torch.randn(outputs)))
    assert_rounding_only(F.conv2d, (x, w))


@pytest.mark.parametrize("signals, kernel, stride", [(1, 64, 16), (2, 25, 7), (4, 16, 16)])
def test_filter_banks(signals, kernel, stride):
    """Long filters over few signals, and the sums of frames that undo them."""
    torch.manual_seed(5)
    x, w, bias = torch.randn(3, signals, 400), torch.randn(20, signals, kernel), torch.randn(20)
    settings = {"stride": stride, "padding": 5}
    assert_rounding_only(F.conv1d, (x, w, bias), **settings)
    frames = F.conv1d(x, w, bias, **settings)
    assert_rounding_only(F.conv_transpose1d, (frames, w), **settings)


def test_infinite_pixels_stay_with_their_windows():
    x, w = torch.zeros(1, 16, 300, 300), torch.ones(16, 1, 3, 3)
    x[0, 3, 10, 299] = torch.inf
    y = F.conv2d(x, w, padding=1, groups=16)
    assert not y.isnan().any() and int(y.isinf().sum()) == 6


def test_every_number_of_threads_gives_the_same():
    torch.manual_seed(4)
    x, w = torch.randn(4, 40, 96, 96), torch.randn(40, 1, 5, 5)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(passes(F.conv2d, (x, w), padding=2, groups=40))
    torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_bfloat16_inside_where_the_user_says_so():
    """Only processors with tiles round; both of the library's answers lie within its rounding."""
    torch.manual_seed(5)
    x, w = torch.randn(2, 32, 20, 20), torch.randn(32, 32, 3, 3)
    plain = F.conv2d(x, w, padding=1)
    try:
        assert _C.set_conv_bf16(True, True) is True
        assert_rounding_only(F.conv2d, (x, w), 2e-2, padding=1)
    finally:
        assert _C.set_conv_bf16(False) is False
    assert torch.equal(F.conv2d(x, w, padding=1), plain)
