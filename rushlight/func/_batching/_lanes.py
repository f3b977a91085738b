"""What the batching rules share: the mark of a batched tensor, dims, alignment, binding."""

from __future__ import annotations

from ... import _C

Tensor = _C.Tensor
rules: dict = {}  # operator name: rule(op, size, *args, **kwargs)


class Lanes:
    """An argument that differs from lane to lane: its tensor has the lanes along dim 0."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor):
        self.tensor = tensor


class Refusal(Exception):
    """A call that has no meaning under vmap; the user sees its text as a RuntimeError."""


def rule(*names):
    """Register a function as the rule of the operators called so."""

    def register(function):
        for name in names:
            rules[name] = function
        return function

    return register


# -- dims --------------------------------------------------------------------------------------


def rank(x):
    """The dims of one lane; 0 for a number."""
    if type(x) is Lanes:
        return x.tensor.ndim - 1
    return x.ndim if isinstance(x, Tensor) else 0


def behind(dim, n):
    """The dim of a batched tensor for the dim of a lane with `n` dims."""
    limit = n or 1
    if not -limit <= dim < limit:
        raise IndexError(
            "Dimension out of range (expected to be in range of "
            f"[{-limit}, {limit - 1}], but got {dim})"
        )
    return dim % limit + 1


def ints(dims):
    """Sizes or dims as a tuple; a single one may stand by itself."""
    return (dims,) if isinstance(dims, int) else tuple(dims)


def at_least_one(x):
    """A batched tensor whose lanes have a dim, be it of size 1."""
    return x.unsqueeze(1) if x.ndim == 1 else x


def aligned(x, n):
    """The tensor of an operand, with `n` dims behind that of the lanes, so that it broadcasts."""
    if type(x) is not Lanes:
        return x
    x = x.tensor
    missing = n + 1 - x.ndim
    if missing <= 0:
        return x
    shape = x.shape
    return x.reshape((shape[0],) + (1,) * missing + tuple(shape[1:]))


def full(x, size):
    """The tensor of an operand with a dim of lanes, repeated without a copy where it had none."""
    if type(x) is Lanes:
        return x.tensor
    return x.unsqueeze(0).expand((size, *x.shape))


def plain(x):
    """The tensor of an operand, whether batched or not."""
    return x.tensor if type(x) is Lanes else x


def lane(x, i):
    """Everything in a tree of arguments as lane `i` has it."""
    kind = type(x)
    if kind is Lanes:
        return x.tensor.select(0, i)
    if kind is list or kind is tuple:
        return kind([lane(y, i) for y in x])
    return x


def has_lanes(x):
    """Whether a tree of arguments holds a batched tensor."""
    kind = type(x)
    if kind is list or kind is tuple:
        return any(map(has_lanes, x))
    return kind is Lanes


# -- calls -------------------------------------------------------------------------------------


def base_name(op):
    """An operator's name, that of an in-place form without its underscore."""
    return op.__name__.removesuffix("_")


def parameters(op):
    """The names of the positional parameters."""
    code = op.declaration.forward.__code__
    return code.co_varnames[: code.co_argcount]


def each(function, results):
    """A function over one result, or over each of a tuple of them."""
    if isinstance(results, tuple):
        return type(results)(map(function, results))
    return function(results)


def written(op, input, result):
    """The result of an operator, or the input with it written over where it is in place."""
    return input.tensor.copy_(result) if op.inplace else result
