"""Adamax: Adam with the infinity norm (Kingma and Ba, 2014)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_ratio,
    check_at_least_zero,
    check_betas,
    check_lr,
    decayed,
    number_of,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class Adamax(Optimizer):
    """Divide a running mean of gradients by a decaying maximum of their size."""

    _kernel = staticmethod(_C.fused_adamax)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_at_least_zero("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p, group):
        return {
            "step": zero_step(),
            "exp_avg": torch.zeros_like(p),
            "exp_inf": torch.zeros_like(p),
        }

    def _update(self, p, g, state, group):
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"].item()
        g = decayed(g, p, number_of(group, "weight_decay"))
        mean = state["exp_avg"].lerp_(g, 1 - beta1)
        largest = state["exp_inf"].mul_(beta2)
        largest.copy_(torch.maximum(largest.clone(), g.abs() + group["eps"]))
        add_ratio(p, mean, largest, -number_of(group, "lr") / (1 - beta1**step))


def adamax(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_infs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: float | Tensor,
    weight_decay: float,
) -> None:
    """One step of Adamax over lists of tensors, which change in place."""
    states = {"exp_avg": exp_avgs, "exp_inf": exp_infs, "step": state_steps}
    group = {
        "eps": eps,
        "lr": lr,
        "weight_decay": weight_decay,
        "foreach": foreach,
        "maximize": maximize,
        "differentiable": differentiable,
        "capturable": capturable,
        "betas": (beta1, beta2),
    }
    run_rule(Adamax, params, grads, states, group)
