"""Signs, roundings, neighbours and parts of numbers, real and complex."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import inplace_form, op, public
from .arithmetic import no_derivative

PI = 3.141592653589793


def zeros_of(g):
    """A gradient of zeros in the shape of `g`."""
    from .. import zeros_like

    return zeros_like(g)


@op(
    "torch.abs torch.abs_ Tensor.abs Tensor.abs_ torch.absolute Tensor.absolute "
    "Tensor.absolute_ Tensor.__abs__",
    pointwise=1,
    exact_out=True,
)
class abs:
    """The absolute value; of complex elements, a real one."""

    def forward(input):
        return np.abs(input)

    def grad_input(g, input):
        return g * input.sgn()

    def samples(make):
        yield (make(3, 5),)


@op("torch.sign Tensor.sign Tensor.sign_", pointwise=1, exact_out=True)
class sign:
    """-1, 0 or 1."""

    def forward(input):
        return np.sign(input)

    def grad_input(g):
        return zeros_of(g)

    def samples(make):
        yield (make(3, 5),)


@op("torch.sgn Tensor.sgn Tensor.sgn_", pointwise=1, exact_out=True)
class sgn:
    """-1, 0 or 1; of complex elements, `z / |z|`."""

    def forward(input):
        return np.sign(input)

    def grad_input(g, input, out):
        if not input.is_complex():
            return zeros_of(g)
        size = input.abs()
        along = (g * out.conj()).real
        return ((g - out * along) / size).masked_fill(size == 0, 0)

    def samples(make):
        yield (make(3, 5),)


@op("torch.floor torch.floor_ Tensor.floor Tensor.floor_", pointwise=1, exact_out=True)
class floor:
    """The largest integer not above; integers stay."""

    def forward(input):
        return np.floor(input)

    def grad_input(g):
        return zeros_of(g)

    def samples(make):
        yield (make(3, 5, low=-3, high=3),)


@op("torch.ceil torch.ceil_ Tensor.ceil Tensor.ceil_", pointwise=1, exact_out=True)
class ceil:
    """The smallest integer not below; integers stay."""

    def forward(input):
        return np.ceil(input)

    def grad_input(g):
        return zeros_of(g)

    def samples(make):
        yield (make(3, 5, low=-3, high=3),)


@op(
    "torch.trunc torch.trunc_ Tensor.trunc Tensor.trunc_ torch.fix torch.fix_ Tensor.fix "
    "Tensor.fix_",
    pointwise=1,
    exact_out=True,
)
class trunc:
    """The integer part, toward zero; integers stay."""

    def forward(input):
        return np.trunc(input)

    def grad_input(g):
        return zeros_of(g)

    def samples(make):
        yield (make(3, 5, low=-3, high=3),)


@op("torch.frac torch.frac_ Tensor.frac Tensor.frac_", pointwise=1, exact_out=True)
class frac:
    """The part behind the point, with the sign of the number."""

    def forward(input):
        return input - np.trunc(input)

    def grad_input(g):
        return g

    def samples(make):
        yield (make(3, 5, low=-3, high=3),)


@op("", name="round", pointwise=1, exact_out=True)
class round_whole:
    """The nearest integer, halves to the even one."""

    def forward(input):
        return np.round(input)

    def grad_input(g):
        return zeros_of(g)

    def samples(make):
        yield (make(3, 5, low=-3, high=3),)


@op("", pointwise=1, node="RoundBackward1", exact_out=True)
class round_decimals:
    """Rounded to `decimals` places behind the point (before it, if negative)."""

    def forward(input, decimals):
        return np.round(input, decimals)

    def grad_input(g):
        return zeros_of(g)

    def samples(make):
        yield make(3, 5, low=-3, high=3), 1
        yield make(3, 5, low=-300, high=300), -1


_round_whole_, _round_decimals_ = inplace_form(round_whole), inplace_form(round_decimals)


@public("torch.round Tensor.round special.round")
def round(input, *, decimals=0, out=None):
    """Round to `decimals` places, halves to the even digit; integers stay."""
    keywords = {} if out is None else {"out": out}
    if decimals == 0:
        return round_whole(input, **keywords)
    return round_decimals(input, decimals, **keywords)


@public("torch.round_ Tensor.round_")
def round_(input, *, decimals=0):
    """`round`, in place."""
    return _round_whole_(input) if decimals == 0 else _round_decimals_(input, decimals)


@op(
    "torch.deg2rad torch.deg2rad_ Tensor.deg2rad Tensor.deg2rad_",
    promote="float",
    node="Deg2RadBackward0",
    pointwise=1,
)
class deg2rad:
    """Degrees as radians."""

    def forward(input):
        return np.deg2rad(input)

    def grad_input(g):
        return g * (PI / 180)

    def samples(make):
        yield (make(3, 5, low=-360, high=360),)


@op(
    "torch.rad2deg torch.rad2deg_ Tensor.rad2deg Tensor.rad2deg_",
    promote="float",
    node="Rad2DegBackward0",
    pointwise=1,
)
class rad2deg:
    """Radians as degrees."""

    def forward(input):
        return np.rad2deg(input)

    def grad_input(g):
        return g * (180 / PI)

    def samples(make):
        yield (make(3, 5, low=-6, high=6),)


@op(
    "torch.copysign Tensor.copysign Tensor.copysign_",
    promote="float",
    pointwise=2,
    numbers="other",
    node="CopysignBackward0 CopysignBackward1",
)
class copysign:
    """The size of `input` with the sign of `other`."""

    def forward(input, other):
        return np.copysign(input, other)

    def grad_input(g, input, out):
        return g * (out / input).masked_fill(input == 0, 0)

    def grad_other(g):
        return zeros_of(g)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(3, 5), -1.0


@op("torch.nextafter Tensor.nextafter Tensor.nextafter_", pointwise=2, numbers="")
class nextafter:
    """The next representable number after `input` toward `other`."""

    def forward(input, other):
        return np.nextafter(input, other)

    def grad_input(g, input, other):
        return g.masked_fill(input == other, 0)

    def grad_other(g):
        return zeros_of(g)

    def samples(make):
        yield make(3, 5), make(3, 5)


@op("", name="heaviside", pointwise=2, numbers="", exact_out=True)
class step:
    """Zero for negative elements, one for positive ones, `values` at zero."""

    underivable = True

    def forward(input, values):
        return np.heaviside(input, values)

    grad_input = grad_values = no_derivative("heaviside")

    def samples(make):
        yield make(3, 5), make(3, 5)


_step_ = inplace_form(step)


def check_step(input, values):
    if input.dtype.is_complex or values.dtype.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@public("torch.heaviside Tensor.heaviside")
def heaviside(input, values, *, out=None):
    """Zero for negative elements, one for positive ones, `values` at zero.

    Both tensors share one dtype.
    """
    check_step(input, values)
    return step(input, values) if out is None else step(input, values, out=out)


@public("Tensor.heaviside_")
def heaviside_(input, values):
    """`heaviside`, in place."""
    check_step(input, values)
    return _step_(input, values)


@op("", pointwise=1, name="nan_to_num", exact_out=True)
class replace_nonfinite:
    """NaN and the infinities replaced by numbers."""

    def forward(input, nan, posinf, neginf):
        return np.nan_to_num(input, nan=nan, posinf=posinf, neginf=neginf)

    def grad_input(g, input):
        return g.masked_fill(~input.isfinite(), 0)

    def samples(make):
        yield make(3, 5), 0.0, 1e30, -1e30


_LARGEST = {
    _C.float16: 65504.0,
    _C.bfloat16: 3.3895313892515355e38,
    _C.float32: 3.4028234663852886e38,
    _C.complex32: 65504.0,
    _C.complex64: 3.4028234663852886e38,
}
_replace_nonfinite_ = inplace_form(replace_nonfinite)


def replacements(input, nan, posinf, neginf):
    """The three numbers, the dtype's extremes where none is given."""
    largest = _LARGEST.get(input.dtype, 1.7976931348623157e308)
    return (
        0.0 if nan is None else nan,
        largest if posinf is None else posinf,
        -largest if neginf is None else neginf,
    )


@public("torch.nan_to_num Tensor.nan_to_num")
def nan_to_num(input, nan=None, posinf=None, neginf=None, *, out=None):
    """Replace NaN (by 0) and the infinities (by the dtype's largest and smallest numbers)."""
    numbers = replacements(input, nan, posinf, neginf)
    if out is None:
        return replace_nonfinite(input, *numbers)
    return replace_nonfinite(input, *numbers, out=out)


@public("torch.nan_to_num_ Tensor.nan_to_num_")
def nan_to_num_(input, nan=None, posinf=None, neginf=None):
    """`nan_to_num`, in place."""
    return _replace_nonfinite_(input, *replacements(input, nan, posinf, neginf))


@op("torch.frexp Tensor.frexp", outputs=("mantissa", "exponent"))
class frexp:
    """`input = mantissa * 2 ** exponent` with 0.5 <= |mantissa| < 1."""

    def forward(input):
        return np.frexp(input)

    def grad_input(g, exponent):
        from .. import zeros_like

        if g[0] is None:
            return zeros_like(exponent)
        return g[0] * (-exponent.to(g[0].dtype)).exp2()

    def samples(make):
        yield (make(3, 5, low=-9, high=9),)
