"""Adadelta (Zeiler, 2012)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_scaled,
    check_at_least_zero,
    check_lr,
    decayed,
    move_square,
    number_of,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class Adadelta(Optimizer):
    """Scale the gradient by the ratio of the running sizes of past steps and gradients."""

    _kernel = staticmethod(_C.fused_adadelta)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_at_least_zero("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p, group):
        return {
            "step": zero_step(),
            "square_avg": torch.zeros_like(p),
            "acc_delta": torch.zeros_like(p),
        }

    def _update(self, p, g, state, group):
        rho, eps = group["rho"], group["eps"]
        square, past = state["square_avg"], state["acc_delta"]
        state["step"] += 1
        g = decayed(g, p, number_of(group, "weight_decay"))
        move_square(square, g, rho)
        delta = past.add(eps).sqrt() / square.add(eps).sqrt() * g
        move_square(past, delta, rho)
        add_scaled(p, delta, -number_of(group, "lr"))


def adadelta(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    acc_deltas: list[Tensor],
    state_steps: list[Tensor],
    capturable: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float | Tensor,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """One step of Adadelta over lists of tensors, which change in place."""
    states = {"square_avg": square_avgs, "acc_delta": acc_deltas, "step": state_steps}
    group = {
        "lr": lr,
        "rho": rho,
        "eps": eps,
        "weight_decay": weight_decay,
        "maximize": maximize,
        "capturable": capturable,
        "foreach": foreach,
        "differentiable": differentiable,
    }
    run_rule(Adadelta, params, grads, states, group)
