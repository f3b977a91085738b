"""Powers: with a number or a tensor on either side, and the squares."""

from __future__ import annotations

import math

from .. import _C
from .._lazy import np
from ..op import conj, inplace_form, op, public


@op("", pointwise=1, node="PowBackward0")
class pow_scalar:
    """Each element to one real power."""

    def forward(input, exponent):
        return np.power(input, exponent)

    def grad_input(g, input, exponent):
        if exponent == 0:
            return g * 0
        if exponent == 2:
            return g * conj(input * 2)
        return g * conj(exponent * input ** (exponent - 1))

    def samples(make):
        yield make(3, 5), 2
        yield make(3, 5), 3
        yield make(3, 5, low=0.2), -1.5
        yield make(3, 5, low=0.2), 0.5


@op("", pointwise=2, node="PowBackward1", kernel="pow")
class pow_tensor:
    """Each element to the power in the same place."""

    def forward(input, exponent):
        return np.power(input, exponent)

    def grad_input(g, input, exponent):
        slope = g * conj(exponent * input ** (exponent - 1))
        return slope.masked_fill(exponent == 0, 0) if is_tensor(exponent) else slope

    def grad_exponent(g, input, exponent, out):
        return exponent_gradient(g, input, exponent, out)

    def samples(make):
        yield make(3, 5, low=0.2), make(3, 5)
        yield make(2, 3, low=0.2), make(3)


@op("", pointwise=2, node="PowBackward2", kernel="pow")
class pow_base:
    """One number to the powers given."""

    def forward(input, exponent):
        return np.power(input, exponent)

    def grad_exponent(g, input, exponent, out):
        return exponent_gradient(g, input, exponent, out)

    def samples(make):
        yield 2.5, make(3, 5)


def is_tensor(x):
    return isinstance(x, _C.Tensor)


def exponent_gradient(g, input, exponent, out):
    """`g * out * log(input)`; zero where the base is zero and the exponent is not negative."""
    if not is_tensor(input):
        if input == 0:
            return (g * out * -float("inf")).masked_fill(exponent >= 0, 0)
        from .. import tensor

        if type(input) in (int, float) and input > 0:
            return g * out * math.log(input)
        dtype = out.dtype
        return g * conj(out * tensor(input, dtype=dtype).log())
    zero = input == 0
    if not exponent.dtype.is_complex:
        zero = zero & (exponent >= 0)
    return (g * conj(out * input.log())).masked_fill(zero, 0)


def prepare(input, exponent):
    """The operator for these operands, and the first operand brought to the result's category."""
    if is_tensor(exponent):
        if is_tensor(input):
            return pow_tensor, input
        return pow_base, input
    kind = type(exponent)
    if kind is complex or (kind is int and not -(2**53) < exponent < 2**53):
        return pow_tensor, input
    dtype = input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        if kind is float:
            return pow_scalar, input.to(_C.get_default_dtype())
        if kind is not bool and kind is not int:
            return pow_tensor, input
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        if dtype is _C.bool:
            return (pow_scalar, input.to(_C.int64)) if kind is int else (pow_tensor, input)
    elif kind is not float and kind is not int:
        return pow_tensor, input
    return pow_scalar, input


@public("torch.pow Tensor.pow")
def pow(input, exponent, *, out=None):
    """Raise to a power, element by element, with broadcasting and type promotion.

    Either side may be a number. Integers to negative numbers raise RuntimeError.
    """
    operator, input = prepare(input, exponent)
    return operator(input, exponent) if out is None else operator(input, exponent, out=out)


_IN_PLACE = {pow_scalar: inplace_form(pow_scalar), pow_tensor: inplace_form(pow_tensor)}


@public("Tensor.pow_ Tensor.__ipow__")
def pow_(input, exponent):
    """`pow`, in place."""
    operator, prepared = prepare(input, exponent)
    if prepared is not input:  # a wider result: pow_tensor says that it does not fit
        operator = pow_tensor
    return _IN_PLACE[operator](input, exponent)


def _powers_with(other):
    """Whether operators take `other`: tensors and numbers, NumPy's scalars among them."""
    kinds = (_C.Tensor, int, float, complex)
    return isinstance(other, kinds) or getattr(other, "shape", None) == ()


@public("Tensor.__pow__")
def power_slot(input, exponent, modulo=None):
    """`input ** exponent`."""
    kind = type(exponent)
    if (kind is int or kind is float) and input.is_floating_point():  # the usual case, at once
        return pow_scalar(input, exponent)
    if modulo is not None or not _powers_with(exponent):
        return NotImplemented
    return pow(input, exponent)


@public("Tensor.__rpow__")
def reversed_power_slot(input, base, modulo=None):
    """`base ** input`."""
    if modulo is not None or not _powers_with(base):
        return NotImplemented
    return pow(base, input)


def widest(x):
    """`x` in double precision."""
    if not is_tensor(x):
        return x
    return x.to(_C.complex128 if x.dtype.is_complex else _C.float64)


@public("torch.float_power Tensor.float_power")
def float_power(input, exponent, *, out=None):
    """Raise to a power in double precision (complex128 when an operand is complex)."""
    input, exponent = widest(input), widest(exponent)
    if isinstance(exponent, int):
        exponent = float(exponent)
    if not is_tensor(input) and not isinstance(input, complex):
        input = float(input)
    if isinstance(exponent, complex) and is_tensor(input):
        input = input.to(_C.complex128)
    return pow(input, exponent, out=out)


@public("Tensor.float_power_")
def float_power_(input, exponent):
    """`float_power`, in place; the tensor must be float64 (complex128 for complex operands)."""
    wide = float_power(input, exponent).dtype
    if wide is not input.dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype} "
            f"but the operation's result requires dtype {wide}"
        )
    return pow_(input, widest(exponent))


@op("torch.square torch.square_ Tensor.square Tensor.square_", node="PowBackward0", pointwise=1)
class square:
    """Each element times itself."""

    def forward(input):
        return np.square(input)

    def grad_input(g, input):
        return g * conj(input * 2)

    def samples(make):
        yield (make(3, 5),)
