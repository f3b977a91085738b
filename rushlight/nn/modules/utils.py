"""Small helpers shared by the layers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n, name="parse"):
    def parse(x):
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(values, count):
    """Padding per dimension, first to last, as `F.pad` wants it: last to first, each twice."""
    return tuple(x for x in reversed(values) for _ in range(count))


def _list_with_default(out_size, defaults):
    """Sizes with the last of `defaults` where one is None."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    last = defaults[-len(out_size) :]
    return [d if v is None else v for v, d in zip(out_size, last, strict=True)]


def consume_prefix_in_state_dict_if_present(state_dict, prefix: str) -> None:
    """Strip a prefix such as "module." from the keys of a state dict, in place and in order."""
    for key in list(state_dict.keys()):
        value = state_dict.pop(key)
        state_dict[key.removeprefix(prefix)] = value
    metadata = getattr(state_dict, "_metadata", None)
    for key in list(metadata) if metadata is not None else ():
        if not key:
            continue
        value = metadata.pop(key)
        # The entry of the prefix itself, saved without its final point, becomes the root's.
        metadata["" if key == prefix.rstrip(".") else key.removeprefix(prefix)] = value
