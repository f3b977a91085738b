"""Comparisons, tests of single elements, logic and bits."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public


def pair_samples(make):
    yield make(3, 5), make(3, 5)
    yield make(2, 3, 4), make(4)
    yield make(2, 3), 0.5


def integer_samples(make):
    from .. import int64

    yield make(3, 5, dtype=int64, low=-9, high=9), make(3, 5, dtype=int64, low=-9, high=9)
    yield make(2, 3, dtype=int64, low=-9, high=9), 3


def shift_samples(make):
    from .. import int64

    yield make(3, 5, dtype=int64, low=-9, high=9), make(5, dtype=int64, low=0, high=9)
    yield make(2, 3, dtype=int64, low=-9, high=9), 3


@op("torch.eq Tensor.eq Tensor.eq_ Tensor.__eq__", pointwise=2, numbers="other")
class eq:
    """Whether elements are equal."""

    def forward(input, other):
        return np.equal(input, other)

    def samples(make):
        yield from pair_samples(make)


@op(
    "torch.ne Tensor.ne Tensor.ne_ torch.not_equal Tensor.not_equal Tensor.not_equal_ "
    "Tensor.__ne__",
    pointwise=2,
    numbers="other",
)
class ne:
    """Whether elements differ; NaN differs from everything."""

    def forward(input, other):
        return np.not_equal(input, other)

    def samples(make):
        yield from pair_samples(make)


@op(
    "torch.lt Tensor.lt Tensor.lt_ torch.less Tensor.less Tensor.less_ Tensor.__lt__",
    pointwise=2,
    numbers="other",
)
class lt:
    """Whether elements of `input` are less."""

    def forward(input, other):
        return np.less(input, other)

    def samples(make):
        yield from pair_samples(make)


@op(
    "torch.le Tensor.le Tensor.le_ torch.less_equal Tensor.less_equal Tensor.less_equal_ "
    "Tensor.__le__",
    pointwise=2,
    numbers="other",
)
class le:
    """Whether elements of `input` are less or equal."""

    def forward(input, other):
        return np.less_equal(input, other)

    def samples(make):
        yield from pair_samples(make)


@op(
    "torch.gt Tensor.gt Tensor.gt_ torch.greater Tensor.greater Tensor.greater_ Tensor.__gt__",
    pointwise=2,
    numbers="other",
)
class gt:
    """Whether elements of `input` are greater."""

    def forward(input, other):
        return np.greater(input, other)

    def samples(make):
        yield from pair_samples(make)


@op(
    "torch.ge Tensor.ge Tensor.ge_ torch.greater_equal Tensor.greater_equal "
    "Tensor.greater_equal_ Tensor.__ge__",
    pointwise=2,
    numbers="other",
)
class ge:
    """Whether elements of `input` are greater or equal."""

    def forward(input, other):
        return np.greater_equal(input, other)

    def samples(make):
        yield from pair_samples(make)


@op("torch.isnan Tensor.isnan", pointwise=1)
class isnan:
    """Whether elements are NaN (for complex ones, in either part)."""

    def forward(input):
        return np.isnan(input)

    def samples(make):
        yield (make(3, 5),)


@op("torch.isinf Tensor.isinf", pointwise=1)
class isinf:
    """Whether elements are infinite (for complex ones, in either part)."""

    def forward(input):
        return np.isinf(input)

    def samples(make):
        yield (make(3, 5),)


@op("torch.isfinite Tensor.isfinite", pointwise=1)
class isfinite:
    """Whether elements are neither infinite nor NaN."""

    def forward(input):
        return np.isfinite(input)

    def samples(make):
        yield (make(3, 5),)


@op("", name="isposinf", pointwise=1, exact_out=True)
class positive_infinity:
    """Whether elements are plus infinity."""

    def forward(input):
        return np.isposinf(input)

    def samples(make):
        yield (make(3, 5),)


@op("", name="isneginf", pointwise=1, exact_out=True)
class negative_infinity:
    """Whether elements are minus infinity."""

    def forward(input):
        return np.isneginf(input)

    def samples(make):
        yield (make(3, 5),)


@op("torch.isreal Tensor.isreal", pointwise=1)
class isreal:
    """Whether elements have no imaginary part."""

    def forward(input):
        return np.isreal(input)

    def samples(make):
        yield (make(3, 5),)


@op("torch.signbit Tensor.signbit", pointwise=1, exact_out=True)
class signbit:
    """Whether the sign bit is set: negative numbers and -0.0."""

    def forward(input):
        return np.signbit(input)

    def samples(make):
        yield (make(3, 5),)


def refuse_complex(name, input):
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} does not support complex inputs.")


@public("torch.isposinf Tensor.isposinf")
def isposinf(input, *, out=None):
    """Whether elements are plus infinity; RuntimeError for complex tensors."""
    refuse_complex("isposinf", input)
    return positive_infinity(input) if out is None else positive_infinity(input, out=out)


@public("torch.isneginf Tensor.isneginf")
def isneginf(input, *, out=None):
    """Whether elements are minus infinity; RuntimeError for complex tensors."""
    refuse_complex("isneginf", input)
    return negative_infinity(input) if out is None else negative_infinity(input, out=out)


# -- closeness --------------------------------------------------------------------------------


@op("", name="isclose", pointwise=2, numbers="")
class close:
    """Whether `|input - other| <= atol + rtol * |other|`."""

    def forward(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
        return np.isclose(input, other, rtol, atol, equal_nan)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(3, 5), make(5), 0.1, 0.2, True


@public("torch.isclose Tensor.isclose")
def isclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether `|input - other| <= atol + rtol * |other|`, element by element.

    Both tensors have one dtype. Infinities equal themselves; NaN does with `equal_nan`.
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{scalar_name(input)} did not match {scalar_name(other)}")
    if rtol < 0:
        raise RuntimeError(f"rtol must be greater than or equal to zero, but got {rtol}")
    if atol < 0:
        raise RuntimeError(f"atol must be greater than or equal to zero, but got {atol}")
    return close(input, other, rtol, atol, equal_nan)


def scalar_name(t):
    """The word for a tensor's dtype in messages: "Float"."""
    return t.dtype._scalar_name


@public("torch.allclose Tensor.allclose")
def allclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether all elements are close (see `isclose`), as a bool."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@public("torch.equal Tensor.equal")
def equal(input, other):
    """Whether two tensors have the same shape and elements, as a bool."""
    if not isinstance(other, _C.Tensor):
        raise TypeError(
            f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    if input.is_meta or other.is_meta:
        raise NotImplementedError(
            "aten::equal: attempted to run this operator with Meta tensors, but there was no fake "
            "impl or Meta kernel registered: what comes out depends on the elements"
        )
    same = _C.equal_elements(input, other)
    if same is not None:
        return same
    return input.shape == other.shape and bool((input == other).all())


# -- logic and bits ---------------------------------------------------------------------------


@op("torch.logical_and Tensor.logical_and Tensor.logical_and_", pointwise=2, numbers="")
class logical_and:
    """Whether both elements are true (not zero)."""

    def forward(input, other):
        return np.logical_and(input, other)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3, 4), make(4)


@op("torch.logical_or Tensor.logical_or Tensor.logical_or_", pointwise=2, numbers="")
class logical_or:
    """Whether either element is true (not zero)."""

    def forward(input, other):
        return np.logical_or(input, other)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3, 4), make(4)


@op("torch.logical_xor Tensor.logical_xor Tensor.logical_xor_", pointwise=2, numbers="")
class logical_xor:
    """Whether exactly one element is true (not zero)."""

    def forward(input, other):
        return np.logical_xor(input, other)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3, 4), make(4)


@op("torch.logical_not Tensor.logical_not Tensor.logical_not_", pointwise=1)
class logical_not:
    """Whether elements are zero."""

    def forward(input):
        return np.logical_not(input)

    def samples(make):
        yield (make(3, 5),)


@op("torch.bitwise_and Tensor.bitwise_and Tensor.bitwise_and_ Tensor.__and__", pointwise=2)
class bitwise_and:
    """The bits set in both; logical for bools."""

    def forward(input, other):
        return np.bitwise_and(input, other)

    def samples(make):
        yield from integer_samples(make)


@op("torch.bitwise_or Tensor.bitwise_or Tensor.bitwise_or_ Tensor.__or__", pointwise=2)
class bitwise_or:
    """The bits set in either; logical for bools."""

    def forward(input, other):
        return np.bitwise_or(input, other)

    def samples(make):
        yield from integer_samples(make)


@op("torch.bitwise_xor Tensor.bitwise_xor Tensor.bitwise_xor_ Tensor.__xor__", pointwise=2)
class bitwise_xor:
    """The bits set in exactly one; logical for bools."""

    def forward(input, other):
        return np.bitwise_xor(input, other)

    def samples(make):
        yield from integer_samples(make)


@op("torch.bitwise_not Tensor.bitwise_not Tensor.bitwise_not_ Tensor.__invert__", pointwise=1)
class bitwise_not:
    """All bits turned; logical for bools."""

    def forward(input):
        return np.invert(input)

    def samples(make):
        for first, _ in integer_samples(make):
            yield (first,)


@op(
    "torch.bitwise_left_shift Tensor.bitwise_left_shift Tensor.bitwise_left_shift_ "
    "Tensor.__lshift__",
    pointwise=2,
)
class bitwise_left_shift:
    """Bits moved up by `other` places."""

    def forward(input, other):
        return np.left_shift(input, other)

    def samples(make):
        yield from shift_samples(make)


@op(
    "torch.bitwise_right_shift Tensor.bitwise_right_shift Tensor.bitwise_right_shift_ "
    "Tensor.__rshift__",
    pointwise=2,
)
class bitwise_right_shift:
    """Bits moved down by `other` places, keeping the sign."""

    def forward(input, other):
        return np.right_shift(input, other)

    def samples(make):
        yield from shift_samples(make)
