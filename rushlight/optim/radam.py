"""RAdam: Adam with a rectified learning rate (Liu et al., 2019)."""

from __future__ import annotations

from math import sqrt

import rushlight as torch

from .. import Tensor
from ._options import check_at_least_zero, check_betas, check_lr, to_number, zero_step
from .optimizer import Optimizer, ParamsT


class RAdam(Optimizer):
    """Adam that steps by plain momentum until the second moment is known well enough."""

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
        lr, decay = to_number(group["lr"]), group["weight_decay"]
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"].item()
        if decay and group["decoupled_weight_decay"]:
            p.mul_(1 - lr * decay)
        elif decay:
            g = g.add(p, alpha=decay)
        mean = state["exp_avg"].lerp_(g, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        size = lr / (1 - beta1**step)
        rectification = _rectification(beta2, step)
        if rectification is None:
            p.add_(mean, alpha=-size)
            return
        size *= sqrt(1 - beta2**step) * rectification
        p.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-size)


def _rectification(beta2, step):
    """The paper's r_t, or None while the variance of the second moment is too large."""
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / (1 - beta2**step)
    if length <= 5:
        return None
    reached = (length - 4) * (length - 2) * longest
    return sqrt(reached / ((longest - 4) * (longest - 2) * length))
