"""Distances, similarities and bilinear forms."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ..ops.distance import above_diagonal, cdist_op
from . import functional as F

__all__ = [
    "bilinear", "cosine_similarity", "normalize", "pairwise_distance", "pdist",
    "softmin",
]  # fmt: skip


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax(-input)."""
    return F.softmax(-input, dim, _stacklevel=_stacklevel + 1, dtype=dtype)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divide by the p-norm along `dim`, which counts as at least eps."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return torch.div(input, norm) if out is None else torch.div(input, norm, out=out)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along `dim`, each norm counted as at least eps."""
    dtype = x1.dtype if x1.dtype is x2.dtype else torch.promote_types(x1.dtype, x2.dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {str(dtype)[6:]}"
        )
    if x1.dtype is not x2.dtype:
        x1, x2 = x1.to(dtype), x2.to(dtype)
    if x1.shape != x2.shape:
        x1, x2 = torch.broadcast_tensors(x1, x2)
    units = []
    for x in (x1, x2):
        norm = torch.linalg.vector_norm(x, 2, dim, keepdim=True)
        if norm.requires_grad:
            norm = norm.clone()  # the bound is none of its history
        norm.detach().clamp_min_(eps)
        units.append(x / norm)
    return (units[0] * units[1]).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension."""
    return torch.norm(x1 - x2 + eps, p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norm distances between all pairs of rows, row by row above the diagonal."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    if not input.is_floating_point():
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}")
    return above_diagonal(cdist_op(input, input, float(p)))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 @ weight[k] @ input2 + bias[k] for every k; weight is (out, in1, in2)."""
    if weight.dim() != 3 or input1.dim() != input2.dim():
        raise RuntimeError(
            "bilinear(): input dimensions do not match: got "
            f"{input1.dim()} and {input2.dim()}, weight {weight.dim()}"
        )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and "
            f"{list(input2.shape)}"
        )
    out, in1, in2 = weight.shape
    for number, x, expected in ((1, input1, in1), (2, input2, in2)):
        if x.shape[-1] != expected:
            raise RuntimeError(
                f"bilinear(): input{number} size does not match weight size: got {x.shape[-1]} "
                f"but expected {expected}"
            )
    if bias is not None and bias.shape[0] != out:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but "
            f"expected {out}"
        )
    left = torch.matmul(input1, weight.permute(1, 0, 2).reshape(in1, out * in2))
    left = left.reshape(*input1.shape[:-1], out, in2)
    result = torch.matmul(left, input2.unsqueeze(-1)).squeeze(-1)
    return result if bias is None else result + bias
