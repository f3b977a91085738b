"""Complex numbers from their parts, and their parts as views."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public


@op("", pointwise=2, numbers="", name="complex")
class join_parts:
    """`real + i imag`."""

    def forward(real, imag):
        return (real + 1j * imag).astype(np.result_type(real, np.complex64))

    def grad_real(g):
        return real(g)

    def grad_imag(g):
        return imag(g)

    def samples(make):
        yield make(3, 5), make(3, 5)


@op("", pointwise=2, numbers="", name="polar")
class join_polar:
    """`abs (cos(angle) + i sin(angle))`."""

    def forward(abs, angle):
        return (abs * np.exp(1j * angle)).astype(np.result_type(abs, np.complex64))

    def grad_abs(g, angle):
        return real(g) * angle.cos() + imag(g) * angle.sin()

    def grad_angle(g, out):
        return imag(g) * real(out) - real(g) * imag(out)

    def samples(make):
        yield make(3, 5, low=0.2), make(3, 5)


def check_parts(first, second, out=None):
    """RuntimeError unless both parts have one floating dtype, and `out` its complex partner."""
    kinds = (_C.float16, _C.float32, _C.float64)
    from .comparison import scalar_name

    if first.dtype not in kinds or second.dtype not in kinds:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{scalar_name(first)} and {scalar_name(second)}"
        )
    if first.dtype is not second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {scalar_name(first)} but got scalar type "
            f"{scalar_name(second)} for second argument"
        )
    wide = first.dtype.to_complex()
    if out is not None and out.dtype is not wide:
        raise RuntimeError(
            f"Expected object of scalar type {wide._scalar_name} but got scalar type "
            f"{scalar_name(out)} for argument 'out'"
        )


@public("torch.complex")
def complex(real, imag, *, out=None):
    """A complex tensor from real and imaginary parts of one floating dtype."""
    check_parts(real, imag, out)
    if out is not None:
        return join_parts(real, imag, out=out)
    return join_parts(real, imag).to(real.dtype.to_complex())


@public("torch.polar")
def polar(abs, angle, *, out=None):
    """A complex tensor from sizes and angles of one floating dtype."""
    check_parts(abs, angle, out)
    if out is not None:
        return join_polar(abs, angle, out=out)
    return join_polar(abs, angle).to(abs.dtype.to_complex())


@op("torch.view_as_real", view=True)
class view_as_real:
    """A complex tensor as a real one with a last dim of size 2 (real, imaginary)."""

    def forward(input):
        return np.stack([input.real, input.imag], -1)

    def grad_input(g):
        return view_as_complex(g.contiguous())

    def samples(make):
        yield (make(3, 5, dtype=_C.complex128, grad=False),)


@op("torch.view_as_complex", view=True)
class view_as_complex:
    """A real tensor with a last dim of size 2 as a complex one."""

    def forward(input):
        return input[..., 0] + 1j * input[..., 1]

    def grad_input(g):
        return view_as_real(g)

    def samples(make):
        yield (make(3, 5, 2, dtype=_C.float64).contiguous(),)


@public("torch.real")
def real(input):
    """The real part: a view, or the tensor itself when it is real."""
    return view_as_real(input).select(-1, 0) if input.dtype.is_complex else input


@public("torch.imag")
def imag(input):
    """The imaginary part, as a view; RuntimeError for real tensors."""
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return view_as_real(input).select(-1, 1)


@op(
    "torch.conj_physical torch.conj_physical_ Tensor.conj_physical Tensor.conj_physical_",
    pointwise=1,
    exact_out=True,
)
class conj_physical:
    """The complex conjugate."""

    def forward(input):
        return np.conj(input)

    def grad_input(g):
        return g.conj()

    def samples(make):
        yield (make(3, 5),)


@op("", pointwise=1, name="conj", kernel="conj_physical")
class conjugate:
    """The complex conjugate."""

    def forward(input):
        return np.conj(input)

    def grad_input(g):
        return g.conj()

    def samples(make):
        yield (make(3, 5),)


@public("torch.conj Tensor.conj")
def conj(input):
    """The complex conjugate; a real tensor itself."""
    return conjugate(input) if input.dtype.is_complex else input


def assign_part(part):
    """The setter of `x.real = value` and `x.imag = value`."""

    def assign(self, value):
        if isinstance(value, _C.Tensor):
            part(self).copy_(value)
        else:
            part(self).fill_(value)

    return assign


_C.Tensor.real = property(real, assign_part(real), doc=real.__doc__)
_C.Tensor.imag = property(imag, assign_part(imag), doc=imag.__doc__)


@public("torch.resolve_conj torch.resolve_neg")
def resolve_conj(input):
    """The tensor itself: conjugates are computed at once."""
    return input


@public("torch.is_conj torch.is_neg")
def is_conj(input):
    """False: conjugates are computed at once."""
    return False


@op("torch.angle Tensor.angle", promote="float", pointwise=1)
class angle:
    """The angle of complex elements; of real ones 0, or pi for negative ones."""

    def forward(input):
        return np.angle(input)

    def grad_input(g, input):
        if not input.dtype.is_complex:
            return g * 0
        size = real(input) * real(input) + imag(input) * imag(input)
        slope = join_parts(-imag(input) / size, real(input) / size)
        return (g * slope).masked_fill(size == 0, 0)

    def samples(make):
        yield (make(3, 5),)
