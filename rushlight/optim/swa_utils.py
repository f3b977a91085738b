"""Averages of weights: stochastic weight averaging (Izmailov et al., 2018) and moving ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from math import cos, pi
from typing import Any

import rushlight as torch

from .. import Tensor
from ..nn import Module
from ._options import to_number
from ._scheduler import LRScheduler, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """A function that updates exponential moving averages of lists of parameters."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param_list, current_param_list, _):
        for average, p in zip(ema_param_list, current_param_list, strict=True):
            _move(average, p, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """A function that updates running means of lists of parameters."""

    @torch.no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        for average, p in zip(averaged_param_list, current_param_list, strict=True):
            _move(average, p, 1 / (to_number(num_averaged) + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """A function that returns the next exponential moving average of one parameter."""
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """A function that returns the next running mean of one parameter."""

    @torch.no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _move(average, p, part):
    if average.is_floating_point() or average.is_complex():
        average.lerp_(p.to(average.device, average.dtype), part)
    else:
        # Integers cannot move by a part: the copy cuts the fraction off.
        average.copy_(average + (p - average) * part)


class AveragedModel(Module):
    """A copy of a model whose parameters are averages over the calls of `update_parameters`.

    `avg_fn(averaged, current, count)` returns one new average; `multi_avg_fn` updates lists
    of them in place; without either it is the mean. With `use_buffers` buffers are averaged
    too, otherwise they are copied.
    """

    def __init__(
        self,
        model: Module,
        device: int | torch.device | None = None,
        avg_fn: Callable[[Tensor, Tensor, Tensor | int], Tensor] | None = None,
        multi_avg_fn: Callable[[list, list, Tensor | int], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        count = torch.tensor(0, dtype=torch.long, device=device)
        self.register_buffer("n_averaged", count)
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged model."""
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the averages."""
        pairs = self._pairs(model)
        if self.n_averaged == 0:
            for average, p in pairs:
                average.copy_(p.to(average.device))
        elif self.avg_fn is not None:
            for average, p in pairs:
                count = self.n_averaged.to(average.device)
                average.copy_(self.avg_fn(average, p.to(average.device), count))
        else:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            averages = [average for average, _ in pairs]
            update(averages, [p.to(average.device) for average, p in pairs], self.n_averaged)
        if not self.use_buffers:
            for average, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                average.copy_(buffer.to(average.device))
        self.n_averaged += 1

    def _pairs(self, model):
        own, other = self.module.parameters(), model.parameters()
        if self.use_buffers:
            own = chain(own, self.module.buffers())
            other = chain(other, model.buffers())
        return [(a.detach(), p.detach()) for a, p in zip(own, other, strict=True)]


@torch.no_grad()
def update_bn(
    loader: Iterable[Any], model: Module, device: int | torch.device | None = None
) -> None:
    """Recompute the statistics of a model's batch norms over the batches of `loader`."""
    from ..nn.modules.batchnorm import _BatchNorm

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    was_training = model.training
    momenta = {norm: norm.momentum for norm in norms}
    for norm in norms:
        norm.reset_running_stats()
        # None makes the running statistics plain averages over all batches.
        norm.momentum = None
    model.train()
    try:
        for batch in loader:
            if isinstance(batch, (list, tuple)):
                batch = batch[0]
            model(batch if device is None else batch.to(device))
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Move every group's rate to `swa_lr` within `anneal_epochs`, and keep it there."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, epoch):
        """How much of the way to the final rate lies behind at an epoch, 0 to 1."""
        part = max(0, min(1, epoch / max(1, self.anneal_epochs)))
        return (1 - cos(pi * part)) / 2 if self._anneal_strategy == "cos" else part

    def get_lr(self) -> list[float | Tensor]:
        """The rates at `last_epoch`, from those of the epoch before."""
        self._warn_outside_step()
        # With nothing to anneal the first step is already the last.
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, final = group["lr"], group["swa_lr"]
            start = final if before == 1 else (lr - final * before) / (1 - before)
            rates.append(final * now + start * (1 - now))
        return rates
