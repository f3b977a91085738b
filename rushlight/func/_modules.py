"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _C
from ..nn.utils.stateless import _functional_call

Tensor = _C.Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The module's output with other tensors in place of its parameters and buffers.

    parameter_and_buffer_dicts: name -> tensor, or several such with different names; what is not
        named is the module's own.
    tie_weights: tensors that are one in the module are replaced together.
    strict: RuntimeError unless all of them, and nothing else, are named.
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        return _functional_call(
            module, parameter_and_buffer_dicts, args, kwargs, tie_weights=tie_weights, strict=strict
        )
    if not isinstance(parameter_and_buffer_dicts, Sequence):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    if not all(isinstance(d, dict) for d in parameter_and_buffer_dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    keys = [key for d in parameter_and_buffer_dicts for key in d]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    merged = {key: value for d in parameter_and_buffer_dicts for key, value in d.items()}
    return _functional_call(module, merged, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of models of one class, each name's tensors stacked along dim 0.

    The stacked parameters are leaves of their own, which require grad as the models' do.
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    kind = type(models[0])
    if not all(type(m) is kind for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    all_parameters = [dict(m.named_parameters()) for m in models]
    all_buffers = [dict(m.named_buffers()) for m in models]
    parameters = {k: _stacked([d[k] for d in all_parameters], k) for k in all_parameters[0]}
    buffers = {k: _stacked([d[k] for d in all_buffers], k) for k in all_buffers[0]}
    return parameters, buffers


def _stacked(tensors, name):
    from .. import stack

    wanted = [t.requires_grad for t in tensors]
    if any(wanted) and not all(wanted):
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    return stack([t.detach() for t in tensors]).requires_grad_(all(wanted))


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Take the running statistics from every BatchNorm of a module, in place: vmap cannot update
    what all lanes share.
    """
    from ..nn.modules.batchnorm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
