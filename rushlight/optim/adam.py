"""Adam (Kingma and Ba, 2014), and its variant AMSGrad (Reddi, Kale and Kumar, 2018)."""

from __future__ import annotations

from math import sqrt

import rushlight as torch

from .. import _C, Tensor
from ._options import check_at_least_zero, check_betas, check_fused, check_lr, to_number, zero_step
from .optimizer import Optimizer, ParamsT


class Adam(Optimizer):
    """Divide a running mean of gradients by the root of a running mean of their squares."""

    _kernel = staticmethod(_C.fused_adam)
    _sparse_message = "{} does not support sparse gradients, please consider SparseAdam instead"

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
        lr, decay = to_number(group["lr"]), group["weight_decay"]
        beta1, beta2 = map(to_number, group["betas"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        step = state["step"].item()
        if decay and group["decoupled_weight_decay"]:
            p.mul_(1 - lr * decay)
        elif decay:
            g = g.add(p, alpha=decay)
        mean.lerp_(g, 1 - beta1)
        square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"].copy_(torch.maximum(state["max_exp_avg_sq"], square))
        scale = (square.sqrt() / sqrt(1 - beta2**step)).add_(group["eps"])
        p.addcdiv_(mean, scale, value=-lr / (1 - beta1**step))


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
