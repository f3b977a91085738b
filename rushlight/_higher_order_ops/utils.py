"""What operators that take functions share."""

from __future__ import annotations

from typing import Any

from .. import Tensor
from .._dynamo.exc import UncapturedHigherOrderOpError
from ..utils._pytree import TreeSpec, tree_flatten


def refused(operator: str, what: str) -> UncapturedHigherOrderOpError:
    """The error for functions that do not fit their operator."""
    return UncapturedHigherOrderOpError(
        "This higher order operator doesn't work unless it is captured completely with "
        f"torch.compile: {operator}: {what}"
    )


def leaves_along(operator: str, xs: Any, dim: int, kind: type[Exception] = RuntimeError):
    """(tensors, structure) of what is scanned; an error unless all are as long along `dim`."""
    leaves, spec = tree_flatten(xs)
    if not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise kind(f"All xs leaves must be a Tensor but got {leaves}")
    if any(leaf.dim() <= dim or leaf.shape[dim] == 0 for leaf in leaves):
        raise kind(
            "All xs leaves must at least have 'dim' number of dimensions and scan dimension > 0"
        )
    if len({leaf.shape[dim] for leaf in leaves}) > 1:
        raise kind(
            "All xs leaves must have same scan dimension but got "
            f"{[leaf.shape[dim] for leaf in leaves]}"
        )
    return leaves, spec


def check_same(operator: str, what: str, got: Any, wanted: list, spec: TreeSpec) -> list:
    """The leaves of a result, which must have the shapes and dtypes of what it replaces."""
    leaves, found = tree_flatten(got)
    if found != spec:
        raise refused(
            operator, f"expected {what} to have the structure of what it replaces, {spec}, got "
            f"{found}"
        )  # fmt: skip
    for leaf, old in zip(leaves, wanted, strict=True):
        if not isinstance(leaf, Tensor) or not isinstance(old, Tensor):
            continue
        if leaf.shape != old.shape or leaf.dtype is not old.dtype:
            raise refused(
                operator, f"expected {what} to have the shape and dtype of what it replaces, "
                f"{list(old.shape)} and {old.dtype}, got {list(leaf.shape)} and {leaf.dtype}"
            )  # fmt: skip
    return leaves
