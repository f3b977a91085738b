"""DropBlock: dropout of connected regions of feature maps (Ghiasi et al. 2018)."""

from __future__ import annotations

import math

from ... import Tensor, nn
from ..._stays_call import stays_call
from ...nn import functional as F


def _drop_block(input: Tensor, p, block_size, inplace, eps, training, dims: int) -> Tensor:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    sizes = input.shape[2:]
    block = min(block_size, *sizes)
    if block % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block} which is even.")
    # The rate of block centres that drops a share p of the elements (equation 1).
    places = math.prod(size - block + 1 for size in sizes)
    gamma = p * math.prod(sizes) / (block**dims * places)
    shape = (*input.shape[:2], *(size - block + 1 for size in sizes))
    noise = input.new_empty(shape).bernoulli_(gamma)
    noise = F.pad(noise, [block // 2] * (2 * dims), value=0)
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    noise = pool(noise, stride=1, kernel_size=block, padding=block // 2)
    noise = 1 - noise
    scale = noise.numel() / (eps + noise.sum())
    if inplace:
        return input.mul_(noise).mul_(scale)
    return input * noise * scale


@stays_call
def drop_block2d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-06,
    training: bool = True,
) -> Tensor:
    """Zero squares of `block_size` of `input` (N, C, H, W), a share `p` of it; scale the rest."""
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


@stays_call
def drop_block3d(
    input: Tensor,
    p: float,
    block_size: int,
    inplace: bool = False,
    eps: float = 1e-06,
    training: bool = True,
) -> Tensor:
    """Zero cubes of `block_size` of `input` (N, C, D, H, W), a share `p` of it."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """`drop_block2d` as a layer that does nothing in evaluation."""

    def __init__(
        self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06
    ) -> None:
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def forward(self, input: Tensor) -> Tensor:
        """`input` without some blocks."""
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(p={self.p}, block_size={self.block_size}, "
            f"inplace={self.inplace})"
        )


class DropBlock3d(DropBlock2d):
    """`drop_block3d` as a layer that does nothing in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """`input` without some blocks."""
        return drop_block3d(input, self.p, self.block_size, self.inplace, self.eps, self.training)
