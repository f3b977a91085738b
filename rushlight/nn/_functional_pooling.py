"""Power, fractional and inverse pooling, and normalisation over neighbouring channels."""

from __future__ import annotations

import math

import rushlight as torch
from rushlight import Tensor

from ..ops import pooling_adaptive
from ..ops._lanes import all_lanes, some
from . import functional as F

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "local_response_norm", "lp_pool1d", "lp_pool2d",
    "lp_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def _tuple(value, n):
    if isinstance(value, (list, tuple)):
        return tuple(value) * n if len(value) == 1 else tuple(value)
    return (value,) * n


def _lp_pool(pool, n, input, norm_type, kernel_size, stride, ceil_mode):
    input.size(-n - 1)  # too few dimensions is an IndexError
    kernel = _tuple(kernel_size, n)
    mean = pool(input.pow(norm_type), kernel, stride, 0, ceil_mode)
    return (mean.sign() * F.relu(mean.abs())).mul(math.prod(kernel)).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride=None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) over windows of (N, C, L)."""
    return _lp_pool(F.avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) over windows of (N, C, H, W)."""
    return _lp_pool(F.avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) over windows of (N, C, D, H, W)."""
    return _lp_pool(F.avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by (k + alpha mean(x^2))^beta over `size` neighbouring channels."""
    if input.dim() < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)"
        )
    if input.numel() == 0:
        return input
    square = (input * input).movedim(1, -1)
    padded = F.pad(square, (size // 2, (size - 1) // 2))
    mean = padded.unfold(-1, size, 1).mean(-1).movedim(-1, 1)
    return input / (mean * alpha + k).pow(beta)


def _unpooled_size(input, kernel, stride, padding, output_size):
    """The size asked for, or the smallest that pools to the input's."""
    n = len(kernel)
    default = [
        (size - 1) * s + k - 2 * p
        for size, k, s, p in zip(input.shape[-n:], kernel, stride, padding, strict=True)
    ]
    if output_size is None:
        return default
    output_size = list(output_size)
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a "
            f"length of '{len(output_size)}'"
        )
    for d in range(n):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < output_size[d] < high:
            raise ValueError(
                f'invalid output_size "{tuple(output_size)}" (dim {d} must be between {low} and '
                f"{high})"
            )
    return output_size


def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    kernel = _tuple(kernel_size, n)
    stride = kernel if stride is None or stride == [] else _tuple(stride, n)
    padding = _tuple(padding, n)
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(
            f"Input to max_unpooling{n}d should be a {n + 1}d or {n + 2}d Tensor, but got a "
            f"tensor with {input.dim()} dimensions."
        )
    size = _unpooled_size(input, kernel, stride, padding, output_size)
    if indices.dtype != torch.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {str(indices.dtype)[6:]}"
        )
    if indices.shape != input.shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
        )
    total = math.prod(size)
    lead = input.shape[:-n]
    flat = indices.reshape(*lead, -1)
    wrong = (flat < 0) | (flat >= total)
    if flat.numel() and some(wrong):
        place = int(all_lanes(flat)[all_lanes(wrong)][0])
        raise RuntimeError(
            f"Found an invalid max index: {place} (output volumes are of size "
            + "x".join(str(s) for s in size)
            + ")"
        )
    out = input.new_zeros((*lead, total)).scatter(-1, flat, input.reshape(*lead, -1))
    return out.reshape(*lead, *size)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None
) -> Tensor:
    """Put pooled values back at their indices in (N, C, L); zeros elsewhere."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None
) -> Tensor:
    """Put pooled values back at their indices in (N, C, H, W); zeros elsewhere."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None
) -> Tensor:
    """Put pooled values back at their indices in (N, C, D, H, W); zeros elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _fractional(n, input, kernel_size, output_size, output_ratio, samples):
    """(values, flat indices) of fractional max pooling in n dimensions."""
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    kernel = _tuple(kernel_size, n)
    input.size(-n - 1)  # too few dimensions is an IndexError
    single = input.dim() == n + 1
    x = input.unsqueeze(0) if single else input
    size = x.shape[2:]
    if output_size is None:
        ratio = _tuple(output_ratio, n)
        output_size = [int(s * r) for s, r in zip(size, ratio, strict=True)]
    out = _tuple(output_size, n)
    for axis, k, s, o in zip(("time", "height", "width")[-n:], kernel, size, out, strict=True):
        if o + k - 1 > s:
            raise RuntimeError(f"{name}(): pool {axis} {k} too large relative to input {axis} {s}")
    if samples is None:
        samples = torch.rand(*x.shape[:2], n, dtype=x.dtype, device=x.device)
    samples = samples[: x.shape[0]]
    pool = getattr(pooling_adaptive, name)
    best, indices = pool(x, list(kernel), list(out), samples.expand(*x.shape[:2], n))
    return (best.squeeze(0), indices.squeeze(0)) if single else (best, indices)


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Fractional max pooling of (N, C, H, W), with the places of the maxima."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
):
    """Max pooling of (N, C, H, W) over windows placed at random (Graham 2014)."""
    both = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Fractional max pooling of (N, C, D, H, W), with the places of the maxima."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
):
    """Max pooling of (N, C, D, H, W) over windows placed at random (Graham 2014)."""
    both = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]
