"""Averaged stochastic gradient descent (Polyak and Juditsky, 1992)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_scaled,
    check_at_least_zero,
    check_lr,
    decayed,
    number_of,
    scalar_dtype,
    to_number,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class ASGD(Optimizer):
    """SGD with a decaying step that also keeps the average of the points it visits (`ax`)."""

    _kernel = staticmethod(_C.fused_asgd)
    _captured = "params, mus, etas, and state_steps"
    _tensor_state = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least_zero("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
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
            "eta": torch.full((), to_number(group["lr"]), dtype=scalar_dtype()),
            "mu": torch.ones((), dtype=scalar_dtype()),
            "ax": torch.zeros_like(p),
        }

    def _update(self, p, g, state, group):
        lr, lambd = number_of(group, "lr"), group["lambd"]
        eta, mu, average = state["eta"].item(), state["mu"].item(), state["ax"]
        state["step"] += 1
        step = state["step"].item()
        g = decayed(g, p, number_of(group, "weight_decay"))
        p.mul_(1 - lambd * eta)
        add_scaled(p, g, -eta)
        if mu == 1:
            average.copy_(p)
        else:
            average.lerp_(p, mu)
        # Rounded to the default type even where a checkpoint made the state wider.
        eta, mu = lr / (1 + lambd * lr * step) ** group["alpha"], 1 / max(1, step - group["t0"])
        state["eta"].copy_(torch.as_tensor(eta, dtype=scalar_dtype()))
        state["mu"].copy_(torch.tensor(mu, dtype=scalar_dtype()))


def asgd(
    params: list[Tensor],
    grads: list[Tensor],
    axs: list[Tensor],
    mus: list[Tensor],
    etas: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lambd: float,
    lr: float | Tensor,
    t0: float,
    alpha: float,
    weight_decay: float,
) -> None:
    """One step of ASGD over lists of tensors, which change in place."""
    states = {"ax": axs, "mu": mus, "eta": etas, "step": state_steps}
    group = {
        "lambd": lambd,
        "lr": lr,
        "t0": t0,
        "alpha": alpha,
        "weight_decay": weight_decay,
        "foreach": foreach,
        "maximize": maximize,
        "differentiable": differentiable,
        "capturable": capturable,
    }
    run_rule(ASGD, params, grads, states, group)
