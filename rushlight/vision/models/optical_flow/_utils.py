"""Coordinates of pixels, and flows at another size."""

from __future__ import annotations

from .... import Tensor, arange, cat, meshgrid, softmax, stack
from .... import device as Device
from ....nn import functional as F

_CPU = Device("cpu")


def grid_sample(
    img: Tensor, absolute_grid: Tensor, mode: str = "bilinear", align_corners: bool | None = None
):
    """F.grid_sample with places (..., 2) in pixels, as x and y."""
    h, w = img.shape[-2:]
    x, y = absolute_grid.split([1, 1], dim=-1)
    x = 2 * x / (w - 1) - 1
    if h > 1:  # a single row has no extent to scale by
        y = 2 * y / (h - 1) - 1
    return F.grid_sample(img, cat([x, y], dim=-1), mode=mode, align_corners=align_corners)


def make_coords_grid(batch_size: int, h: int, w: int, device: Device = _CPU) -> Tensor:
    """The x and y of every pixel: (batch_size, 2, h, w)."""
    y, x = meshgrid(arange(h, device=device), arange(w, device=device), indexing="ij")
    return stack((x, y), dim=0).float()[None].repeat(batch_size, 1, 1, 1)


def upsample_flow(flow, up_mask: Tensor | None = None, factor: int = 8):
    """A flow (N, 2, H, W) at `factor` times the size, bilinear or by weights of nine neighbours."""
    n, channels, h, w = flow.shape
    big = [h * factor, w * factor]
    if up_mask is None:
        return factor * F.interpolate(flow, size=big, mode="bilinear", align_corners=True)
    mask = softmax(up_mask.view(n, 1, 9, factor, factor, h, w), dim=2)
    near = F.unfold(factor * flow, kernel_size=3, padding=1).view(n, channels, 9, 1, 1, h, w)
    found = (mask * near).sum(dim=2)
    return found.permute(0, 1, 4, 2, 5, 3).reshape(n, channels, big[0], big[1])
