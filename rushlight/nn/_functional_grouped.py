"""Products of matrices in groups, as mixtures of experts use them."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

__all__ = ["assert_int_or_pair", "grouped_mm"]


def assert_int_or_pair(arg: list[int], arg_name: str, message: str) -> None:
    """Complain, with the message, of what is neither an int nor two of them."""
    if not (isinstance(arg, int) or len(arg) == 2):
        raise AssertionError(message.format(arg_name))


def grouped_mm(
    mat_a: Tensor,
    mat_b: Tensor,
    *,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype=None,
) -> Tensor:
    """One product for each group: a 2-d operand is cut at the offsets, a 3-d one is a stack.

    Rows or columns behind the last offset come out as zeros.
    """
    _check(mat_a, mat_b, offs, bias, out_dtype)
    if offs is None:
        return torch.bmm(mat_a, mat_b)
    ends = offs.tolist()
    groups = list(zip([0, *ends[:-1]], ends, strict=True))
    if mat_a.dim() == 2 and mat_b.dim() == 2:  # the summed dimension is cut
        return torch.stack([mat_a[:, i:j] @ mat_b[i:j] for i, j in groups])
    if mat_a.dim() == 2:
        parts = [mat_a[i:j] @ b for (i, j), b in zip(groups, mat_b.unbind(0), strict=True)]
        rest = mat_a.new_zeros((mat_a.shape[0] - ends[-1], mat_b.shape[-1]))
        return torch.cat([*parts, rest])
    parts = [a @ mat_b[:, i:j] for (i, j), a in zip(groups, mat_a.unbind(0), strict=True)]
    rest = mat_b.new_zeros((mat_a.shape[1], mat_b.shape[1] - ends[-1]))
    return torch.cat([*parts, rest], 1)


def _check(mat_a, mat_b, offs, bias, out_dtype):
    for name, mat in (("mat_a", mat_a), ("mat_b", mat_b)):
        if mat.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise RuntimeError(
                f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {mat.dtype}"
            )
        if mat.dim() not in (2, 3):
            raise RuntimeError(f"{name} has to be 2 or 3d, got {mat.dim()}d")
    if mat_a.shape[-1] != mat_b.shape[-2]:
        raise RuntimeError(
            "contraction dimension of mat_a and mat_b must match: got "
            f"{mat_a.shape[-1]} and {mat_b.shape[-2]}"
        )
    if (offs is not None) != (mat_a.dim() == 2 or mat_b.dim() == 2):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype is not None and out_dtype != mat_a.dtype:
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    if offs is not None and not _rising(offs.tolist(), mat_a, mat_b):
        raise RuntimeError(
            f"grouped_mm: offsets must rise from 0 to the size they cut: got {offs.tolist()}"
        )


def _rising(ends, mat_a, mat_b):
    cut = mat_b.shape[1] if mat_a.dim() == 3 else mat_a.shape[1 if mat_b.dim() == 2 else 0]
    stack = [m.shape[0] for m in (mat_a, mat_b) if m.dim() == 3]
    steps = zip([0, *ends], [*ends, cut], strict=True)
    return all(a <= b for a, b in steps) and all(n == len(ends) for n in stack)
