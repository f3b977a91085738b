"""Checks of options, and the numbers behind them."""

from __future__ import annotations

import rushlight as torch

from .. import Tensor


def scalar_dtype() -> torch.dtype:
    """The dtype of step counters: float64 where that is the default type, else float32."""
    double = torch.get_default_dtype() == torch.float64
    return torch.float64 if double else torch.float32


def zero_step(fused: bool | None = None) -> Tensor:
    """A step counter at zero; float32 where `fused` asks for it."""
    return torch.zeros((), dtype=torch.float32 if fused else scalar_dtype())


def to_number(value):
    """The Python number in a one-element tensor; anything else unchanged."""
    return value.item() if isinstance(value, Tensor) else value


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
