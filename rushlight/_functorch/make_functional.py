"""Modules as functions of their parameters, in the manner of the old `functorch` package."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch

from .. import Tensor, nn


def _names(members) -> dict[Tensor, list[str]]:
    found: dict[Any, list[str]] = {}
    for name, tensor in members:
        found.setdefault(tensor, []).append(name)
    return found


class FunctionalModuleWithBuffers(nn.Module):
    """A module as a function of its parameters and buffers: `f(params, buffers, *args)`."""

    def __init__(self, stateless_model: nn.Module, param_names: tuple, buffer_names: tuple):
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = param_names
        self.buffer_names = buffer_names

    @staticmethod
    def _create_from(model: nn.Module, disable_autograd_tracking: bool = False):
        stateless = copy.deepcopy(model)
        names = _names(model.named_parameters(remove_duplicate=False))
        buffer_names = _names(model.named_buffers(remove_duplicate=False))
        given = [p.detach() if disable_autograd_tracking else p for p in names]
        function = FunctionalModuleWithBuffers(
            stateless.to("meta"), tuple(names.values()), tuple(buffer_names.values())
        )
        return function, tuple(given), tuple(buffer_names)

    def forward(self, params, buffers, *args, **kwargs) -> Any:
        """The module with these parameters and buffers."""
        values = {
            n: value
            for names, value in [
                *zip(self.param_names, params, strict=True),
                *zip(self.buffer_names, buffers, strict=True),
            ]
            for n in names
        }
        return torch.func.functional_call(self.stateless_model, values, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """A module without buffers as a function of its parameters: `f(params, *args)`."""

    @staticmethod
    def _create_from(model: nn.Module, disable_autograd_tracking: bool = False):
        made, params, _ = FunctionalModuleWithBuffers._create_from(model, disable_autograd_tracking)
        return FunctionalModule(made.stateless_model, made.param_names, ()), params

    def forward(self, params, *args, **kwargs) -> Any:  # type: ignore[override]
        """The module with these parameters."""
        return super().forward(params, (), *args, **kwargs)


def make_functional(model: nn.Module, disable_autograd_tracking: bool = False):
    """(a function of parameters and inputs, the parameters) of a module without buffers."""
    if list(model.buffers()):
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use "
            "make_functional_with_buffers(model) instead."
        )
    return FunctionalModule._create_from(model, disable_autograd_tracking)


def make_functional_with_buffers(model: nn.Module, disable_autograd_tracking: bool = False):
    """(a function of parameters, buffers and inputs, the parameters, the buffers) of a module."""
    return FunctionalModuleWithBuffers._create_from(model, disable_autograd_tracking)


def combine_state_for_ensemble(
    models: Sequence[nn.Module],
) -> tuple[Callable, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """(a function, stacked parameters, stacked buffers) of modules of one kind."""
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to be of the same class."
        )
    functions, params, buffers = zip(
        *(make_functional_with_buffers(m) for m in models), strict=True
    )
    stacked = tuple(
        torch.stack(column).detach().requires_grad_() for column in zip(*params, strict=True)
    )
    return functions[0], stacked, tuple(torch.stack(c) for c in zip(*buffers, strict=True))
