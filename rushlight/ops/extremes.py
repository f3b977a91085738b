"""The larger and the smaller of two, and clamping to an interval."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import inplace_form, op, public


def pair_samples(make):
    yield make(3, 5), make(3, 5)
    yield make(2, 3, 4), make(4)


def shared(g, input, other, loses):
    """The gradient of a winner: half where both are equal, none where it loses."""
    half = g / 2
    return g.masked_fill(input == other, 0).masked_fill(loses, 0) + half.masked_fill(
        input != other, 0
    )


@op("torch.maximum Tensor.maximum", pointwise=2, numbers="")
class maximum:
    """The larger of two, element by element; NaN wins."""

    def forward(input, other):
        return np.maximum(input, other)

    def grad_input(g, input, other):
        return shared(g, input, other, input < other)

    def grad_other(g, input, other):
        return shared(g, input, other, input > other)

    def samples(make):
        yield from pair_samples(make)


@op("torch.minimum Tensor.minimum", pointwise=2, numbers="")
class minimum:
    """The smaller of two, element by element; NaN wins."""

    def forward(input, other):
        return np.minimum(input, other)

    def grad_input(g, input, other):
        return shared(g, input, other, input > other)

    def grad_other(g, input, other):
        return shared(g, input, other, input < other)

    def samples(make):
        yield from pair_samples(make)


@op("torch.fmax Tensor.fmax", pointwise=2, numbers="")
class fmax:
    """The larger of two, element by element; NaN loses to a number."""

    def forward(input, other):
        return np.fmax(input, other)

    def grad_input(g, input, other):
        return g.masked_fill(~((input >= other) | other.isnan()), 0)

    def grad_other(g, input, other):
        return g.masked_fill((input >= other) | other.isnan(), 0)

    def samples(make):
        yield from pair_samples(make)


@op("torch.fmin Tensor.fmin", pointwise=2, numbers="")
class fmin:
    """The smaller of two, element by element; NaN loses to a number."""

    def forward(input, other):
        return np.fmin(input, other)

    def grad_input(g, input, other):
        return g.masked_fill(~((input <= other) | other.isnan()), 0)

    def grad_other(g, input, other):
        return g.masked_fill((input <= other) | other.isnan(), 0)

    def samples(make):
        yield from pair_samples(make)


# -- clamp ------------------------------------------------------------------------------------


@op("", pointwise=1, node="ClampBackward1", kernel="clamp")
class clamp_number:
    """Each element brought into [min, max]."""

    def forward(input, min, max):
        return np.minimum(np.maximum(input, min), max)

    def grad_input(g, input, min, max):
        return g.masked_fill(~((input >= min) & (input <= max)), 0)

    def samples(make):
        yield make(3, 5), -0.5, 0.5
        yield make(3, 5), 0.0, float("inf")


@op("", pointwise=3, node="ClampBackward0")
class clamp_tensor:
    """Each element brought into its own [min, max]."""

    def forward(input, min, max):
        return np.minimum(np.maximum(input, min), max)

    def grad_input(g, input, min, max):
        return g.masked_fill(~((input >= min) & (input <= max)), 0)

    def grad_min(g, input, min, max):
        return g.masked_fill(~((min < max) & (input < min)), 0)

    def grad_max(g, input, min, max):
        return g.masked_fill(~((input > max) | (max < min)), 0)

    def samples(make):
        yield make(3, 5), make(3, 5, high=0), make(3, 5, low=0)
        yield make(3, 5), make(5, high=0), make(1, low=0)


@op("", pointwise=2, node="ClampMinBackward1")
class clamp_min_tensor:
    """Each element, no smaller than its bound."""

    def forward(input, min):
        return np.maximum(input, min)

    def grad_input(g, input, min):
        return g.masked_fill(~(input >= min), 0)

    def grad_min(g, input, min):
        return g.masked_fill(~(input < min), 0)

    def samples(make):
        yield from pair_samples(make)


@op("", pointwise=2, node="ClampMaxBackward1")
class clamp_max_tensor:
    """Each element, no larger than its bound."""

    def forward(input, max):
        return np.minimum(input, max)

    def grad_input(g, input, max):
        return g.masked_fill(~(input <= max), 0)

    def grad_max(g, input, max):
        return g.masked_fill(~(input > max), 0)

    def samples(make):
        yield from pair_samples(make)


_INFINITY = float("inf")
_SMALL = 2**53
_forms: dict = {}


def run(operator, input, args, out, inplace):
    """Call an operator, its in-place form, or with `out`."""
    if inplace:
        form = _forms.get(operator)
        if form is None:
            form = _forms[operator] = inplace_form(operator)
        return form(input, *args)
    return operator(input, *args) if out is None else operator(input, *args, out=out)


def is_tensor(x):
    return isinstance(x, _C.Tensor)


def exact(bound):
    """Whether a number goes through a double unchanged."""
    return type(bound) is float or bound is None or -_SMALL <= bound <= _SMALL


def limit(input, min, max, out, inplace):
    """Choose the form of clamp for these bounds; at least one is given."""
    if not is_tensor(input):
        raise TypeError(
            "clamp() received an invalid combination of arguments: argument 'input' (position 1) "
            f"must be Tensor, not {type(input).__name__}"
        )
    if is_tensor(min) or is_tensor(max):
        if min is None:
            return run(clamp_max_tensor, input, (max,), out, inplace)
        if max is None:
            return run(clamp_min_tensor, input, (min,), out, inplace)
        return run(clamp_tensor, input, (min, max), out, inplace)
    dtype = input.dtype
    if dtype.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    if not dtype.is_floating_point:
        if type(min) is float or type(max) is float:
            if inplace:
                raise RuntimeError(
                    "result type Float can't be cast to the desired output type Long"
                )
            input = input.to(_C.get_default_dtype())
        elif not (exact(min) and exact(max)):
            return limit(input, *(b if b is None else full(b) for b in (min, max)), out, inplace)
        elif dtype is _C.bool and not inplace:
            input = input.to(_C.int64)
    low = -_INFINITY if min is None else min
    high = _INFINITY if max is None else max
    return run(clamp_number, input, (low, high), out, inplace)


def full(bound):
    """A number as a 0-d integer tensor, exactly."""
    from .. import tensor

    return tensor(bound)


_PLAIN = frozenset({int, float, type(None)})


def is_plain(input, min, max):
    """A floating tensor with bounds that are numbers: the usual case."""
    return (
        type(min) in _PLAIN
        and type(max) in _PLAIN
        and min is not max
        and is_tensor(input)
        and input.is_floating_point()
    )


def settle(min, max):
    """The bounds, both tensors or both numbers: beside a number, a 0-d constant counts as one."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if min is None or max is None or is_tensor(min) == is_tensor(max):
        return min, max
    return number_of(min, max), number_of(max, min)


def number_of(bound, other):
    """A bound as a number, for the other is one."""
    if not is_tensor(bound):
        return bound
    if bound.dim() or bound.requires_grad:
        raise TypeError(
            "clamp() received an invalid combination of arguments - got a tensor and "
            f"{type(other).__name__} as bounds, expected two tensors or two numbers"
        )
    return bound.item()


@public("torch.clamp torch.clip Tensor.clamp Tensor.clip")
def clamp(input, min=None, max=None, *, out=None):
    """Bring each element into [min, max]; NaN stays.

    Bounds are numbers or tensors, one may be left out. Where min > max the result is max.
    """
    if out is None and is_plain(input, min, max):
        return clamp_number(
            input, -_INFINITY if min is None else min, _INFINITY if max is None else max
        )
    return limit(input, *settle(min, max), out, False)


@public("torch.clamp_ torch.clip_ Tensor.clamp_ Tensor.clip_")
def clamp_(input, min=None, max=None):
    """`clamp`, in place."""
    return limit(input, *settle(min, max), None, True)


@public("torch.clamp_min Tensor.clamp_min")
def clamp_min(input, min, *, out=None):
    """Each element, no smaller than `min` (a number or a tensor)."""
    return limit(input, min, None, out, False)


@public("torch.clamp_min_ Tensor.clamp_min_")
def clamp_min_(input, min):
    """`clamp_min`, in place."""
    return limit(input, min, None, None, True)


@public("torch.clamp_max Tensor.clamp_max")
def clamp_max(input, max, *, out=None):
    """Each element, no larger than `max` (a number or a tensor)."""
    return limit(input, None, max, out, False)


@public("torch.clamp_max_ Tensor.clamp_max_")
def clamp_max_(input, max):
    """`clamp_max`, in place."""
    return limit(input, None, max, None, True)
