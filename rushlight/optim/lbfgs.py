"""L-BFGS (Liu and Nocedal, 1989), with the line search of Nocedal and Wright, chapter 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

from .. import Tensor
from ._line_search import strong_wolfe
from ._options import check_lr, to_number
from .optimizer import Optimizer, ParamsT

# Pairs with a smaller curvature would make the estimate of the inverse Hessian indefinite.
_LEAST_CURVATURE = 1e-10


class LBFGS(Optimizer):
    """Step along minus an inverse Hessian, estimated from the last `history_size` steps.

    One group only. `step` calls its closure several times: up to `max_eval`, by default
    1.25 * `max_iter`.
    """

    _tensor_state = ()

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    # -- parameters as one flat vector -----------------------------------------------------
    def _gather_flat_grad(self):
        parts = []
        for p in self._params:
            g = p.new_zeros(p.numel()) if p.grad is None else p.grad
            g = (g.to_dense() if g.is_sparse else g).reshape(-1)
            parts.append(torch.view_as_real(g).reshape(-1) if g.is_complex() else g)
        return torch.cat(parts, 0)

    def _add_grad(self, size, direction):
        """Move every parameter by `size` along its part of `direction`."""
        offset = 0
        for p in self._params:
            p = torch.view_as_real(p) if p.is_complex() else p
            part = direction[offset : offset + p.numel()]
            p.add_(part.view_as(p), alpha=to_number(size))
            offset += p.numel()

    def _evaluate_at(self, closure, saved, size, direction):
        """Loss and flat gradient at a distance along `direction`; the parameters stay."""
        self._add_grad(size, direction)
        loss = float(closure())
        gradient = self._gather_flat_grad()
        for p, value in zip(self._params, saved, strict=True):
            p.copy_(value)
        return loss, gradient

    # -- the step --------------------------------------------------------------------------
    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Run up to `max_iter` iterations; returns the loss of the first evaluation."""
        group = self.param_groups[0]
        closure = torch.enable_grad()(closure)
        # The state belongs to all parameters; it is kept under the first, as PyTorch does.
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        run = _Run(self, group, state, closure, float(first))
        state["func_evals"] += 1
        if not run.flat:
            run.iterate()
        return first


class _Run:
    """The iterations of one `step`, over the state that outlives it."""

    def __init__(self, optimizer, group, state, closure, loss):
        self.optimizer, self.group, self.state, self.closure = optimizer, group, state, closure
        self.loss = loss
        self.gradient = optimizer._gather_flat_grad()
        self.evaluations = 1
        self.iterations = 0

    @property
    def flat(self):
        """Whether the gradient is as good as zero."""
        return bool(self.gradient.abs().max() <= self.group["tolerance_grad"])

    def iterate(self):
        state, group = self.state, self.group
        keys = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")
        memory = {key: state.get(key) for key in keys}
        while self.iterations < group["max_iter"]:
            self.iterations += 1
            state["n_iter"] += 1
            self.set_direction(memory)
            if not self.advance(memory) or self.finished(memory):
                break
        state.update(memory)

    def finished(self, memory):
        group, least = self.group, self.group["tolerance_change"]
        if self.iterations == group["max_iter"] or self.evaluations >= group["max_eval"]:
            return True
        moved = memory["d"].mul(to_number(memory["t"])).abs().max()
        return self.flat or moved <= least or abs(self.loss - memory["prev_loss"]) < least

    def set_direction(self, memory):
        """Point `d` downhill by the two-loop recursion, after taking in the last step."""
        if self.state["n_iter"] == 1:
            memory.update(d=self.gradient.neg(), old_dirs=[], old_stps=[], ro=[], H_diag=1)
        else:
            self.remember(memory)
            memory["d"] = self.two_loops(memory)
        if memory["prev_flat_grad"] is None:
            memory["prev_flat_grad"] = self.gradient.clone()
        else:
            memory["prev_flat_grad"].copy_(self.gradient)
        memory["prev_loss"] = self.loss

    def remember(self, memory):
        change = self.gradient.sub(memory["prev_flat_grad"])
        moved = memory["d"].mul(to_number(memory["t"]))
        curvature = change.dot(moved)
        if curvature <= _LEAST_CURVATURE:
            return
        lists = memory["old_dirs"], memory["old_stps"], memory["ro"]
        if len(memory["old_dirs"]) == self.group["history_size"]:
            for items in lists:
                items.pop(0)
        for items, value in zip(lists, (change, moved, 1.0 / curvature), strict=True):
            items.append(value)
        memory["H_diag"] = curvature / change.dot(change)

    def two_loops(self, memory):
        changes, moves, weights = memory["old_dirs"], memory["old_stps"], memory["ro"]
        history = self.group["history_size"]
        coefficients = self.state.setdefault("al", [None] * history)
        d = self.gradient.neg()
        for i in reversed(range(len(changes))):
            coefficients[i] = moves[i].dot(d) * weights[i]
            d.add_(changes[i], alpha=-coefficients[i].item())
        d = d.mul(memory["H_diag"])
        for i in range(len(changes)):
            onward = coefficients[i] - changes[i].dot(d) * weights[i]
            d.add_(moves[i], alpha=onward.item())
        return d

    def advance(self, memory):
        """Move along `d` and evaluate there; False when `d` does not lead downhill."""
        lr, d = to_number(self.group["lr"]), memory["d"]
        memory["t"] = lr
        if self.state["n_iter"] == 1:
            memory["t"] = min(1.0, 1.0 / self.gradient.abs().sum().item()) * lr
        slope = self.gradient.dot(d)
        if slope > -self.group["tolerance_change"]:
            return False
        search = self.group["line_search_fn"]
        if search is None:
            self.advance_fixed(memory)
        elif search == "strong_wolfe":
            self.advance_searching(memory, slope)
        else:
            raise RuntimeError("only 'strong_wolfe' is supported")
        return True

    def advance_fixed(self, memory):
        self.optimizer._add_grad(memory["t"], memory["d"])
        # After the last iteration nobody would look at another evaluation.
        if self.iterations != self.group["max_iter"]:
            self.loss = float(self.closure())
            self.gradient = self.optimizer._gather_flat_grad()
            self.count_evaluations(1)

    def advance_searching(self, memory, slope):
        optimizer, d = self.optimizer, memory["d"]
        saved = [p.clone(memory_format=torch.contiguous_format) for p in optimizer._params]

        def evaluate(size):
            return optimizer._evaluate_at(self.closure, saved, size, d)

        self.loss, self.gradient, memory["t"], evaluations = strong_wolfe(
            evaluate, memory["t"], d, self.loss, self.gradient, slope
        )
        optimizer._add_grad(memory["t"], d)
        self.count_evaluations(evaluations)

    def count_evaluations(self, count):
        self.evaluations += count
        self.state["func_evals"] += count
