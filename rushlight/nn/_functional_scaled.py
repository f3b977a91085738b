"""Products of float8 matrices with scales."""

from __future__ import annotations

from enum import Enum

import rushlight as torch
from rushlight import Tensor

__all__ = ["ScalingType", "SwizzleType", "scaled_mm", "scaled_grouped_mm"]


class ScalingType(Enum):
    """What shares one scale: the tensor, a row, or a block of a row."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(Enum):
    """In which order block scales lie in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


_FLOAT8 = {"float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"}


def _single(value):
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _scale(matrix, scale, recipe, rows_of):
    """The matrix in float32, times its scale; ValueError for what the CPU does not do."""
    scale, recipe = _single(scale), _single(recipe)
    fits = {
        ScalingType.TensorWise: lambda: scale.numel() == 1,
        ScalingType.RowWise: lambda: scale.numel() == matrix.shape[rows_of],
    }
    if (
        str(matrix.dtype).partition(".")[2] not in _FLOAT8
        or recipe not in fits
        or scale.dtype is not torch.float32
        or not fits[recipe]()
    ):
        raise ValueError(
            "Invalid scaling configuration: the CPU takes float8 matrices with float32 scales, "
            "one (TensorWise) or one per row of mat_a and column of mat_b (RowWise); got "
            f"{matrix.dtype} with {recipe}"
        )
    shape = [1, 1]
    shape[rows_of] = -1
    return matrix.to(torch.float32) * scale.reshape(shape)


def scaled_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a,
    scale_recipe_a,
    scale_b,
    scale_recipe_b,
    swizzle_a=None,
    swizzle_b=None,
    bias: Tensor | None = None,
    output_dtype=torch.bfloat16,
    contraction_dim=(),
    use_fast_accum: bool = False,
) -> Tensor:
    """(mat_a scale_a) @ (mat_b scale_b) + bias, summed in float32, in `output_dtype`."""
    if mat_a.dim() != 2 or mat_b.dim() != 2 or mat_a.shape[1] != mat_b.shape[0]:
        raise RuntimeError(
            "scaled_mm: mat1 and mat2 shapes cannot be multiplied: "
            f"got {list(mat_a.shape)}, {list(mat_b.shape)}"
        )
    a = _scale(mat_a, scale_a, scale_recipe_a, 0)
    b = _scale(mat_b, scale_b, scale_recipe_b, 1)
    out = a @ b
    if bias is not None:
        out = out + bias.to(torch.float32)
    return out.to(torch.bfloat16 if output_dtype is None else output_dtype)


def scaled_grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    scale_a,
    scale_recipe_a,
    scale_b,
    scale_recipe_b,
    swizzle_a=None,
    swizzle_b=None,
    bias: Tensor | None = None,
    offs: Tensor | None = None,
    output_dtype=torch.bfloat16,
    contraction_dim=(),
    use_fast_accum: bool = False,
) -> Tensor:
    """Products of groups of float8 matrices: like PyTorch's, not on the CPU."""
    raise NotImplementedError(
        "scaled_grouped_mm has no CPU kernel: call scaled_mm for every group, or grouped_mm"
    )
