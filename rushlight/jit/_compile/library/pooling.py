"""Pooling; the forms that give indices too are chosen while compiling."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ..annotated import BroadcastingList1, BroadcastingList2, BroadcastingList3
from ..operators import aten

__all__ = [
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices",
    "fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices", "lp_pool1d",
    "lp_pool2d", "lp_pool3d", "max_pool1d_with_indices", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d",
    "_adaptive_max_pool1d", "_adaptive_max_pool2d", "_adaptive_max_pool3d",
    "_fractional_max_pool2d", "_fractional_max_pool3d", "_max_pool1d", "_max_pool2d",
    "_max_pool3d",
]  # fmt: skip


def adaptive_avg_pool2d(input: Tensor, output_size: BroadcastingList2[int]) -> Tensor:
    return aten.adaptive_avg_pool2d(input, _whole(input.size(), output_size))


def adaptive_avg_pool3d(input: Tensor, output_size: BroadcastingList3[int]) -> Tensor:
    return aten.adaptive_avg_pool3d(input, _whole(input.size(), output_size))


def _whole(size: list[int], output_size: list[int]) -> list[int]:
    if len(size) <= len(output_size):
        raise RuntimeError(f"Input dimension should be at least {len(output_size) + 1}")
    return [v if v is not None else d for v, d in zip(output_size, size[-len(output_size) :])]


def adaptive_max_pool1d_with_indices(
    input: Tensor,
    output_size: BroadcastingList1[int],
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    return torch.adaptive_max_pool1d(input, output_size)


def _adaptive_max_pool1d(
    input: Tensor,
    output_size: BroadcastingList1[int],
    return_indices: bool = False,
) -> Tensor:
    return adaptive_max_pool1d_with_indices(input, output_size)[0]


def adaptive_max_pool2d_with_indices(
    input: Tensor,
    output_size: BroadcastingList2[int],
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    return aten.adaptive_max_pool2d(input, _whole(input.size(), output_size))


def _adaptive_max_pool2d(
    input: Tensor,
    output_size: BroadcastingList2[int],
    return_indices: bool = False,
) -> Tensor:
    return adaptive_max_pool2d_with_indices(input, output_size)[0]


def adaptive_max_pool3d_with_indices(
    input: Tensor,
    output_size: BroadcastingList3[int],
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    return aten.adaptive_max_pool3d(input, _whole(input.size(), output_size))


def _adaptive_max_pool3d(
    input: Tensor,
    output_size: BroadcastingList3[int],
    return_indices: bool = False,
) -> Tensor:
    return adaptive_max_pool3d_with_indices(input, output_size)[0]


def _stride(stride: list[int] | None) -> list[int]:
    given = torch.jit.annotate(list[int], [])
    if stride is not None:
        given = stride
    return given


def _max_pool1d(
    input: Tensor,
    kernel_size: BroadcastingList1[int],
    stride: BroadcastingList1[int] | None = None,
    padding: BroadcastingList1[int] = 0,
    dilation: BroadcastingList1[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    return aten.max_pool1d(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


def _max_pool2d(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    stride: BroadcastingList2[int] | None = None,
    padding: BroadcastingList2[int] = 0,
    dilation: BroadcastingList2[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    return aten.max_pool2d(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


def _max_pool3d(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    stride: BroadcastingList3[int] | None = None,
    padding: BroadcastingList3[int] = 0,
    dilation: BroadcastingList3[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    return aten.max_pool3d(input, kernel_size, _stride(stride), padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList1[int],
    stride: BroadcastingList1[int] | None = None,
    padding: BroadcastingList1[int] = 0,
    dilation: BroadcastingList1[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    return aten.max_pool1d_with_indices(
        input, kernel_size, _stride(stride), padding, dilation, ceil_mode
    )


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    stride: BroadcastingList2[int] | None = None,
    padding: BroadcastingList2[int] = 0,
    dilation: BroadcastingList2[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    return aten.max_pool2d_with_indices(
        input, kernel_size, _stride(stride), padding, dilation, ceil_mode
    )


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    stride: BroadcastingList3[int] | None = None,
    padding: BroadcastingList3[int] = 0,
    dilation: BroadcastingList3[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    return aten.max_pool3d_with_indices(
        input, kernel_size, _stride(stride), padding, dilation, ceil_mode
    )


def _fractional_size(
    input: Tensor,
    count: int,
    output_size: list[int] | None,
    output_ratio: list[float] | None,
) -> list[int]:
    if output_size is not None:
        return output_size
    assert output_ratio is not None, "one of output_size and output_ratio must be given"
    found = torch.jit.annotate(list[int], [])
    for i in range(count):
        found.append(int(input.size(i - count) * output_ratio[i]))
    return found


def _fractional_samples(input: Tensor, count: int, samples: Tensor | None) -> Tensor:
    if samples is not None:
        return samples
    n_batch = 1 if input.dim() == count + 1 else input.size(0)
    return torch.rand(
        [n_batch, input.size(-count - 1), count], dtype=input.dtype, device=input.device
    )


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    output_size: BroadcastingList2[int] | None = None,
    output_ratio: BroadcastingList2[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    size = _fractional_size(input, 2, output_size, output_ratio)
    _random_samples = _fractional_samples(input, 2, _random_samples)
    return aten.fractional_max_pool2d(input, kernel_size, size, _random_samples)


def _fractional_max_pool2d(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    output_size: BroadcastingList2[int] | None = None,
    output_ratio: BroadcastingList2[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor:
    return fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )[0]


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    output_size: BroadcastingList3[int] | None = None,
    output_ratio: BroadcastingList3[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    size = _fractional_size(input, 3, output_size, output_ratio)
    _random_samples = _fractional_samples(input, 3, _random_samples)
    return aten.fractional_max_pool3d(input, kernel_size, size, _random_samples)


def _fractional_max_pool3d(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    output_size: BroadcastingList3[int] | None = None,
    output_ratio: BroadcastingList3[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor:
    return fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )[0]


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: int,
    stride: BroadcastingList1[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    out = aten.avg_pool1d(input.pow(norm_type), kernel_size, _stride(stride), 0, ceil_mode)
    return (
        (torch.sign(out) * torch.nn.functional.relu(torch.abs(out)))
        .mul(kernel_size)
        .pow(1.0 / norm_type)
    )


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: BroadcastingList2[int],
    stride: BroadcastingList2[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    out = aten.avg_pool2d(input.pow(norm_type), kernel_size, _stride(stride), 0, ceil_mode)
    count = kernel_size[0] * kernel_size[1]
    return (
        (torch.sign(out) * torch.nn.functional.relu(torch.abs(out))).mul(count).pow(1.0 / norm_type)
    )


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: BroadcastingList3[int],
    stride: BroadcastingList3[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    out = aten.avg_pool3d(input.pow(norm_type), kernel_size, _stride(stride), 0, ceil_mode)
    count = kernel_size[0] * kernel_size[1] * kernel_size[2]
    return (
        (torch.sign(out) * torch.nn.functional.relu(torch.abs(out))).mul(count).pow(1.0 / norm_type)
    )


def _unpooled(
    input: Tensor,
    kernel_size: list[int],
    stride: list[int],
    padding: list[int],
    output_size: list[int] | None,
) -> list[int]:
    dims = len(kernel_size)
    sizes = input.size()
    usual = torch.jit.annotate(list[int], [])
    for d in range(dims):
        size = sizes[len(sizes) - dims + d]
        usual.append((size - 1) * stride[d] + kernel_size[d] - 2 * padding[d])
    if output_size is None:
        return usual
    found = output_size
    if len(found) == dims + 2:
        found = found[2:]
    if len(found) != dims:
        raise ValueError(
            f"output_size should be a sequence containing {dims} or {dims + 2} elements, but it "
            f"has a length of '{len(output_size)}'"
        )
    for d in range(dims):
        low = usual[d] - stride[d]
        high = usual[d] + stride[d]
        if found[d] <= low or found[d] >= high:
            raise ValueError(
                f"invalid output_size '{found}' (dim {d} must be between {low} and {high})"
            )
    return found


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: BroadcastingList1[int],
    stride: BroadcastingList1[int] | None = None,
    padding: BroadcastingList1[int] = 0,
    output_size: BroadcastingList1[int] | None = None,
) -> Tensor:
    step = stride if stride is not None else kernel_size
    size = _unpooled(input, kernel_size, step, padding, output_size)
    flat = aten.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), size + [1])
    return flat.squeeze(-1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: BroadcastingList2[int],
    stride: BroadcastingList2[int] | None = None,
    padding: BroadcastingList2[int] = 0,
    output_size: BroadcastingList2[int] | None = None,
) -> Tensor:
    step = stride if stride is not None else kernel_size
    size = _unpooled(input, kernel_size, step, padding, output_size)
    return aten.max_unpool2d(input, indices, size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: BroadcastingList3[int],
    stride: BroadcastingList3[int] | None = None,
    padding: BroadcastingList3[int] = 0,
    output_size: BroadcastingList3[int] | None = None,
) -> Tensor:
    step = stride if stride is not None else kernel_size
    size = _unpooled(input, kernel_size, step, padding, output_size)
    return aten.max_unpool3d(input, indices, size, step, padding)
