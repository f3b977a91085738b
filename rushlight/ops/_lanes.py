"""Tensors of a vmap in functions that make tensors or look at values."""

from __future__ import annotations

from .. import _C
from ..op import op

Tensor = _C.Tensor


def made_like(like: Tensor, make, lead: tuple = ()) -> Tensor:
    """`make(tensor, lead)` in the lanes of `like`: a result that has values of its own in each.

    `make` gets the tensor behind all lanes, and the sizes of their dims to put in front.
    """
    held = _C.unwrap_lanes(like, None)
    if held is None:
        return make(like, lead)
    physical, batched = held
    made = made_like(physical, make, (physical.shape[0], *lead) if batched else lead)
    return _C.wrap_lanes(_C.level_of(like), made, batched)


def all_lanes(x: Tensor) -> Tensor:
    """The tensor with the values of all lanes, their dims in front."""
    while (held := _C.unwrap_lanes(x, None)) is not None:
        x = held[0]
    return x


def some(flags: Tensor) -> bool:
    """Whether any element is true, in whatever lane."""
    return bool(all_lanes(flags).any())


@op("", kernel="alias", view=True)
class own_lanes:
    """A tensor that is about to be filled with random numbers, in the lanes that will draw them.

    Outside of vmap it is the tensor itself; so it is under randomness "same".
    """

    random = True

    def forward(input):
        return input

    def samples(make):
        yield (make(2, 3),)


def to_draw(blank: Tensor) -> Tensor:
    """New memory for random numbers: under vmap each lane may draw its own."""
    return own_lanes(blank) if _C.transforms() else blank
