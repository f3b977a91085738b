"""Tables of places and weights that interpolate keeps from call to call."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight._subclasses.fake_tensor import FakeTensorMode


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_kept_tables_belong_to_no_mode(mode):
    x = torch.arange(13.0 * 11, dtype=torch.float64).sin().view(1, 1, 13, 11)

    def resized(image):
        return torch.nn.functional.interpolate(image, size=(7, 17), mode=mode)

    with torch.inference_mode():
        first = resized(x)
    with FakeTensorMode() as fakes:
        assert resized(fakes.from_tensor(x)).shape == (1, 1, 7, 17)
    lanes = torch.vmap(resized)(torch.stack((x, 2 * x)))
    leaf = x.clone().requires_grad_()
    result = resized(leaf)
    result.sum().backward()
    assert torch.equal(result, first)
    assert torch.allclose(lanes[1], 2 * first)
    assert leaf.grad.sum() == pytest.approx(7 * 17)
    assert resized(x.to("meta")).shape == (1, 1, 7, 17)
    assert torch.equal(resized(x), first)


def test_lanczos_is_antialiased():
    x = torch.ones(1, 1, 8, 8)
    with pytest.raises(ValueError, match="Lanczos mode requires antialias=True"):
        torch.nn.functional.interpolate(x, size=(5, 5), mode="lanczos")
