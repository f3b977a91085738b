"""Functions of one and two arrays, element by element."""

from __future__ import annotations

import rushlight as torch

from .dtypes import pair

_SAME = """
    acos acosh asin asinh atan atanh cos cosh exp expm1 floor ceil trunc log log1p log2 log10
    logical_not reciprocal round signbit sin sinh square sqrt tan tanh isfinite isinf isnan conj
""".split()
_UNARY = {name: name for name in _SAME} | {
    "abs": "abs",
    "bitwise_invert": "bitwise_not",
    "negative": "neg",
    "positive": "positive",
    "sign": "sgn",
}
_BINARY = {
    "add": "add", "atan2": "atan2", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or",
    "bitwise_xor": "bitwise_xor", "bitwise_left_shift": "bitwise_left_shift",
    "bitwise_right_shift": "bitwise_right_shift", "copysign": "copysign", "divide": "div",
    "equal": "eq", "floor_divide": "floor_divide", "greater": "gt", "greater_equal": "ge",
    "hypot": "hypot", "less": "lt", "less_equal": "le", "logaddexp": "logaddexp",
    "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor",
    "maximum": "maximum", "minimum": "minimum", "multiply": "mul", "nextafter": "nextafter",
    "not_equal": "ne", "pow": "pow", "remainder": "remainder", "subtract": "sub",
}  # fmt: skip


def _unary(name, operator):
    compute = getattr(torch, operator)

    def function(x, /):
        return compute(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{operator} of every element."
    return function


def _binary(name, operator):
    compute = getattr(torch, operator)

    def function(x1, x2, /):
        return compute(*pair(name, x1, x2))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{operator} of every pair of elements; one may be a number."
    return function


def clip(x, /, min=None, max=None):
    """Each element, or the bound it passes; keeps the dtype of `x`."""
    out = x if min is None else torch.maximum(*pair("clip", x, min))
    out = out if max is None else torch.minimum(*pair("clip", out, max))
    return x.clone() if out is x else out.to(x.dtype)


def real(x, /):
    """The real part."""
    return torch.real(x) if x.is_complex() else x


def imag(x, /):
    """The imaginary part: zero for real numbers."""
    return torch.imag(x) if x.is_complex() else torch.zeros_like(x)


globals().update({name: _unary(name, operator) for name, operator in _UNARY.items()})
globals().update({name: _binary(name, operator) for name, operator in _BINARY.items()})
__all__ = [*_UNARY, *_BINARY, "clip", "real", "imag"]
