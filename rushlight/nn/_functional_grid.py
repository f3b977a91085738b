"""Sampling images at given places (Jaderberg et al. 2015)."""

from __future__ import annotations

import warnings

import rushlight as torch
from rushlight import Tensor

from ..ops.sampling import MODES, PADDINGS, grid_sampler_2d, grid_sampler_3d

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
    if mode not in MODES:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or "
            f"'bicubic', but got: '{mode}'"
        )
    if padding_mode not in PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_DEFAULT, stacklevel=2)
        align_corners = False
    sampler = grid_sampler_3d if input.dim() == 5 else grid_sampler_2d
    return sampler(input, grid, MODES.index(mode), PADDINGS.index(padding_mode), align_corners)
