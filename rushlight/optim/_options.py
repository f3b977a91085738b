"""Checks of options, and the numbers behind them."""

from __future__ import annotations

from math import sqrt
from typing import Any

import rushlight as torch

from .. import Tensor

# Where a graph of device work can be captured; `capturable=True` means nothing elsewhere.
CAPTURABLE_DEVICES = ["cuda", "xpu", "hpu", "privateuseone"]
_FUSED_DEVICES = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


def scalar_dtype() -> torch.dtype:
    """The dtype of step counters: float64 where that is the default type, else float32."""
    double = torch.get_default_dtype() == torch.float64
    return torch.float64 if double else torch.float32


def zero_step(fused: bool | None = None) -> Tensor:
    """A step counter at zero; float32 where `fused` asks for it."""
    return torch.tensor(0.0, dtype=torch.float32 if fused else scalar_dtype())


def to_number(value):
    """The Python number in a one-element tensor; anything else unchanged."""
    return value.item() if isinstance(value, Tensor) else value


def number_of(group: dict[str, Any], name: str) -> Any:
    """An option as a number; a tensor stays one where gradients shall flow into it."""
    value = group[name]
    return value if group.get("differentiable") else to_number(value)


def numbers_of(group: dict[str, Any], name: str) -> Any:
    """A tuple of options, as numbers."""
    values = group[name]
    return values if group.get("differentiable") else tuple(map(to_number, values))


def root(x):
    """The square root of a number or a tensor."""
    return x.sqrt() if isinstance(x, Tensor) else sqrt(x)


# What follows works in place, with a factor that is a number, or a tensor with a gradient.
def add_scaled(x: Tensor, y: Tensor, factor) -> Tensor:
    """x += factor * y."""
    return x.add_(y * factor) if isinstance(factor, Tensor) else x.add_(y, alpha=factor)


def add_ratio(x: Tensor, a: Tensor, b: Tensor, factor) -> Tensor:
    """x += factor * a / b."""
    if isinstance(factor, Tensor):
        return x.add_(a / b * factor)
    return x.addcdiv_(a, b, value=factor)


def decayed(g: Tensor, p: Tensor, decay) -> Tensor:
    """The gradient with weight decay added to it."""
    if isinstance(decay, Tensor):
        return g + p.clone() * decay  # p itself is about to change
    return g.add(p, alpha=decay) if decay else g


def decay_either(p: Tensor, g: Tensor, lr, decay, decoupled: bool) -> Tensor:
    """The gradient with weight decay added to it, or as it is where `p` itself shrinks."""
    if not decoupled:
        return decayed(g, p, decay)
    if isinstance(decay, Tensor) or decay:
        p.mul_(1 - lr * decay)
    return g


def move_square(square: Tensor, g: Tensor, beta) -> Tensor:
    """square = beta * square + (1 - beta) * g**2."""
    if isinstance(beta, Tensor):
        return square.lerp_(g.square(), 1 - beta)
    return square.mul_(beta).addcmul_(g, g, value=1 - beta)


def check_lr(lr: float | Tensor, message: str = "Invalid learning rate: {}") -> None:
    """Refuse a negative learning rate and a tensor of several."""
    check_one_element(lr)
    if not 0.0 <= lr:
        raise ValueError(message.format(lr))


def check_one_element(lr: float | Tensor) -> None:
    """Refuse a learning rate that is a tensor of several."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")


def check_at_least_zero(name: str, value: float) -> None:
    """Refuse a negative option, by the name used in the message."""
    if value < 0.0:
        raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas) -> None:
    """Refuse decay rates outside [0, 1)."""
    for index in range(2):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")


def check_mode(p: Tensor, group: dict[str, Any], captured: str | None) -> None:
    """Refuse a parameter that the chosen way of running a step cannot update."""
    if group.get("fused"):
        if not p.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of "
                f"supported devices: {_FUSED_DEVICES} but {p.dtype} and {p.device.type}"
            )
        return
    if captured is None:
        return
    if group.get("foreach") and group.get("differentiable"):
        raise AssertionError("_foreach ops don't support autograd")
    # XLA can capture only what runs parameter by parameter.
    devices = CAPTURABLE_DEVICES if group.get("foreach") else [*CAPTURABLE_DEVICES, "xla"]
    if group.get("capturable") and p.device.type not in devices:
        raise AssertionError(
            f"If capturable=True, {captured} must be on supported devices: {devices}."
        )


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Refuse ways of running a step that exclude each other."""
    if not fused:
        return
    if differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def like(g: Tensor, values: Tensor) -> Tensor:
    """A sparse tensor with other values at the places of the coalesced tensor `g`."""
    return torch.sparse_coo_tensor(g._indices(), values, g.shape, is_coalesced=True)
