"""How a call that makes tensors looks under PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _C
from .._device import make_on
from . import OpOverload, aten, schemas
from .calls import without_defaults
from .handlers import call_handlers, handled

Tensor = _C.Tensor
_SIZED = ("empty", "ones", "zeros", "rand", "randn")
_KEYWORDS = ("dtype", "layout", "device", "pin_memory", "generator", "memory_format")


def make(function, args: tuple, kwargs: dict):
    """The call, by whoever carries out calls below the tape, or as ever."""
    if not handled(args, kwargs, recorded=False):
        if kwargs.get("device") is None:
            return function.__wrapped__(*args, **kwargs)
        return make_on(function.__wrapped__, args, dict(kwargs))
    func, args, kwargs, requires_grad = translate_making(function, args, kwargs)
    result = call_handlers(func, args, kwargs)
    return result.requires_grad_() if requires_grad else result


def translate_making(function, args: tuple, kwargs: dict) -> tuple[OpOverload, tuple, dict, bool]:
    """The overload, its arguments by position and by keyword, and whether a gradient is asked."""
    name = function.__name__
    keywords = dict(kwargs)
    requires_grad = bool(keywords.pop("requires_grad", False))
    keywords.pop("out", None)
    like = name.endswith("_like") or name.startswith("new_")
    options = {k: keywords.pop(k) for k in _KEYWORDS if keywords.get(k) is not None}
    keywords = {k: v for k, v in keywords.items() if k not in _KEYWORDS}
    positional = [*args]
    if name in _SIZED:
        size = keywords.pop("size", None)
        positional = [_sizes([size] if size is not None else positional)]
    elif name.startswith("new_") and len(positional) > 1:
        positional = _new(name, positional)
    func = getattr(getattr(aten, name), _overload(name, positional))
    known = func._operator is None and schemas.seen(func._name, func._overloadname)
    described = func._schema if known else None
    if described is not None:
        for argument in described.arguments[len(positional) :]:
            spelt = {"self": "input"}.get(argument.name, argument.name)
            if not argument.kwarg_only and spelt in keywords:
                positional.append(keywords.pop(spelt))
        positional = [list(p) if isinstance(p, (tuple, _C.Size)) else p for p in positional]
        positional = list(without_defaults(described, positional))
    if not like:
        from .. import device, get_default_device

        where = options.get("device")
        options["device"] = get_default_device() if where is None else device(where)
    elif "device" in options:
        from .. import device

        options["device"] = device(options["device"])
    options.setdefault("pin_memory", False)
    return func, tuple(positional), {**keywords, **options}, requires_grad


def _sizes(values: Sequence) -> list:
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return list(values[0])
    return list(values)


def _new(name: str, positional: list) -> list:
    source, *rest = positional
    if name in ("new_full", "new_empty_strided", "new_tensor"):
        return positional
    return [source, _sizes(rest)]


def _overload(name: str, positional: list) -> str:
    if name == "empty":
        return "memory_format"
    if name == "arange":
        return ("default", "default", "start", "start_step")[min(len(positional), 3)]
    if name == "eye":
        return "m" if len(positional) > 1 else "default"
    numbers = [p for p in positional if isinstance(p, (int, float)) and not isinstance(p, Tensor)]
    if name == "randint":
        return "low" if len(numbers) > 1 else "default"
    if name == "randint_like":
        return "low_dtype" if len(numbers) > 1 else "default"
    return "default"
