"""Rules about shapes, strides and dtypes that libraries import."""

from __future__ import annotations

from collections.abc import Sequence

import rushlight as torch

from . import Tensor

_REAL = {
    torch.complex32: torch.float16,
    torch.complex64: torch.float32,
    torch.complex128: torch.float64,
}


def make_contiguous_strides_for(shape: Sequence[int], row_major: bool = True) -> tuple[int, ...]:
    """The strides of a dense tensor; `row_major=False` packs the last two dims by columns."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= max(size, 1)
    if not row_major and len(shape) > 1:
        strides[-2:] = [1, max(shape[-2], 1)]
    return tuple(strides)


def suggest_memory_format(x: Tensor) -> torch.memory_format:
    """The memory format that a tensor of four or five dims has."""
    for form, dims in ((torch.channels_last, 4), (torch.channels_last_3d, 5)):
        if x.dim() == dims and not x.is_contiguous() and x.is_contiguous(memory_format=form):
            return form
    return torch.contiguous_format


def is_contiguous(a: Tensor) -> bool:
    """Whether a tensor is dense in row-major order."""
    return a.is_contiguous()


is_contiguous_or_false = is_contiguous


def canonicalize_dim(rank: int, idx: int, wrap_scalar: bool = True) -> int:
    """A dim counted from the front; IndexError when there is none."""
    if rank < 0:
        raise IndexError(f"Rank cannot be negative but got {rank}")
    if rank == 0:
        if not wrap_scalar:
            raise IndexError(f"Dimension specified as {idx} but tensor has no dimensions")
        rank = 1
    if not -rank <= idx < rank:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got "
            f"{idx})"
        )
    return idx % rank


def canonicalize_dims(rank: int, indices, wrap_scalar: bool = True):
    """One dim or several, counted from the front."""
    if isinstance(indices, int):
        return canonicalize_dim(rank, indices, wrap_scalar)
    return tuple(canonicalize_dim(rank, i, wrap_scalar) for i in indices)


def is_float_dtype(dtype: torch.dtype) -> bool:
    """Whether it is of real numbers."""
    return dtype.is_floating_point


def is_complex_dtype(dtype: torch.dtype) -> bool:
    """Whether it is of complex numbers."""
    return dtype.is_complex


def is_boolean_dtype(dtype: torch.dtype) -> bool:
    """Whether it is bool."""
    return dtype is torch.bool


def is_integer_dtype(dtype: torch.dtype) -> bool:
    """Whether it is of whole numbers."""
    return not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool)


def corresponding_real_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of the parts of complex numbers."""
    return _REAL[dtype]
