"""RAdam: Adam with a rectified learning rate (Liu et al., 2019)."""

from __future__ import annotations

from math import sqrt

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_ratio,
    add_scaled,
    check_at_least_zero,
    check_betas,
    check_lr,
    decay_either,
    move_square,
    number_of,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class RAdam(Optimizer):
    """Adam that steps by plain momentum until the second moment is known well enough."""

    _kernel = staticmethod(_C.fused_radam)
    _late_options = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p, group):
        return {
            "step": zero_step(),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }

    def _update(self, p, g, state, group):
        lr, decay = number_of(group, "lr"), number_of(group, "weight_decay")
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"].item()
        g = decay_either(p, g, lr, decay, group["decoupled_weight_decay"])
        mean = state["exp_avg"].lerp_(g, 1 - beta1)
        square = move_square(state["exp_avg_sq"], g, beta2)
        size = lr / (1 - beta1**step)
        rectification = _rectification(beta2, step)
        if rectification is None:
            add_scaled(p, mean, -size)
            return
        size = size * (sqrt(1 - beta2**step) * rectification)
        add_ratio(p, mean, square.sqrt() + group["eps"], -size)


def _rectification(beta2, step):
    """The paper's r_t, or None while the variance of the second moment is too large."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / (1 - beta2**step)
    if length <= 5:
        return None
    reached = (length - 4) * (length - 2) * longest
    return sqrt(reached / ((longest - 4) * (longest - 2) * length))


def radam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: float | Tensor,
    weight_decay: float,
    eps: float,
) -> None:
    """One step of RAdam over lists of tensors, which change in place."""
    states = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "step": state_steps}
    group = {
        "lr": lr,
        "weight_decay": weight_decay,
        "eps": eps,
        "decoupled_weight_decay": decoupled_weight_decay,
        "foreach": foreach,
        "capturable": capturable,
        "differentiable": differentiable,
        "maximize": maximize,
        "betas": (beta1, beta2),
    }
    run_rule(RAdam, params, grads, states, group)
