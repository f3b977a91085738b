"""Quotients, rounded or not, and remainders."""

from __future__ import annotations

from .._lazy import np
from ..op import conj, inplace_form, op, public
from .arithmetic import no_derivative, positive_samples


@op(
    "torch.true_divide Tensor.true_divide Tensor.true_divide_ Tensor.__truediv__",
    promote="float",
    pointwise=2,
    exact_numbers=True,
    lone_numbers=True,
    node="DivBackward0 DivBackward0 MulBackward0",
)
class div:
    """Divide element by element; integers are divided as floats."""

    def forward(input, other):
        return np.divide(input, other)

    def grad_input(g, other):
        return g / conj(other)

    def grad_other(g, input, other):
        return -g * conj(input / other / other)

    def samples(make):
        yield from positive_samples(make)


@op("", node="DivBackward2", pointwise=2, exact_numbers=True, lone_numbers=True)
class div_trunc:
    """The quotient rounded toward zero."""

    def forward(input, other):
        return np.trunc(np.divide(input, other)).astype(np.result_type(input, other))

    def grad_input(g):
        return zeros_of(g)

    def grad_other(g):
        return zeros_of(g)

    def samples(make):
        yield from positive_samples(make)


@op(
    "",
    node="DivBackward2",
    kernel="div_floor",
    pointwise=2,
    exact_numbers=True,
    lone_numbers=True,
)
class div_floor:
    """The quotient rounded down."""

    def forward(input, other):
        return np.floor_divide(input, other)

    def grad_input(g):
        return zeros_of(g)

    def grad_other(g):
        return zeros_of(g)

    def samples(make):
        yield from positive_samples(make)


@op(
    "torch.floor_divide Tensor.floor_divide Tensor.floor_divide_ Tensor.__floordiv__",
    kernel="div_floor",
    pointwise=2,
    exact_numbers=True,
    lone_numbers=True,
)
class floor_divide:
    """The quotient rounded down; it has no derivative, and says so when one is asked for."""

    underivable = True

    def forward(input, other):
        return np.floor_divide(input, other)

    grad_input = grad_other = no_derivative("floor_divide")

    def samples(make):
        yield from positive_samples(make)


def zeros_of(g):
    """A gradient of zeros in the shape of `g`."""
    from .. import zeros_like

    return zeros_like(g)


_ROUNDED = {"trunc": div_trunc, "floor": div_floor}
_IN_PLACE = {None: inplace_form(div), **{k: inplace_form(v) for k, v in _ROUNDED.items()}}


def rounded_division(rounding_mode):
    """The operator of a rounding mode; RuntimeError for an unknown one."""
    try:
        return _ROUNDED[rounding_mode]
    except (KeyError, TypeError):
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' "
            f"but found '{rounding_mode}'"
        ) from None


def divide(input, other, *, rounding_mode=None, out=None):
    """Divide element by element.

    `rounding_mode`: None for the true quotient (floats), "trunc" toward zero, "floor" down.
    """
    operator = div if rounding_mode is None else rounded_division(rounding_mode)
    return operator(input, other) if out is None else operator(input, other, out=out)


def divide_(input, other, *, rounding_mode=None):
    """`divide`, in place."""
    if rounding_mode is not None:
        rounded_division(rounding_mode)
    return _IN_PLACE[rounding_mode](input, other)


divide.__name__, divide_.__name__ = "div", "div_"
public("torch.div torch.divide Tensor.div Tensor.divide")(divide)
public("Tensor.div_ Tensor.divide_")(divide_)


@public("Tensor.__rdiv__")
def reversed_division(input, other):
    """`other / input`."""
    return input.reciprocal() * other


@op(
    "torch.remainder Tensor.remainder Tensor.remainder_ Tensor.__mod__",
    pointwise=2,
    node="RemainderBackward1 RemainderBackward0",
)
class remainder:
    """The remainder with the sign of the divisor, as Python's `%`."""

    def forward(input, other):
        return np.mod(input, other)

    def grad_input(g):
        return g

    def grad_other(g, input, other):
        return -g * divide(input, other, rounding_mode="floor")

    def samples(make):
        yield from positive_samples(make)


@op(
    "torch.fmod Tensor.fmod Tensor.fmod_",
    pointwise=2,
    numbers="other",
    node="FmodBackward1 FmodBackward0",
)
class fmod:
    """The remainder with the sign of the dividend, as C's fmod."""

    def forward(input, other):
        return np.fmod(input, other)

    def grad_input(g):
        return g

    def grad_other(g, input, other):
        return -g * divide(input, other, rounding_mode="trunc")

    def samples(make):
        yield from positive_samples(make)


@op(
    "torch.reciprocal torch.reciprocal_ Tensor.reciprocal Tensor.reciprocal_",
    promote="float",
    pointwise=1,
)
class reciprocal:
    """One divided by each element."""

    def forward(input):
        return np.divide(1, input)

    def grad_input(g, out):
        return -g * conj(out * out)

    def samples(make):
        yield (make(3, 5, low=0.5, high=2),)
