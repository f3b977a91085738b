"""Resilient backpropagation (Riedmiller and Braun, 1993)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    check_lr,
    to_number,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class Rprop(Optimizer):
    """Step by the gradient's sign, with a size per element that grows while the sign holds."""

    _kernel = staticmethod(_C.fused_rprop)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p, group):
        lr = to_number(group["lr"])
        size = complex(lr, lr) if p.is_complex() else lr
        return {
            "step": zero_step(),
            "prev": torch.zeros_like(p),
            "step_size": torch.full_like(p.grad, size).detach(),
        }

    def _update(self, p, g, state, group):
        shrink, grow = group["etas"]
        smallest, largest = group["step_sizes"]
        state["step"] += 1
        agreement = g * state["prev"].clone()
        turned = agreement < 0
        # A sign that is not a number stays so.
        factor = agreement.sign().masked_fill_(agreement == 0, 1)
        factor = factor.masked_fill_(agreement > 0, grow).masked_fill_(turned, shrink)
        size = state["step_size"].mul_(factor).clamp_(smallest, largest)
        # Where the sign turned the step was too far: stay, and forget the direction.
        g = g.masked_fill(turned, 0)
        p.addcmul_(g.sign(), size, value=-1)
        state["prev"].copy_(g)


def rprop(
    params: list[Tensor],
    grads: list[Tensor],
    prevs: list[Tensor],
    step_sizes: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    step_size_min: float,
    step_size_max: float,
    etaminus: float,
    etaplus: float,
) -> None:
    """One step of Rprop over lists of tensors, which change in place."""
    states = {"prev": prevs, "step_size": step_sizes, "step": state_steps}
    group = {
        "foreach": foreach,
        "capturable": capturable,
        "maximize": maximize,
        "differentiable": differentiable,
        "etas": (etaminus, etaplus),
        "step_sizes": (step_size_min, step_size_max),
    }
    run_rule(Rprop, params, grads, states, group)
