"""Helpers that several families of models share."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ... import nn


class IntermediateLayerGetter(nn.ModuleDict):
    """Runs the first children of a model in turn and returns some of their outputs.

    `return_layers` maps the names of direct children to the keys of the result. Children after
    the last of them are dropped, and the model must call its children in order, once each.
    """

    _version = 2
    __annotations__ = {"return_layers": dict[str, str]}

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        children = dict(model.named_children())
        if not set(return_layers).issubset(children):
            raise ValueError("return_layers are not present in model")
        wanted = {str(k) for k in return_layers}
        layers = OrderedDict()
        for name, module in children.items():
            layers[name] = module
            wanted.discard(name)
            if not wanted:
                break
        super().__init__(layers)
        self.return_layers = {str(k): str(v) for k, v in return_layers.items()}

    def forward(self, x):
        """The outputs of the chosen children, by their new names."""
        out = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of `divisor` nearest to `v`, never less than nine tenths of it.

    MobileNets round their channels so (Sandler et al. 2018).
    """
    least = divisor if min_value is None else min_value
    rounded = max(least, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


def kwonly_to_pos_or_kw(fn: Callable) -> Callable:
    """Let keyword-only parameters be given by position too, with a warning."""
    parameters = inspect.signature(fn).parameters
    keyword_only = [n for n, p in parameters.items() if p.kind == p.KEYWORD_ONLY]
    first = list(parameters).index(keyword_only[0]) if keyword_only else len(parameters)

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        extra = args[first:]
        if not extra:
            return fn(*args, **kwargs)
        named = dict(zip(keyword_only, extra))
        quoted = [f"'{name}'" for name in named]
        comma = ", and " if len(quoted) > 2 else " and "
        names = comma.join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
        warnings.warn(
            f"Using {names} as positional parameter(s) is deprecated since 0.13 and may be removed "
            "in the future. Please use keyword parameter(s) instead.",
            stacklevel=3,
        )
        return fn(*args[:first], **named, **kwargs)

    return wrapper


def handle_legacy_interface(**weights: tuple[str, Any]) -> Callable[[Callable], Callable]:
    """A decorator: take `pretrained=True` and the like for `weights=`, with a warning.

    Each keyword is a weights parameter; its value is the old parameter's name and what True meant:
    a member, None, or a function of the keyword arguments that gives one.
    """

    def decorate(builder: Callable) -> Callable:
        @kwonly_to_pos_or_kw
        @functools.wraps(builder)
        def inner(*args: Any, **kwargs: Any) -> Any:
            for parameter, (old, default) in weights.items():
                _translate(builder.__name__, kwargs, parameter, old, default)
            return builder(*args, **kwargs)

        return inner

    return decorate


_ABSENT = object()


def _translate(builder: str, kwargs: dict, parameter: str, old: str, default: Any) -> None:
    """Replace one old-fashioned argument in `kwargs`."""
    from ._api import WeightsEnum

    given = kwargs.get(parameter, _ABSENT)
    modern = given is None or isinstance(given, WeightsEnum)
    modern = modern or isinstance(given, str) and given != "legacy"
    if modern or given is _ABSENT and old not in kwargs:
        return
    if given is _ABSENT:
        asked = kwargs[old]
        warnings.warn(
            f"The parameter '{old}' is deprecated since 0.13 and may be removed in the future, "
            f"please use '{parameter}' instead.",
            stacklevel=4,
        )
    else:
        asked = kwargs[old] = kwargs.pop(parameter)
    meant = None
    if asked:
        meant = default(kwargs) if callable(default) else default
        if not isinstance(meant, WeightsEnum):
            raise ValueError(f"No weights available for model {builder}")
    message = (
        f"Arguments other than a weight enum or `None` for '{parameter}' are deprecated since 0.13 "
        f"and may be removed in the future. The current behavior is equivalent to passing "
        f"`{parameter}={meant}`."
    )
    if asked:
        message += (
            f" You can also use `{parameter}={meant.__class__.__name__}.DEFAULT` to get the most "
            "up-to-date weights."
        )
    warnings.warn(message, stacklevel=4)
    del kwargs[old]
    kwargs[parameter] = meant


def _ovewrite_named_param(kwargs: dict[str, Any], param: str, new_value: Any) -> None:
    """Set an argument that weights decide; ValueError when another value was given.

    The name is torchvision's, whose programs import it.
    """
    if param in kwargs and kwargs[param] != new_value:
        raise ValueError(
            f"The parameter '{param}' expected value {new_value} but got {kwargs[param]} instead."
        )
    kwargs[param] = new_value


def _ovewrite_value_param(param: str, actual: Any, expected: Any) -> Any:
    """The value that weights decide; ValueError when another one was given."""
    if actual is not None and actual != expected:
        raise ValueError(
            f"The parameter '{param}' expected value {expected} but got {actual} instead."
        )
    return expected
