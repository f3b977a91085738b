"""Attention inside windows that cut images or videos; written so that it can be scripted."""

from __future__ import annotations

import math

from ... import Tensor, arange, clamp, meshgrid, nn, stack, zeros
from ...nn import functional as F

__all__ = [
    "WindowAttention", "count_of", "placed_bias", "relative_position_index", "shift_mask",
    "unwindows", "window_attention", "windows",
]  # fmt: skip


def relative_position_index(window_size: list[int]) -> Tensor:
    """Which row of the table belongs to each pair of places, flat."""
    grid = stack(meshgrid(*[arange(size) for size in window_size], indexing="ij")).flatten(1)
    gap = grid[:, :, None] - grid[:, None, :]
    index = gap[0] + window_size[0] - 1
    for d, size in enumerate(window_size[1:], 1):
        index = index * (2 * size - 1) + gap[d] + size - 1
    return index


def placed_bias(table: Tensor, index: Tensor, window_size: list[int]) -> Tensor:
    """The table's rows for all pairs of places of a window: (1, heads, places, places)."""
    places = count_of(window_size)
    return table[index].view(places, places, -1).permute(2, 0, 1).contiguous().unsqueeze(0)


def count_of(sizes: list[int]) -> int:
    """The product of sizes."""
    count = 1
    for size in sizes:
        count *= size
    return count


def windows(x: Tensor, size: list[int]) -> Tensor:
    """(N, *sizes, C) cut into windows: (N windows, places, C)."""
    dims = len(size)
    split = [x.shape[0]]
    for d in range(dims):
        split += [x.shape[d + 1] // size[d], size[d]]
    split.append(x.shape[-1])
    outer, inner = [1 + 2 * d for d in range(dims)], [2 + 2 * d for d in range(dims)]
    x = x.view(split).permute([0] + outer + inner + [2 * dims + 1])
    return x.reshape(-1, count_of(size), x.shape[-1])


def unwindows(x: Tensor, size: list[int], shape: list[int]) -> Tensor:
    """Windows put together again to `shape` (N, *sizes, C)."""
    dims = len(size)
    counts = [shape[d + 1] // size[d] for d in range(dims)]
    order = [0]
    for d in range(dims):
        order += [1 + d, 1 + d + dims]
    order.append(2 * dims + 1)
    return x.view([shape[0]] + counts + size + [shape[-1]]).permute(order).reshape(shape)


def shift_mask(x: Tensor, window: list[int], shift: list[int]) -> Tensor:
    """-100 for pairs of places that a shift brought into one window from far apart, else 0.

    `x` (N, *sizes, C) lends its sizes, dtype and device.
    """
    dims = len(window)
    regions = x.new_zeros([1])
    for d in range(dims):
        axis = x.new_zeros([x.shape[d + 1]])
        if shift[d] > 0:
            axis[-window[d] : -shift[d]] = 1.0
            axis[-shift[d] :] = 2.0
        regions = regions.unsqueeze(-1) * 3.0 + axis
    parts = windows(regions.unsqueeze(-1), window).squeeze(-1)
    gap = parts.unsqueeze(1) - parts.unsqueeze(2)
    return gap.masked_fill(gap != 0, -100.0).masked_fill(gap == 0, 0.0)


def window_attention(
    x: Tensor,
    qkv_weight: Tensor,
    qkv_bias: Tensor | None,
    bias: Tensor,
    num_heads: int,
    mask: Tensor | None,
    dropout: float,
    training: bool,
    logit_scale: Tensor | None = None,
) -> Tensor:
    """Attention inside windows (windows, places, C), before the projection.

    `logit_scale` compares directions instead of products (version 2).
    """
    count, places, channels = x.shape
    qkv = F.linear(x, qkv_weight, qkv_bias)
    qkv = qkv.reshape(count, places, 3, num_heads, channels // num_heads).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]
    if logit_scale is not None:
        attention = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        attention = attention * clamp(logit_scale, max=math.log(100.0)).exp()
    else:
        attention = (q * (channels // num_heads) ** -0.5).matmul(k.transpose(-2, -1))
    attention = attention + bias
    if mask is not None:
        groups = mask.shape[0]
        attention = attention.view(count // groups, groups, num_heads, places, places)
        attention = attention + mask.unsqueeze(1).unsqueeze(0)
        attention = attention.view(-1, num_heads, places, places)
    attention = F.dropout(F.softmax(attention, dim=-1), p=dropout, training=training)
    return attention.matmul(v).transpose(1, 2).reshape(count, places, channels)


class WindowAttention(nn.Module):
    """What attention within windows of `dims` dimensions learns."""

    dims: int

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not len(window_size) == len(shift_size) == self.dims:
            raise ValueError(f"window_size and shift_size must be of length {self.dims}")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self) -> None:
        """The parameter with a bias for each distance and head."""
        rows = math.prod(2 * size - 1 for size in self.window_size)
        self.relative_position_bias_table = nn.Parameter(zeros(rows, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """The buffer with the table's row for each pair of places."""
        index = relative_position_index(self.window_size)
        self.register_buffer("relative_position_index", index)
