"""Adafactor (Shazeer and Stern, 2018)."""

from __future__ import annotations

import rushlight as torch

from .. import Tensor
from ._functional_rule import run_rule
from ._options import check_lr, to_number, zero_step
from .optimizer import Optimizer, ParamsT


class Adafactor(Optimizer):
    """Adam in little memory: the squares of a matrix are kept by row and by column."""

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, p, g, group):
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        super()._check(p, g, group)

    def _init_state(self, p, group):
        if p.dim() < 2:
            return {"step": zero_step(), "variance": torch.zeros_like(p)}
        shape = list(p.shape)
        return {
            "step": zero_step(),
            "row_var": p.new_zeros([*shape[:-1], 1]),
            "col_var": p.new_zeros([*shape[:-2], 1, shape[-1]]),
        }

    def _update(self, p, g, state, group):
        lr, (eps1, eps2) = to_number(group["lr"]), group["eps"]
        eps1 = torch.finfo(p.dtype).eps if eps1 is None else eps1
        state["step"] += 1
        step = state["step"].item()
        size = max(eps2, _root_mean_square(p)) * min(lr, step**-0.5)
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        fresh = step ** group["beta2_decay"]
        if g.dim() < 2:
            variance = state["variance"].lerp_(g.square(), fresh)
        else:
            rows = state["row_var"].lerp_(g.square().mean(-1, keepdim=True), fresh)
            columns = state["col_var"].lerp_(g.square().mean(-2, keepdim=True), fresh)
            variance = rows @ columns / rows.mean(-2, keepdim=True).clamp_(min=eps1)
        update = variance.clamp(min=eps1 * eps1).rsqrt_().mul_(g)
        clip = max(1.0, _root_mean_square(update) / group["d"])
        p.add_(update, alpha=-size / clip)


def _root_mean_square(x):
    return x.norm().item() / max(x.numel(), 1) ** 0.5


def adafactor(
    params: list[Tensor],
    grads: list[Tensor],
    row_vars: list[Tensor | None],
    col_vars: list[Tensor | None],
    variances: list[Tensor | None],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    *,
    d: float,
    lr: float | Tensor,
    beta2_decay: float,
    weight_decay: float,
    eps1: float,
    eps2: float,
    maximize: bool,
) -> None:
    """One step of Adafactor over lists of tensors, which change in place."""
    states = {"row_var": row_vars, "col_var": col_vars, "variance": variances, "step": state_steps}
    group = {
        "d": d,
        "lr": lr,
        "beta2_decay": beta2_decay,
        "weight_decay": weight_decay,
        "maximize": maximize,
        "foreach": foreach,
        "eps": (eps1, eps2),
    }
    run_rule(Adafactor, params, grads, states, group, grad_scale, found_inf)
