"""How losses are reduced, and the two old arguments that said it before `reduction` did."""

from __future__ import annotations

from ..ops.loss import legacy_reduction


def get_enum(reduction):
    """PyTorch's number for a reduction."""
    numbers = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}
    if reduction not in numbers:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return numbers[reduction]


def legacy_get_string(size_average, reduce, emit_warning: bool = True) -> str:
    """The name of the reduction that the old arguments mean."""
    return legacy_reduction(size_average, reduce, emit_warning)


def legacy_get_enum(size_average, reduce, emit_warning: bool = True) -> int:
    """The number of the reduction that the old arguments mean."""
    return get_enum(legacy_reduction(size_average, reduce, emit_warning))
