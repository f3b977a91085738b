"""Windows over images: channels-last memory, volumes and half types beside packed float64."""

from __future__ import annotations

import pytest

import rushlight as torch

F = torch.nn.functional

WINDOWS = {
    "max": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max with places": lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[0],
    "max of far windows": lambda x: F.max_pool2d(x, (5, 6), (5, 4), 2),
    "mean": lambda x: F.avg_pool2d(x, 2),
    "mean of inside": lambda x: F.avg_pool2d(x, 3, 2, 1, True, count_include_pad=False),
    "mean of neighbours": lambda x: F.avg_pool2d(x, (3, 5), 1, (1, 2)),
    "adaptive mean": lambda x: F.adaptive_avg_pool2d(x, (3, 20)),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (3, 4)),
    "reflect": lambda x: F.pad(x, (1, 3, 2, 0), mode="reflect"),
    "replicate": lambda x: F.pad(x, (2, 1, -1, 3), mode="replicate"),
    "circular": lambda x: F.pad(x, (3, 1, 0, 2), mode="circular"),
    "zeros": lambda x: F.pad(x, (1, 0, 2, 1)),
    "cut": lambda x: F.pad(x, (-1, 2, 1, -3), value=2.5),
}


def run(window, x, g=None):
    x = x.detach().requires_grad_()
    y = window(x)
    if g is None:
        g = torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
        g = g.bfloat16().to(x.dtype)
    g = g.to(x.dtype)
    if not x.is_contiguous():
        g = g.contiguous(memory_format=torch.channels_last)
    y.backward(g)
    return y.detach(), x.grad, g


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [3, 24])
@pytest.mark.parametrize("name", WINDOWS)
def test_every_layout_and_width_gives_the_same(name, channels, dtype):
    tolerance = dict.fromkeys(("rtol", "atol"), 2e-2 if dtype == torch.bfloat16 else 1e-6)
    generator = torch.Generator().manual_seed(channels)
    x = torch.randn(2, channels, 11, 18, generator=generator).bfloat16()
    wanted, wanted_grad, g = run(WINDOWS[name], x.double())
    for order in (torch.contiguous_format, torch.channels_last):
        laid_out = x.to(dtype).contiguous(memory_format=order)
        got, grad, _ = run(WINDOWS[name], laid_out, g)
        assert got.is_contiguous(memory_format=order)
        torch.testing.assert_close(got.double(), wanted, **tolerance)
        torch.testing.assert_close(grad.double(), wanted_grad, **tolerance)


@pytest.mark.parametrize("settings", [(1, 1, 1), (2, 1, 1), ((1, 2, 3), (2, 0, 1), (2, 1, 1))])
def test_depthwise_volumes(settings):
    stride, padding, dilation = settings
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, 7, 6, 9, generator=generator)
    w = torch.randn(8, 1, 3, 2, 3, generator=generator)
    b = torch.randn(8, generator=generator)
    got = F.conv3d(x, w, b, stride, padding, dilation, groups=4)
    wanted = [
        F.conv3d(x[:, k // 2 : k // 2 + 1].double(), w[k].double().unsqueeze(0), None, *settings)
        for k in range(8)
    ]
    wanted = torch.cat(wanted, 1) + b.double().view(8, 1, 1, 1)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-5, atol=1e-5)


def test_places_of_ties_and_of_nan():
    """The first of equal elements, the last NaN; windows of minus infinity have places too."""
    nan, low = float("nan"), float("-inf")
    for window, stride in ((2, 2), (2, 5)):  # together and one by one
        rows = [[1.0, 1.0, 0, nan, nan, nan, 0], [1.0, 1.0, 0, nan, nan, nan, 0], [low] * 7]
        x = torch.tensor([rows])
        _, at = F.max_pool2d(x, window, stride, 0, return_indices=True)
        assert at[0].tolist() == ([[0, 10, 12]] if stride == 2 else [[0, 12]])
    _, at = F.max_pool2d(torch.full((1, 3, 3), low), 3, 2, 1, return_indices=True)
    assert at[0].tolist() == [[0, 1], [3, 4]]


def test_volumes_smaller_than_the_window_of_a_mean():
    with pytest.raises(RuntimeError, match="smaller than kernel size"):
        F.avg_pool3d(torch.zeros(1, 2, 4, 2, 8), (1, 5, 2), padding=(0, 2, 0))
