"""What runs when somebody calls one of PyTorch's operators, and who is asked before."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import rushlight as torch

from .. import _C, Tensor
from ..nn import functional as F  # noqa: N812 (the name that everybody gives it)
from ..op import operators
from ..utils._pytree import tree_leaves
from . import OpOverload, OpOverloadPacket, schemas

_REDUCTIONS = ("none", "mean", "sum")


def call(overload: OpOverload, args: tuple, kwargs: dict):
    """A call of one overload: handlers below the tape see it as it is, unless it is recorded."""
    if schemas.seen(overload._name, overload._overloadname) and handled(args, kwargs):
        return call_handlers(overload, args, kwargs)
    return _function(overload)(*args, **kwargs)


def call_packet(packet: OpOverloadPacket, args: tuple, kwargs: dict):
    """A call that leaves the overload to us."""
    return _function(packet.default)(*args, **kwargs)


def handled(args: tuple, kwargs: dict, recorded: bool = True) -> bool:
    """Whether a call goes straight to a mode or a class below the tape: not if it is recorded."""
    if _C.handled_mode() is None and not _C.any_dispatching((args, tuple(kwargs.values()))):
        return False
    if not recorded or not _C.is_grad_enabled():
        return True
    leaves = tree_leaves((args, kwargs))
    return not any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)


def dispatching_classes(args, kwargs) -> tuple:
    """The classes among the arguments that have a `__torch_dispatch__`, subclasses first."""
    if not _C.any_dispatching((args, tuple(kwargs.values()))):
        return ()
    base = Tensor.__torch_dispatch__
    found: list[type] = []
    for leaf in tree_leaves((args, kwargs)):
        kind = type(leaf)
        if not isinstance(leaf, Tensor) or kind in found:
            continue
        handler = kind.__torch_dispatch__
        if getattr(handler, "__func__", handler) is not base:
            found.append(kind)
    return tuple(sorted(found, key=lambda kind: -len(kind.__mro__)))


def call_handlers(func, args: tuple, kwargs: dict):
    """Ask the innermost mode, or else the classes of the arguments, with nothing recorded."""
    types = dispatching_classes(args, kwargs)
    mode = _C.handled_mode()
    recording = _C.set_grad_enabled(False)
    stack = _C.interpreters()
    try:
        if mode is not None:
            _C.set_interpreters(stack[:-1])
            return mode.__torch_dispatch__(func, types, args, kwargs)
        return ask_classes(func, types, args, kwargs)
    finally:
        if mode is not None:
            _C.set_interpreters(stack)
        _C.set_grad_enabled(recording)


def ask_classes(func, types: tuple, args: tuple, kwargs: dict):
    """The answer of the first class that has one."""
    for kind in types:
        result = kind.__torch_dispatch__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"Multiple dispatch failed for '{func}'; all __torch_dispatch__ handlers returned "
        f"NotImplemented:\n\n" + "".join(f"  - tensor subclass {kind}\n" for kind in types)
    )


# -- finding ----------------------------------------------------------------------------------


@cache
def _function(overload: OpOverload) -> Callable:
    name = overload._name
    if overload._operator is not None:
        return overload._operator
    found = _OVERLOADS.get(f"{name}.{overload._overloadname}") or _OWN.get(name)
    if found is not None:
        return found
    for place in (torch, Tensor, F, torch.linalg, torch.special):
        found = place.__dict__.get(name) if place is not Tensor else getattr(Tensor, name, None)
        if found is None and place is torch:
            found = getattr(torch, name, None)
        if callable(found):
            break
    else:
        found = operators.get(name)
    if found is None:
        raise AttributeError(f"aten.{name}: there is no function of this name to call")
    described = schemas.schema(name, overload._overloadname)
    names = [a.name for a in described.arguments] if described is not None else []
    return _with_words(found, names) if "reduction" in names else found


def _with_words(function, names: list[str]):
    """The function of a loss, where PyTorch's operator takes a number for the reduction."""

    def call(*args, **kwargs):
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if isinstance(given.get("reduction"), int):
            given["reduction"] = _REDUCTIONS[given["reduction"]]
        return function(given.pop(names[0]), **given)

    return call


def _to_copy(input, *, dtype=None, layout=None, device=None, pin_memory=None, non_blocking=False,
             memory_format=None):  # fmt: skip
    return input.to(
        dtype=input.dtype if dtype is None else dtype,
        device=input.device if device is None else device,
        copy=True,
        memory_format=torch.preserve_format if memory_format is None else memory_format,
    )


def _nll(input, target, weight, reduction, ignore_index):
    loss = F.nll_loss(
        input, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction]
    )
    picked = target != ignore_index
    if weight is None:
        total = picked.sum().to(input.dtype)
    else:
        total = (weight[target.clamp(min=0)] * picked).sum()
    return loss, total if reduction else input.new_zeros(())


def _embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    padding = None if padding_idx == -1 else padding_idx
    return F.embedding(
        indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )


def _flash(query, key, value, dropout_p=0.0, is_causal=False, *, attn_mask=None, scale=None):
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return operators["sdpa_flash"](query, key, value, attn_mask, is_causal, scale)


def _pooled(function):
    def call(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
        return function(
            input, kernel_size, tuple(stride) or None, padding, dilation, ceil_mode,
            return_indices=True,
        )  # fmt: skip

    return call


def _averaged(function):
    def call(input, kernel_size, stride=(), *args, **kwargs):
        return function(input, kernel_size, stride or None, *args, **kwargs)

    return call


def _index(input, indices):
    return input[tuple(slice(None) if i is None else i for i in indices)]


def _lift_fresh(input):
    return input


_OVERLOADS: dict[str, Callable] = {
    "view.dtype": Tensor.view,
    "max.dim": torch.max,
    "split.Tensor": torch.split,
    "unbind.int": torch.unbind,
}
_OWN: dict[str, Callable] = {
    "_to_copy": _to_copy,
    "_softmax": lambda x, dim, half_to_float=False: F.softmax(x, dim),
    "_log_softmax": lambda x, dim, half_to_float=False: F.log_softmax(x, dim),
    "_softmax_backward_data": lambda g, out, dim, dtype: operators["softmax_backward"](g, out, dim),
    "_log_softmax_backward_data": lambda g, out, dim, dtype: operators["log_softmax_backward"](
        g, out, dim
    ),
    "_unsafe_view": lambda x, size: x.view(size),
    "_local_scalar_dense": lambda x: x.item(),
    "_adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "_adaptive_avg_pool3d": F.adaptive_avg_pool3d,
    "_scaled_dot_product_flash_attention_for_cpu": _flash,
    "alias": operators["alias"],
    "detach": Tensor.detach,
    "lift_fresh": _lift_fresh,
    "nll_loss_forward": _nll,
    "nll_loss2d_forward": _nll,
    "embedding": _embedding,
    "index": _index,
    "slice": operators["slice"],
    "fill": lambda x, value: x.clone().fill_(value),
    "zero": lambda x: torch.zeros_like(x),
    "constant_pad_nd": lambda x, pad, value=0: F.pad(x, pad, value=value),
    "max_pool2d_with_indices": _pooled(F.max_pool2d),
    "max_pool3d_with_indices": _pooled(F.max_pool3d),
    "avg_pool2d": _averaged(F.avg_pool2d),
    "avg_pool3d": _averaged(F.avg_pool3d),
    "fractional_max_pool2d": operators["fractional_max_pool2d"],
    "fractional_max_pool3d": operators["fractional_max_pool3d"],
    "cross_entropy_loss": F.cross_entropy,
    "split_with_sizes": torch.split,
    "linear": F.linear,
    "sym_size": Tensor.size,
    "sym_stride": Tensor.stride,
    "sym_storage_offset": Tensor.storage_offset,
    "sym_numel": Tensor.numel,
}
