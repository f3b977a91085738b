"""Operators that draw random numbers, under vmap."""

from __future__ import annotations

import rushlight as torch

from .. import _C
from ._batching._lanes import Lanes, Tensor, aligned, base_name, full, has_lanes, rank

_REFUSAL = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)
_SAME_WITH_LANES = (
    "Vmap does not currently support same randomness with a batched tensor input. Please file an "
    "issue with functorch"
)
_DIFFERENT_UNBATCHED = (
    "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear "
    "like same randomness. If this is necessary for your usage, please file an issue with "
    "functorch."
)
_MASKED = {"fused_dropout", "native_dropout", "dropout_mask"}


def run(level, op, given, args, kwargs, batched):
    """The result of a call that draws, under the randomness that the vmap of `level` asks for.

    given: the arguments at this level; args, kwargs: one level further out.
    """
    name = base_name(op)
    if level.randomness == "error":
        raise RuntimeError(_REFUSAL)
    if name == "own_lanes":
        return _own_lanes(level, op, given, args)
    if op.inplace:
        _write(level, op, args, kwargs, batched)
        return given[0]
    if level.randomness == "different":
        made = _different(level.size, op, name, args, kwargs)
    elif not batched:
        return _C.lift(level, op(*args, **kwargs), given, False)
    elif name in _MASKED:
        made = _one_mask(op, name, *args)
        if name == "dropout_mask":
            return _C.lift(level, made, given, False)
    else:
        raise RuntimeError(_SAME_WITH_LANES)
    return _C.lift(level, made, given, True)


def _own_lanes(level, op, given, args):
    """Memory to fill gets lanes where every lane is to draw numbers of its own."""
    (x,) = args
    if level.randomness == "same" or type(x) is Lanes:
        return given[0] if type(x) is Lanes else _C.lift(level, op(x), given, False)
    return _C.lift(level, op(x.new_empty((level.size, *x.shape))), given, True)


# -- in place ------------------------------------------------------------------------------------


def _write(level, op, args, kwargs, batched):
    target, *rest = args
    if type(target) is not Lanes:
        if batched and level.randomness == "different":
            raise RuntimeError(
                f"vmap: inplace {base_name(op)}(self, *extra_args) is not possible because there "
                "exists a Tensor `other` in extra_args that has more elements than `self`. This "
                "happened due to `other` being vmapped over but `self` not being vmapped over in a "
                "vmap. Please try to use out-of-place operators instead."
            )
        if batched or level.randomness == "different":
            raise RuntimeError(_SAME_WITH_LANES if batched else _DIFFERENT_UNBATCHED)
        op(target, *rest, **kwargs)
        return
    x = target.tensor
    if level.randomness == "different":
        op(x, *[aligned(t, x.ndim - 1) for t in rest], **kwargs)
        return
    if has_lanes(rest):
        raise RuntimeError(_SAME_WITH_LANES)
    x.copy_(op(x.detach().new_empty(x.shape[1:]), *rest, **kwargs))


# -- lanes that draw numbers of their own --------------------------------------------------------


def _different(size, op, name, args, kwargs):
    """The operator over all lanes in one call, which draws for one lane after the other."""
    if name == "randperm":
        return torch.stack([op(*args, **kwargs) for _ in range(size)])
    if name == "multinomial":
        weights, *rest = args
        made = full(weights, size)
        if made.ndim == 2:
            return op(made, *rest, **kwargs)
        rows = made.shape[1]
        drawn = op(made.reshape((size * rows, made.shape[2])), *rest, **kwargs)
        return drawn.reshape((size, rows, drawn.shape[1]))
    n = max(map(rank, args))
    own = [_with_lanes(x, size, n) for x in args]
    return op(*own, **kwargs)


def _with_lanes(x, size, n):
    if not isinstance(x, (Lanes, Tensor)):
        return x
    return aligned(Lanes(full(x, size)), n)


# -- lanes that draw the same numbers ------------------------------------------------------------


def _one_mask(op, name, input, p, *train):
    """Dropout that leaves out the same elements in every lane."""
    x = input.tensor
    one = x.detach().new_ones(x.shape[1:])
    if name == "dropout_mask":
        return op(one, p)
    kept, mask = op(one, p, *train)
    shared = mask.unsqueeze(0).expand(x.shape)
    return x * kept, shared
