"""The way of operators without a rule: one call for every lane, results stacked."""

from __future__ import annotations

from ._lanes import Lanes, each, lane


def loop(op, size, *args, **kwargs):
    """Run the operator lane by lane."""
    if size == 0:
        return no_lanes(op, args, kwargs)
    found = [
        op(*[lane(x, i) for x in args], **{k: lane(x, i) for k, x in kwargs.items()})
        for i in range(size)
    ]
    if op.inplace:
        return args[0].tensor
    return stacked(found)


def no_lanes(op, args, kwargs):
    """No lanes: what a lane of zeros gives tells the shapes."""
    if op.inplace:
        return args[0].tensor
    made = op(*map(_zeros, args), **{k: _zeros(x) for k, x in kwargs.items()})
    return each(lambda t: t.new_empty((0, *t.shape)), made)


def _zeros(x):
    if type(x) is Lanes:
        return x.tensor.new_zeros(x.tensor.shape[1:])
    return type(x)(map(_zeros, x)) if type(x) in (list, tuple) else x


def stacked(found):
    """The results of all lanes as one: tuples field by field."""
    from ... import stack

    if isinstance(found[0], tuple):
        return type(found[0])([stack(column) for column in zip(*found, strict=True)])
    return stack(found)
