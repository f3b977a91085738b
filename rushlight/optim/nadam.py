"""NAdam: Adam with Nesterov momentum (Dozat, 2016)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_ratio,
    check_at_least_zero,
    check_betas,
    check_lr,
    decay_either,
    move_square,
    number_of,
    scalar_dtype,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class NAdam(Optimizer):
    """Adam that looks ahead along its momentum, which warms up by `momentum_decay`."""

    _kernel = staticmethod(_C.fused_nadam)
    _tensor_state = ("step", "mu_product")
    _captured = "params, mu_products and state_steps"
    _late_options = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_at_least_zero("momentum_decay", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p, group):
        return {
            "step": zero_step(),
            "mu_product": torch.ones((), dtype=scalar_dtype()),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }

    def _update(self, p, g, state, group):
        lr, decay = number_of(group, "lr"), number_of(group, "weight_decay")
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"].item()
        g = decay_either(p, g, lr, decay, group["decoupled_weight_decay"])
        momentum, ahead = (
            beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
        )
        state["mu_product"] *= momentum
        product = state["mu_product"].item()
        mean = state["exp_avg"].lerp_(g, 1 - beta1)
        square = move_square(state["exp_avg_sq"], g, beta2)
        scale = square.div(1 - beta2**step).sqrt() + group["eps"]
        add_ratio(p, g, scale, -lr * (1 - momentum) / (1 - product))
        add_ratio(p, mean, scale, -lr * ahead / (1 - product * ahead))


def nadam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    mu_products: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: float | Tensor,
    weight_decay: float,
    momentum_decay: float,
    eps: float,
) -> None:
    """One step of NAdam over lists of tensors, which change in place."""
    states = {
        "exp_avg": exp_avgs,
        "exp_avg_sq": exp_avg_sqs,
        "mu_product": mu_products,
        "step": state_steps,
    }
    group = {
        "lr": lr,
        "weight_decay": weight_decay,
        "momentum_decay": momentum_decay,
        "eps": eps,
        "decoupled_weight_decay": decoupled_weight_decay,
        "foreach": foreach,
        "capturable": capturable,
        "differentiable": differentiable,
        "maximize": maximize,
        "betas": (beta1, beta2),
    }
    run_rule(NAdam, params, grads, states, group)
