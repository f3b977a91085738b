"""torch.cond: one of two functions, by a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import Tensor, where
from .._functorch.bindings import is_batchedtensor
from .._ops import HigherOrderOperator
from ..utils._pytree import tree_flatten, tree_leaves, tree_unflatten
from .utils import refused


class CondOp(HigherOrderOperator):
    """One of two functions on the same operands."""

    def __init__(self):
        super().__init__("cond")

    def __call__(self, pred, true_fn, false_fn, operands=()):
        if isinstance(pred, Tensor) and is_batchedtensor(pred):
            return _lane_by_lane(pred, true_fn(*operands), false_fn(*operands))
        return true_fn(*operands) if pred else false_fn(*operands)


def _lane_by_lane(pred, chosen, other):
    leaves, spec = tree_flatten(chosen)
    others, other_spec = tree_flatten(other)
    if spec != other_spec:
        raise refused("torch.cond", f"the branches return {spec} and {other_spec}")
    return tree_unflatten([where(pred, a, b) for a, b in zip(leaves, others, strict=True)], spec)


cond_op = CondOp()


def cond(
    pred: bool | int | float | Tensor,
    true_fn: Callable,
    false_fn: Callable,
    operands: tuple | list = (),
) -> Any:
    """`true_fn(*operands)` where `pred` holds, else `false_fn(*operands)`.

    `pred` is a number or a tensor of one element; under vmap each lane has its own answer. Only
    the branch that is taken runs.
    """
    if isinstance(pred, (bool, int, float)):
        return true_fn(*operands) if pred else false_fn(*operands)
    if not isinstance(pred, Tensor):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)) or any(
        not isinstance(leaf, (Tensor, int)) for leaf in tree_leaves(operands)
    ):
        raise RuntimeError(
            "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists "
            f"of tensor or int leaves, but got {operands}."
        )
    return cond_op(pred, true_fn, false_fn, tuple(operands))
