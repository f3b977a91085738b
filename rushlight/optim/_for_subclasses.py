"""What optimizers written elsewhere import from `optim.optimizer` beside the base class."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import rushlight as torch

from .. import Tensor
from ._options import CAPTURABLE_DEVICES, scalar_dtype, to_number

__all__ = [
    "_capturable_doc",
    "_default_to_fused_or_foreach",
    "_differentiable_doc",
    "_disable_dynamo_if_unsupported",
    "_foreach_doc",
    "_fused_doc",
    "_get_capturable_supported_devices",
    "_get_scalar_dtype",
    "_get_value",
    "_maximize_doc",
    "_params_doc",
    "_stack_if_compiling",
    "_to_scalar",
    "_use_grad_for_differentiable",
    "_view_as_real",
]

_params_doc = """params (iterable): parameters, or dictionaries of parameters and their options"""
_foreach_doc = """foreach (bool, optional): accepted; all parameters are updated in one call anyway
            (default: None)"""
_fused_doc = (
    """fused (bool, optional): round half types only when they are stored (default: None)"""
)
_maximize_doc = """maximize (bool, optional): ascend instead of descending (default: False)"""
_capturable_doc = """capturable (bool, optional): only for devices whose work can be captured
            (default: False)"""
_differentiable_doc = """differentiable (bool, optional): let gradients flow through the step
            (default: False)"""


def _use_grad_for_differentiable(func: Callable) -> Callable:
    """Let a `step` record gradients where `defaults["differentiable"]` says so, only there."""

    @wraps(func)
    def step(*args, **kwargs):
        with torch.set_grad_enabled(bool(args[0].defaults["differentiable"])):
            return func(*args, **kwargs)

    return step


def _get_value(x: Any) -> Any:
    """The number in a one-element tensor."""
    return to_number(x)


def _to_scalar(x: float | Tensor) -> float | Tensor:
    """A one-element tensor without dimensions; anything else unchanged."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() else x


def _stack_if_compiling(x: Any) -> Any:
    return x


def _view_as_real(params: list[Tensor], *state_and_grads: list[Tensor]) -> None:
    """Replace complex parameters, and what belongs to them, by real views."""
    for i, p in enumerate(params):
        if p.is_complex():
            params[i] = torch.view_as_real(p)
            for values in state_and_grads:
                values[i] = torch.view_as_real(values[i])


def _get_scalar_dtype(is_fused: bool | None = None) -> torch.dtype:
    """The dtype of step counters."""
    return torch.float32 if is_fused else scalar_dtype()


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """The types of devices whose work can be captured."""
    return [*CAPTURABLE_DEVICES, "xla"] if supports_xla else list(CAPTURABLE_DEVICES)


def _default_to_fused_or_foreach(
    params: list[Tensor], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Whether fused and foreach are the default: neither, for all parameters go in one call."""
    return False, False


def _disable_dynamo_if_unsupported(single_tensor_fn: Callable | None = None) -> Callable:
    """A decorator that changes nothing here: nothing is compiled."""
    return lambda func: func
