"""The different values of a tensor: torch.unique and torch.unique_consecutive."""

from __future__ import annotations

from rushlight import Tensor

from ..operators import aten


def _unique_all(
    input: Tensor, sorted: bool, return_inverse: bool, return_counts: bool, dim: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    if dim is not None:
        return aten.unique_dim(input, dim, sorted, return_inverse, return_counts)
    return aten._unique2(input, sorted, return_inverse, return_counts)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Tensor:
    found, _, _ = _unique_all(input, sorted, False, False, dim)
    return found


def unique_with_inverse(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Tensor, Tensor]:
    found, inverse, _ = _unique_all(input, sorted, True, False, dim)
    return found, inverse


def unique_with_counts(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Tensor, Tensor]:
    found, _, counts = _unique_all(input, sorted, False, True, dim)
    return found, counts


def unique_with_both(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    return _unique_all(input, sorted, True, True, dim)


def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Tensor:
    found, _, _ = aten.unique_consecutive(input, False, False, dim)
    return found


def unique_consecutive_with_inverse(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Tensor, Tensor]:
    found, inverse, _ = aten.unique_consecutive(input, True, False, dim)
    return found, inverse


def unique_consecutive_with_counts(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Tensor, Tensor]:
    found, _, counts = aten.unique_consecutive(input, False, True, dim)
    return found, counts


def unique_consecutive_with_both(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    return aten.unique_consecutive(input, True, True, dim)
