"""The way of operators without a rule: one call for every lane, results stacked."""

from __future__ import annotations

from ._lanes import Refusal, base_name, lane


def loop(op, size, *args, **kwargs):
    """Run the operator lane by lane."""
    if size == 0:
        raise Refusal(
            f"Batching rule not implemented for {base_name(op)}; the fallback path doesn't work on "
            "vmap over dims of size 0"
        )
    found = [
        op(*[lane(x, i) for x in args], **{k: lane(x, i) for k, x in kwargs.items()})
        for i in range(size)
    ]
    if op.inplace:
        return args[0].tensor
    return stacked(found)


def stacked(found):
    """The results of all lanes as one: tuples field by field."""
    from ... import stack

    if isinstance(found[0], tuple):
        return type(found[0])([stack(column) for column in zip(*found, strict=True)])
    return stack(found)
