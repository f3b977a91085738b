"""Floating-point operations of a call, from the shapes of its arguments."""

from __future__ import annotations

from math import prod


def _pairs(input, other, *rest):
    """2 m n k of (.., m, k) times (.., k, n)."""
    return 2 * prod(input) * other[-1] if len(input) >= 2 and len(other) >= 2 else 0


def _added(bias, input, other, *rest):
    return _pairs(input, other)


def _linear(input, weight, *rest):
    """Of (.., k) times the transpose of (n, k)."""
    return 2 * prod(input) * weight[0] if len(weight) == 2 else 0


def _elements(input, other=(), *rest):
    """One each, after broadcasting."""
    longest = max(len(input), len(other))
    sides = [[1] * (longest - len(s)) + list(s) for s in (input, other)]
    return prod(a if b == 1 else b for a, b in zip(*sides))


def _conv(shapes, values):
    """2 for each weight that meets each position of the output."""
    input, weight = shapes[:2]
    spatial = len(weight) - 2
    batch = input[0] if len(input) == len(weight) else 1
    steps, margins, spacings = (
        (v,) * spatial if isinstance(v, int) else v * spatial if len(v) == 1 else v
        for v in values[3:6]
    )
    if isinstance(margins, str):  # "same" keeps the size, "valid" has no margin
        margins = tuple((k - 1) / 2 if margins == "same" else 0 for k in weight[2:])
    out = [
        int((n + 2 * m - d * (k - 1) - 1) // s + 1)
        for n, m, d, k, s in zip(input[-spatial:], margins, spacings, weight[2:], steps)
    ]
    return 2 * batch * prod(weight) * prod(out)


_FORMULAS = {
    "mm": _pairs,
    "bmm": _pairs,
    "matmul_batched": _pairs,
    "matmul_folded": _pairs,
    "addmm": _added,
    "baddbmm": _added,
    "linear_addmm": _linear,
    "linear_mm": _linear,
    "linear_view": _linear,
    "linear_unsafe_view": _linear,
    "linear_row": _linear,
    "add": _elements,
    "mul": _elements,
}


def count_flops(operator: str, shapes: list, values: list) -> int:
    """What one call of an operator of ours computes; 0 where there is no formula.

    `values` are the element types of tensors, and the other arguments as they were.
    """
    if operator in ("conv1d", "conv2d", "conv3d"):
        return _conv(shapes, values)
    if operator == "linear_backward":  # a product for each of the gradients that are wanted
        return 2 * prod(shapes[0]) * shapes[2][1] * (bool(values[3]) + bool(values[4]))
    formula = _FORMULAS.get(operator)
    if formula is None or len(shapes) < 2 or any(s and isinstance(s[0], list) for s in shapes):
        return 0
    return formula(*shapes)
