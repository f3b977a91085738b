"""How losses are reduced, and the two old arguments that said it before `reduction` did."""

from __future__ import annotations

import warnings


def legacy_reduction(size_average, reduce, emit_warning=True):
    """The `reduction` that `size_average` and `reduce` mean."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    name = "none" if not reduce else "mean" if size_average else "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{name}' instead.",
            stacklevel=4,
        )
    return name


def chosen(reduction, size_average=None, reduce=None):
    """The reduction asked for in the new or the old way, checked."""
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss, reduction):
    """The loss of all elements as one number, or as it is."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


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
