"""Operators that draw random numbers, under vmap."""

from __future__ import annotations

from .. import _C
from . import _batching

_REFUSAL = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)


def run(level, op, args, kwargs, batched):
    """The physical result, lanes along dim 0, under the randomness that the vmap asks for."""
    raise RuntimeError(_REFUSAL)
