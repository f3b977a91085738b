"""Adagrad (Duchi, Hazan and Singer, 2011)."""

from __future__ import annotations

import rushlight as torch

from .. import _C, Tensor
from ._functional_rule import run_rule
from ._options import (
    add_ratio,
    check_at_least_zero,
    check_fused,
    check_lr,
    decayed,
    like,
    number_of,
    zero_step,
)
from .optimizer import Optimizer, ParamsT


class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of all its squares so far."""

    _kernel = staticmethod(_C.fused_adagrad)
    _sparse_gradients = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_at_least_zero("lr_decay", lr_decay)
        check_at_least_zero("weight_decay", weight_decay)
        check_at_least_zero("initial_accumulator_value", initial_accumulator_value)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_fused(fused, foreach, differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        # Here, unlike elsewhere, the state is there before the first step.
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self._init_state(p, group)

    def share_memory(self) -> None:
        """Move the sums to memory shared between processes."""
        for state in self.state.values():
            state["sum"].share_memory_()

    def _init_state(self, p, group):
        start = group["initial_accumulator_value"]
        if p.is_complex():
            start = complex(start, start)
        step = zero_step(group["fused"])
        return {"step": step, "sum": torch.full_like(p, start).detach()}

    def _update(self, p, g, state, group):
        state["step"] += 1
        step = state["step"].item()
        lr = number_of(group, "lr") / (1 + (step - 1) * group["lr_decay"])
        if g.is_sparse:
            if group["weight_decay"]:
                raise RuntimeError("weight_decay option is not compatible with sparse gradients")
            self._update_sparse(p, g.coalesce(), state["sum"], lr, group["eps"])
            return
        g = decayed(g, p, number_of(group, "weight_decay"))
        total = state["sum"].addcmul_(g, g, value=1)
        add_ratio(p, g, total.sqrt() + group["eps"], -lr)

    def _update_sparse(self, p, g, total, lr, eps):
        """Only rows with a gradient change, in the sum of squares too."""
        values = g._values()
        total.add_(like(g, values.square()))
        root = total.sparse_mask(g)._values().sqrt().add_(eps)
        p.add_(like(g, values / root), alpha=-lr)


def adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state_sums: list[Tensor],
    state_steps: list[Tensor],
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: float | Tensor,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of Adagrad over lists of tensors, which change in place."""
    states = {"sum": state_sums, "step": state_steps}
    group = {
        "lr": lr,
        "weight_decay": weight_decay,
        "lr_decay": lr_decay,
        "eps": eps,
        "maximize": maximize,
        "fused": fused,
        "foreach": foreach,
        "differentiable": differentiable,
    }
    run_rule(Adagrad, params, grads, states, group, grad_scale, found_inf)
