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
        return all_lanes(make(like, lead))
    physical, batched = held
    made = made_like(physical, make, (physical.shape[0], *lead) if batched else lead)
    return _C.wrap_lanes(_C.level_of(like), made, batched)


def all_lanes(x: Tensor) -> Tensor:
    """The tensor with the values of all lanes, their dims in front."""
    while (held := _C.unwrap_lanes(x, None)) is not None:
        x = held[0]
    return x


def shared_out(x: Tensor, *others) -> Tensor:
    """`x` with values of its own in every lane in which one of the others has them."""
    from .indexing import _where

    for other in others:
        if isinstance(other, Tensor) and _C.level_of(other) is not None:
            x = _where(other.new_ones((), dtype=_C.bool), x, x)
    return x


def zeros_for(g: Tensor, shape, *places) -> Tensor:
    """Zeros of `shape` to write `g` into at the given places, in the lanes of all of them."""
    return shared_out(g.new_zeros(shape), *places)


def same_memory(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors begin at the same element."""
    a, b = all_lanes(a), all_lanes(b)
    return a._storage_id() == b._storage_id() and a.storage_offset() == b.storage_offset()


def one_by_one(function, *args):
    """`function` for every lane by itself, its results stacked; nothing is recorded.

    For what looks at values on its way.
    """
    levels = [_C.level_of(x) for x in args if isinstance(x, Tensor)]
    levels = [x for x in levels if x is not None]
    if not levels:
        return function(*args)
    level = max(levels, key=lambda x: x.number)
    held = [_C.unwrap_lanes(x, level) if isinstance(x, Tensor) else None for x in args]
    found = []
    for i in range(level.size):
        own = [
            x if h is None else h[0].select(0, i) if h[1] else h[0]
            for x, h in zip(args, held, strict=True)
        ]
        found.append(one_by_one(function, *own))
    return _stacked(level, found)


def _stacked(level, found):
    if isinstance(found[0], (tuple, list)):
        return type(found[0])([_stacked(level, column) for column in zip(*found, strict=True)])
    from .join import stack

    made = stack(found)
    return _C.wrap_lanes(level, (_C.unwrap_lanes(made, level) or (made,))[0], True)


def agreed(x: Tensor) -> int:
    """The whole number that `x` holds, which must be the same in all lanes."""
    values = all_lanes(x).flatten()
    if values.numel() > 1 and bool((values != values[0]).any()):
        raise RuntimeError(
            "vmap: the shape of a result depends on values that differ from lane to lane: got "
            f"{values.tolist()}"
        )
    return int(values[0]) if values.numel() else 0


def some(flags: Tensor) -> bool:
    """Whether any element is true, in whatever lane; on meta nobody knows, and none is."""
    flags = all_lanes(flags)
    return not flags.is_meta and bool(flags.any())


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
