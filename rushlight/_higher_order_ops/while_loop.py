"""torch.while_loop: a function over and over, as long as a tensor says so."""

from __future__ import annotations

from collections.abc import Callable

from .. import Tensor
from .._ops import HigherOrderOperator
from ..utils._pytree import tree_flatten, tree_leaves
from .utils import check_same, refused


class WhileLoopOp(HigherOrderOperator):
    """A loop whose carried values go in and out of its body."""

    def __init__(self):
        super().__init__("while_loop")

    def __call__(self, cond_fn, body_fn, carried_inputs, additional_inputs=()):
        carried, alone = tuple(carried_inputs), False
        while _goes_on(cond_fn(*carried, *additional_inputs)):
            result = body_fn(*carried, *additional_inputs)
            alone = len(carried) == 1 and isinstance(result, Tensor)
            carried = _next((result,) if alone else result, carried)
        return carried[0] if alone else carried


def _goes_on(answer) -> bool:
    if isinstance(answer, bool):
        return answer
    if isinstance(answer, Tensor) and answer.numel() == 1:
        return bool(answer)
    got = answer.shape if isinstance(answer, Tensor) else type(answer).__name__
    raise refused(
        "torch.while_loop",
        f"Expected cond_fn to return a scalar tensor or a bool but got {got}.",
    )


def _next(result, carried):
    result = tuple(result) if isinstance(result, list) else result
    leaves, spec = tree_flatten(carried)
    check_same("torch.while_loop", "body_fn's result", result, leaves, spec)
    return result


while_loop_op = WhileLoopOp()


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs):
    """Replace the carried values by `body_fn(*values)` while `cond_fn(*values)`; the last ones.

    The body's results have the structure, shapes and dtypes of what it is given.
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("Expect cond_fn and body_fn to be callable.")
    if not isinstance(carried_inputs, (tuple, list)) or any(
        not isinstance(leaf, (Tensor, int, float)) for leaf in tree_leaves(carried_inputs)
    ):
        raise RuntimeError(
            "Expect carried_inputs to be a tuple of possibly nested dict/list/tuple that only "
            f"consists of tensor or int leaves, but got {carried_inputs}."
        )
    return while_loop_op(cond_fn, body_fn, tuple(carried_inputs))
