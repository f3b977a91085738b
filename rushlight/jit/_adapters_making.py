"""Operators that make tensors, convert them, or sum them up, in forms that our functions lack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch


def _to(tensor, *args):
    """Both a device, a dtype and flags by position, and the options by their names."""
    if len(args) == 7 and not isinstance(args[0], type(tensor)):
        dtype, _, device, _, non_blocking, copy, form = args
        named = {"device": device, "dtype": dtype, "memory_format": form}
        named = {k: v for k, v in named.items() if v is not None}
        return tensor.to(non_blocking=non_blocking, copy=copy, **named)
    head = [a for a in args if a is not None and not isinstance(a, bool)]
    flags = [a for a in args if isinstance(a, bool)]
    form = {}
    if head and type(head[-1]).__name__ == "memory_format":
        form = {"memory_format": head.pop()}
    return tensor.to(*head, **dict(zip(("non_blocking", "copy"), flags, strict=False)), **form)


def _filled(name: str) -> Callable:
    """A factory: its options follow its arguments, those without a value are left out."""

    def call(*args):
        *head, dtype, _layout, device, _pinned = args
        named = {k: v for k, v in (("dtype", dtype), ("device", device)) if v is not None}
        return getattr(torch, name)(*head, **named)

    return call


def _statistic(name: str) -> Callable:
    """std and its relatives: (self, unbiased), (self, dim, unbiased, keepdim), or a correction."""

    def call(tensor, *args):
        function = getattr(torch, name)
        if len(args) == 1:
            return function(tensor, unbiased=args[0])
        if len(args) == 3 and isinstance(args[1], bool):
            return function(tensor, args[0], unbiased=args[1], keepdim=args[2])
        dim, correction, keepdim = args
        if correction is None:
            correction = 1
        return function(tensor, dim, correction=correction, keepdim=keepdim)

    return call


def _as_tensor(name: str) -> Callable:
    def call(data, dtype=None, device=None, requires_grad=False):
        named = {"requires_grad": requires_grad} if name == "tensor" else {}
        return getattr(torch, name)(data, dtype=dtype, device=device, **named)

    return call


def _random_integers(*args):
    """randint in its four forms."""
    *head, dtype, _layout, device, _pinned = args
    named: dict[str, Any] = {"dtype": dtype, "device": device}
    if head and not isinstance(head[-1], list | tuple):
        named["generator"] = head.pop()
    named = {k: v for k, v in named.items() if v is not None}
    return torch.randint(*head, **named)


def _random_filled(name: str) -> Callable:
    def call(size, *rest):
        *generator, dtype, _layout, device, _pinned = rest
        named = {"dtype": dtype, "device": device}
        if generator:
            named["generator"] = generator[0]
        return getattr(torch, name)(size, **{k: v for k, v in named.items() if v is not None})

    return call


def _drawn(name: str) -> Callable:
    """Out of place what a method draws in place."""

    def call(tensor, *args):
        *head, generator = args
        return getattr(tensor.clone(), name)(*head, generator=generator)

    return call


ADAPTERS: dict[str, Callable] = {
    "to": _to,
    "randint": _random_integers,
    "rand": _random_filled("rand"),
    "randn": _random_filled("randn"),
    "tensor": _as_tensor("tensor"),
    "as_tensor": _as_tensor("as_tensor"),
}
ADAPTERS |= {n: _statistic(n) for n in ("std", "var", "std_mean", "var_mean")}
ADAPTERS |= {n: _filled(n) for n in ("zeros", "ones", "full", "arange", "range", "eye")}
ADAPTERS |= {n: _drawn(n + "_") for n in "uniform exponential cauchy log_normal geometric".split()}
