"""Adam (Kingma and Ba, 2014), and its variant AMSGrad (Reddi, Kale and Kumar, 2018)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_ratio,
    check_at_least_zero,
    check_betas,
    check_fused,
    check_lr,
    decay_either,
    move_square,
    number_of,
    numbers_of,
    root,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class Adam(Optimizer):
    """Divide a running mean of gradients by the root of a running mean of their squares."""

    _kernel = staticmethod(_C.fused_adam)
    _sparse_message = "Adam does not support sparse gradients, please consider SparseAdam instead"
    _late_options = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_at_least_zero("weight_decay", weight_decay)
        _check_tensor_options(lr, betas, foreach and not capturable)
        check_fused(fused, foreach, differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _init_state(self, p, group):
        state = {
            "step": zero_step(group["fused"]),
            "exp_avg": torch.zeros_like(p),
            "exp_avg_sq": torch.zeros_like(p),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = torch.zeros_like(p)
        return state

    def _update(self, p, g, state, group):
        lr, decay = number_of(group, "lr"), number_of(group, "weight_decay")
        beta1, beta2 = numbers_of(group, "betas")
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        step = state["step"].item()
        g = decay_either(p, g, lr, decay, group["decoupled_weight_decay"])
        mean.lerp_(g, 1 - beta1)
        move_square(square, g, beta2)
        if group["amsgrad"]:
            largest = torch.maximum(state["max_exp_avg_sq"].clone(), square)
            square = state["max_exp_avg_sq"].copy_(largest)
        scale = square.sqrt() / root(1 - beta2**step) + group["eps"]
        add_ratio(p, mean, scale, -lr / (1 - beta1**step))


def _check_tensor_options(lr, betas, plain_foreach):
    if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    named = (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1]))
    for name, value in named:
        if isinstance(value, Tensor) and plain_foreach:
            raise ValueError(
                f"{name} as a Tensor is not supported for capturable=False and foreach=True"
            )
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")


def adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: bool,
    beta1: float | Tensor,
    beta2: float | Tensor,
    lr: float | Tensor,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of Adam over lists of tensors, which change in place."""
    states = {
        "exp_avg": exp_avgs,
        "exp_avg_sq": exp_avg_sqs,
        "max_exp_avg_sq": max_exp_avg_sqs,
        "step": state_steps,
    }
    group = {
        "amsgrad": amsgrad,
        "lr": lr,
        "weight_decay": weight_decay,
        "eps": eps,
        "maximize": maximize,
        "foreach": foreach,
        "capturable": capturable,
        "differentiable": differentiable,
        "fused": fused,
        "decoupled_weight_decay": decoupled_weight_decay,
        "betas": (beta1, beta2),
    }
    run_rule(Adam, params, grads, states, group, grad_scale, found_inf)
