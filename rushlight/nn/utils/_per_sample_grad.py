"""Gradients of every sample of a batch, from one backward run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as torch

from ... import Tensor
from ...utils._pytree import tree_flatten, tree_leaves, tree_unflatten
from ..modules.module import Module


def call_for_per_sample_grads(
    module: Module,
    *,
    batch_size: int | None = None,
    loss_reduction: str = "sum",
    batch_first: bool = True,
) -> Callable[..., Any]:
    """The module as a function whose backward run fills `grad_sample` of its parameters.

    There stands the gradient of each sample, in front of the parameter's own dims; `grad` stays as
    it is. batch_size: that of the tensors given, by default. loss_reduction: "mean" if the loss
    is a mean over samples. batch_first: samples are along dim 0, else along dim 1.
    """
    if loss_reduction not in ("sum", "mean"):
        raise RuntimeError(
            f"Expected loss_reduction argument to be sum or mean, got {loss_reduction}"
        )
    if not isinstance(module, Module):
        raise RuntimeError(f"Module passed must be nn.Module, got {type(module).__name__}")
    if not (batch_size is None or isinstance(batch_size, int)):
        raise RuntimeError(
            f"Batch size passed must be None or an integer, got {type(batch_size).__name__}"
        )
    if batch_size is not None and batch_size < 1:
        raise RuntimeError(f"Batch size must be positive, got {batch_size}")
    for p in module.parameters():
        if getattr(p, "grad_sample", None) is not None and p.requires_grad:
            raise RuntimeError(
                "Current Expanded Weights accumulates the gradients, which will be incorrect for "
                "multiple calls without clearing gradients. Please clear out the grad_sample "
                f"parameter of {p} or post an issue to pytorch/pytorch to prioritize correct "
                "behavior"
            )
    dim = 0 if batch_first else 1

    @functools.wraps(module.forward)
    def wrapper(*args, **kwargs):
        size = _batch_size(args, kwargs, dim) if batch_size is None else batch_size
        scale = size if loss_reduction == "mean" else 1
        return _run(module, args, kwargs, size, dim, scale)

    return wrapper


def _batch_size(args, kwargs, dim: int) -> int:
    found = None
    for leaf in tree_leaves((args, kwargs)):
        if not isinstance(leaf, Tensor):
            continue
        size = leaf.shape[dim]
        if found is not None and size != found:
            raise RuntimeError(
                f"When computing batch size, found at least one input with batch size {found} and "
                f"one with batch size {size}. Please specify it explicitly using the batch size "
                "kwarg in call_for_per_sample_grads"
            )
        found = size
    if found is None:
        raise RuntimeError(
            "Unable to find a tensor in the passed args and kwargs. They may not be pytree-able "
            "and so ExpandedWeights cannot compute the batch size from the inputs. Please specify "
            "it explicitly"
        )
    return found


def _run(module, args, kwargs, size: int, dim: int, scale: int):
    """The module, every sample with parameters of its own: vmap over both."""
    params, shared = {}, dict(module.named_buffers())
    for name, p in module.named_parameters():
        if p.requires_grad:
            params[name] = _own_of_each(p, size, scale)
        else:
            shared[name] = p
    leaves, spec = tree_flatten((args, kwargs))
    mapped = [isinstance(a, Tensor) and a.dim() > dim and a.shape[dim] == size for a in leaves]
    varying = [a for a, m in zip(leaves, mapped, strict=True) if m]

    def one(params, varying):
        samples = iter(varying)
        given = [
            next(samples).unsqueeze(dim) if m else a for a, m in zip(leaves, mapped, strict=True)
        ]
        own_args, own_kwargs = tree_unflatten(given, spec)
        out = torch.func.functional_call(module, {**params, **shared}, own_args, own_kwargs)
        results, out_spec = tree_flatten(out)
        return tree_unflatten([r.squeeze(dim) for r in results], out_spec)

    lanes = torch.vmap(one, (0, dim), dim, randomness="different")
    return lanes(params, varying)


def _own_of_each(p: Tensor, size: int, scale: int) -> Tensor:
    expanded = p.detach().expand(size, *p.shape).requires_grad_()

    def keep(gradient):
        found = getattr(p, "grad_sample", None)
        gradient = gradient * scale if scale != 1 else gradient
        p.grad_sample = gradient if found is None else found + gradient

    expanded.register_hook(keep)
    return expanded
