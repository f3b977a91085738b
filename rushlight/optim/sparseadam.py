"""Adam for sparse gradients: only the moments of rows that have a gradient change."""

from __future__ import annotations

from math import sqrt

import rushlight as torch

from .. import Tensor
from ._functional_rule import run_rule
from ._options import check_one_element, like, to_number
from .optimizer import Optimizer, ParamsT


class SparseAdam(Optimizer):
    """Adam whose running means decay, and whose parameters move, only where a gradient is stored.

    Gradients must be sparse (as of `Embedding(sparse=True)`), parameters dense.
    """

    _sparse_gradients = True
    _tensor_state = ()

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_one_element(lr)
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index in range(2):
            if not 0.0 <= betas[index] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        complex_ = [
            [i, k]
            for i, group in enumerate(self.param_groups)
            for k, p in enumerate(group["params"])
            if p.is_complex()
        ]
        if complex_:
            raise ValueError(
                f"Complex params at indices {complex_}: "
                "SparseAdam does not support complex parameters"
            )
        sparse = [
            [i, k]
            for i, group in enumerate(self.param_groups)
            for k, p in enumerate(group["params"])
            if p.is_sparse
        ]
        if sparse:
            raise ValueError(
                f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors"
            )

    def _check(self, p, g, group):
        if not g.is_sparse:
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )

    def _init_state(self, p, group):
        return {"step": 0, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}

    def _update(self, p, g, state, group):
        state["step"] += 1
        g = g.coalesce()
        if not g._nnz():
            return
        beta1, beta2 = group["betas"]
        values, step = g._values(), state["step"]
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        old_mean = mean.sparse_mask(g)._values()
        mean_step = values.sub(old_mean).mul_(1 - beta1)
        mean.add_(like(g, mean_step))
        old_square = square.sparse_mask(g)._values()
        square_step = values.pow(2).sub_(old_square).mul_(1 - beta2)
        square.add_(like(g, square_step))
        size = to_number(group["lr"]) * sqrt(1 - beta2**step) / (1 - beta1**step)
        scale = square_step.add_(old_square).sqrt_().add_(group["eps"])
        p.add_(like(g, mean_step.add_(old_mean).div_(scale).mul_(-size)))


def sparse_adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[int],
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: float,
    maximize: bool,
) -> None:
    """One step of SparseAdam over lists of tensors, which change in place."""
    # The steps count this one already.
    steps = [step - 1 for step in state_steps]
    states = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "step": steps}
    group = {"eps": eps, "lr": lr, "maximize": maximize, "betas": (beta1, beta2)}
    run_rule(SparseAdam, params, grads, states, group)
