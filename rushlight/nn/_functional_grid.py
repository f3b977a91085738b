"""Sampling images at given places (Jaderberg et al. 2015)."""

from __future__ import annotations

import warnings
from itertools import product

import rushlight as torch
from rushlight import Tensor

from ._functional_interpolate import _cubic_weights

__all__ = ["affine_grid", "grid_sample"]

_DEFAULT = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
    "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
    "documentation of grid_sample for details."
)


def affine_grid(theta: Tensor, size: list[int], align_corners: bool | None = None) -> Tensor:
    """Sampling places of an affine map: theta (N, 2, 3) or (N, 3, 4), size (N, C, [D,] H, W)."""
    if align_corners is None:
        warnings.warn(_DEFAULT, stacklevel=2)
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    size = tuple(size)
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    n = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    axes = [_axis(count, theta, align_corners) for count in size[2:]]
    shape = size[2:]
    columns = []
    for i in reversed(range(n)):  # x varies along the last dimension and comes first
        view = [1] * n
        view[i] = -1
        columns.append(axes[i].reshape(view).expand(shape))
    columns.append(torch.ones(shape, dtype=theta.dtype, device=theta.device))
    base = torch.stack(columns, -1).reshape(1, -1, n + 1)
    return torch.matmul(base, theta.transpose(1, 2)).reshape(size[0], *shape, n)


def _axis(count, theta, corners):
    """Places from -1 to 1: of the outermost pixels' centres with corners, else of their edges."""
    kind = {"dtype": theta.dtype, "device": theta.device}
    if count <= 1:
        return torch.zeros(count, **kind)
    line = torch.linspace(-1, 1, count, **kind)
    return line if corners else line * (count - 1) / count


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of (N, C, [D,] H, W) at places (N, ..., 2 or 3) in [-1, 1], x first."""
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or "
            f"'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_DEFAULT, stacklevel=2)
        align_corners = False
    _check(input, grid, mode)
    sampler = _Sampler(input, grid, padding_mode, align_corners)
    return getattr(sampler, mode)()


def _check(input, grid, mode):
    n = input.dim() - 2
    if n not in (2, 3) or grid.dim() != input.dim():
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid "
            f"with sizes {list(grid.shape)}"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            f"sizes {list(input.shape)}"
        )
    if mode == "bicubic" and n == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype != grid.dtype:
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype} and grid has {grid.dtype}"
        )


class _Sampler:
    """One call of grid_sample: places in pixels, and lookup of the values there."""

    def __init__(self, input, grid, padding, corners):
        self.padding, self.corners = padding, corners
        self.sizes = input.shape[2:]
        self.flat = input.reshape(*input.shape[:2], -1)
        self.out_shape = (*input.shape[:2], *grid.shape[1:-1])
        # The grid names x first; the sizes have it last.
        axes = [grid[..., i].reshape(grid.shape[0], -1) for i in reversed(range(len(self.sizes)))]
        self.places = [self._in_pixels(x, n) for x, n in zip(axes, self.sizes, strict=True)]

    def _in_pixels(self, x, size):
        return (x + 1) / 2 * (size - 1) if self.corners else ((x + 1) * size - 1) / 2

    def _kept_inside(self, x, size):
        """Places outside brought back as the padding says; with zeros they stay outside."""
        if self.padding == "border":
            return x.clamp(0, size - 1)
        if self.padding == "reflection":
            return self._reflected(x, size).clamp(0, size - 1)
        return x

    def _reflected(self, x, size):
        low, high = (0, 2 * (size - 1)) if self.corners else (-1, 2 * size - 1)
        if low == high:
            return torch.zeros_like(x)
        low, span = low / 2, (high - low) / 2
        distance = (x - low).abs()
        flips = (distance / span).floor()
        extra = distance - flips * span
        even = (flips % 2) == 0
        return torch.where(even, extra + low, span - extra + low)

    def _values(self, corner):
        """Input values at whole places (one tensor for each axis), zero outside."""
        index, inside = 0, None
        for place, size in zip(corner, self.sizes, strict=True):
            valid = (place >= 0) & (place <= size - 1)
            inside = valid if inside is None else inside & valid
            index = index * size + place.clamp(0, size - 1).to(torch.int64)
        index = index.unsqueeze(1).expand(-1, self.flat.shape[1], -1)
        return self.flat.gather(2, index) * inside.unsqueeze(1).to(self.flat.dtype)

    def bilinear(self):
        """Weighted sum over the corners of the cell that holds each place."""
        places = [self._kept_inside(x, n) for x, n in zip(self.places, self.sizes, strict=True)]
        lows = [x.detach().floor() for x in places]
        total = 0
        for offsets in product((0, 1), repeat=len(places)):
            weight = 1
            for x, low, offset in zip(places, lows, offsets, strict=True):
                weight = weight * ((x - low) if offset else (low + 1 - x))
            corner = [low + offset for low, offset in zip(lows, offsets, strict=True)]
            total = total + self._values(corner) * weight.unsqueeze(1)
        return total.reshape(self.out_shape)

    def nearest(self):
        """The value at the nearest whole place, halves to even."""
        places = [
            self._kept_inside(x, n).detach().round()
            for x, n in zip(self.places, self.sizes, strict=True)
        ]
        return self._values(places).reshape(self.out_shape)

    def bicubic(self):
        """Weighted sum over 4 x 4 neighbours, each brought inside by itself."""
        lows = [x.detach().floor() for x in self.places]
        weights = [_cubic_weights(x - low) for x, low in zip(self.places, lows, strict=True)]
        total = 0
        for i, row in enumerate(weights[0]):
            for j, column in enumerate(weights[1]):
                corner = [
                    self._kept_inside(low + k - 1, n)
                    for low, k, n in zip(lows, (i, j), self.sizes, strict=True)
                ]
                total = total + self._values(corner) * (row * column).unsqueeze(1)
        return total.reshape(self.out_shape)
