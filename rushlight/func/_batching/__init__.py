"""How operators run over all lanes at once: a rule for each, or a call for every lane.

A rule is `rule(op, size, *args, **kwargs)`. It gets the arguments of the declaration's `forward`,
keyword-only ones by name; those that differ from lane to lane are `Lanes`, whose tensor has the
lanes along dim 0. It returns tensors with the lanes along dim 0. An in-place operator has `Lanes`
as its first argument, and writes into it.
"""

from __future__ import annotations

from ...op import operators
from . import (  # noqa: F401 (their rules enter the table as they are loaded)
    along,
    convolution,
    indexing,
    joining,
    layers,
    losses,
    matrices,
    norms,
    pointwise,
    products,
    views,
)
from ._lanes import Lanes, Refusal, base_name, lane, rules
from .fallback import loop, no_lanes

__all__ = ["Lanes", "rules", "run"]

_found: dict = {}  # declaration: rule


def run(op, size: int, args: tuple, kwargs: dict):
    """The physical results of an operator, lanes along dim 0."""
    rule = _found.get(op.declaration)
    if rule is None:
        rule = _found[op.declaration] = rule_of(op)
    try:
        return rule(op, size, *args, **kwargs)
    except Refusal as refusal:
        raise RuntimeError(str(refusal)) from None
    except Exception:
        if size == 0:
            return no_lanes(op, args, kwargs)
        _complain(op, size, args, kwargs)
        raise


def rule_of(op):
    """The rule of an operator; `loop` if it has none of its own."""
    name = base_name(op)
    operands = operators[name].pointwise
    return rules.get(name) or (pointwise.pointwise(operands) if operands else loop)


def _complain(op, size, args, kwargs):
    """Raise what the operator says of the first lane that it refuses.

    The shapes that it names are those that the user knows.
    """
    for i in range(size):
        own = [lane(x, i) for x in args]
        if op.inplace:
            own[0] = own[0].clone()
        op(*own, **{k: lane(x, i) for k, x in kwargs.items()})
