"""Arithmetic: sums, products, interpolation, and common divisors."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import conj, inplace_form, op, public


def no_derivative(name):
    """The gradient function of an operator that is recorded but cannot be derived."""

    def gradient(g):
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return gradient


def broadcast_samples(make):
    """Operands of one shape, of shapes that broadcast, and a Python number."""
    yield make(3, 5), make(3, 5)
    yield make(2, 3, 4), make(4)
    yield make(2, 3), 2.5


def scaled(x, factor):
    """An array times a number, in the array's own type."""
    return x if factor == 1 else (x * np.asarray(factor)).astype(np.asarray(x).dtype)


def positive_samples(make):
    """As broadcast_samples, away from zero."""
    yield make(3, 5), make(3, 5, low=0.5, high=2)
    yield make(2, 3, 4), make(4, low=0.5, high=2)
    yield make(2, 3), 2.5


@op("torch.add Tensor.add Tensor.add_ Tensor.__add__", pointwise=2, lone_numbers=True)
class add:
    """Add `alpha * other` element by element, with broadcasting and type promotion."""

    def forward(input, other, *, alpha=1):
        return np.add(input, scaled(other, alpha))

    def grad_input(g):
        return g

    def grad_other(g, alpha):
        return g if alpha == 1 else g * alpha

    def samples(make):
        yield from broadcast_samples(make)
        yield make(2, 3), make(2, 3), {"alpha": 2}


@op(
    "torch.sub Tensor.sub Tensor.sub_ torch.subtract Tensor.subtract Tensor.subtract_ "
    "Tensor.__sub__",
    pointwise=2,
    lone_numbers=True,
    node="SubBackward0 SubBackward0 RsubBackward1",
)
class sub:
    """Subtract `alpha * other` element by element, with broadcasting and type promotion."""

    def forward(input, other, *, alpha=1):
        return np.subtract(input, scaled(other, alpha))

    def grad_input(g):
        return g

    def grad_other(g, alpha):
        return -g if alpha == 1 else g * -alpha

    def samples(make):
        yield from broadcast_samples(make)
        yield make(2, 3), make(2, 3), {"alpha": 2}


@op(
    "torch.rsub",
    pointwise=2,
    numbers="other",
    node="RsubBackward0 RsubBackward1",
)
class rsub:
    """`other - alpha * input`, element by element."""

    def forward(input, other, *, alpha=1):
        return np.subtract(other, scaled(input, alpha))

    def grad_input(g, alpha):
        return -g if alpha == 1 else g * -alpha

    def grad_other(g):
        return g

    def samples(make):
        yield from broadcast_samples(make)


@op(
    "torch.mul Tensor.mul Tensor.mul_ torch.multiply Tensor.multiply Tensor.multiply_ "
    "Tensor.__mul__",
    pointwise=2,
    exact_numbers=True,
    lone_numbers=True,
)
class mul:
    """Multiply element by element, with broadcasting and type promotion."""

    def forward(input, other):
        return np.multiply(input, other)

    def grad_input(g, other):
        return g * conj(other)

    def grad_other(g, input):
        return g * conj(input)

    def samples(make):
        yield from broadcast_samples(make)


@op(
    "torch.neg torch.neg_ Tensor.neg Tensor.neg_ torch.negative torch.negative_ Tensor.negative "
    "Tensor.negative_ Tensor.__neg__",
    pointwise=1,
    exact_out=True,
)
class neg:
    """Negate each element."""

    def forward(input):
        return np.negative(input)

    def grad_input(g):
        return -g

    def samples(make):
        yield (make(3, 5),)


@public("torch.positive Tensor.positive")
def positive(input):
    """The tensor itself; RuntimeError for a bool tensor."""
    if input.dtype is _C.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# -- sums of products -------------------------------------------------------------------------


@op("torch.addcmul Tensor.addcmul Tensor.addcmul_", pointwise=3, numbers="")
class addcmul:
    """`input + value * tensor1 * tensor2`, element by element."""

    def forward(input, tensor1, tensor2, *, value=1):
        return input + value * tensor1 * tensor2

    def grad_input(g):
        return g

    def grad_tensor1(g, tensor2, value):
        return g * conj(tensor2 * value)

    def grad_tensor2(g, tensor1, value):
        return g * conj(tensor1 * value)

    def samples(make):
        yield make(3, 5), make(3, 5), make(3, 5)
        yield make(3, 5), make(3, 1), make(5), {"value": 2}


@op("torch.addcdiv Tensor.addcdiv Tensor.addcdiv_", pointwise=3, numbers="")
class addcdiv:
    """`input + value * tensor1 / tensor2`, element by element."""

    def forward(input, tensor1, tensor2, *, value=1):
        return input + value * tensor1 / tensor2

    def grad_input(g):
        return g

    def grad_tensor1(g, tensor2, value):
        return g * conj(value / tensor2)

    def grad_tensor2(g, tensor1, tensor2, value):
        return -g * conj(value * tensor1 / (tensor2 * tensor2))

    def samples(make):
        yield make(3, 5), make(3, 5), make(3, 5, low=0.5, high=2)
        yield make(3, 5), make(3, 1), make(5, low=0.5, high=2), {"value": 2}


@op("", node="LerpBackward0", kernel="lerp", pointwise=2)
class lerp_number:
    """`start + weight * (end - start)` with one weight."""

    def forward(input, end, weight):
        return input + weight * (end - input)

    def grad_input(g, weight):
        return g * (1 - weight)

    def grad_end(g, weight):
        return g * weight

    def samples(make):
        yield make(3, 5), make(3, 5), 0.3
        yield make(3, 5), make(5), 0.8


@op("", node="LerpBackward1", pointwise=3)
class lerp_tensor:
    """`start + weight * (end - start)` with a weight per element."""

    def forward(input, end, weight):
        return input + weight * (end - input)

    def grad_input(g, weight):
        return g * (1 - conj(weight))

    def grad_end(g, weight):
        return g * conj(weight)

    def grad_weight(g, input, end):
        return g * conj(end - input)

    def samples(make):
        yield make(3, 5), make(3, 5), make(3, 5, low=0)
        yield make(3, 5), make(5), make(1, low=0)


_lerp_number_ = inplace_form(lerp_number)
_lerp_tensor_ = inplace_form(lerp_tensor)


def check_lerp(input, end, weight):
    """RuntimeError when the tensors differ in dtype; says whether the weight is a plain real."""
    if type(weight) is float and isinstance(end, _C.Tensor) and end.dtype is input.dtype:
        return True
    for name, t in (("end", end), ("weight", weight)):
        if name == "weight" and isinstance(t, _C.Tensor) and t.ndim == 0:
            continue  # it is a number, of any dtype
        if isinstance(t, _C.Tensor) and t.dtype is not input.dtype:
            raise RuntimeError(
                f"lerp: expected dtype {input.dtype} for `{name}` but got dtype {t.dtype}"
            )
    return not isinstance(weight, (_C.Tensor, complex))


@public("torch.lerp Tensor.lerp")
def lerp(input, end, weight, *, out=None):
    """Interpolate between `input` (weight 0) and `end` (weight 1).

    `weight`: a number, or a tensor that broadcasts. All tensors share one dtype.
    """
    operator = lerp_number if check_lerp(input, end, weight) else lerp_tensor
    return operator(input, end, weight) if out is None else operator(input, end, weight, out=out)


@public("Tensor.lerp_")
def lerp_(input, end, weight):
    """`lerp`, in place."""
    operator = _lerp_number_ if check_lerp(input, end, weight) else _lerp_tensor_
    return operator(input, end, weight)


# -- integers ---------------------------------------------------------------------------------


@op("torch.gcd torch.gcd_ Tensor.gcd Tensor.gcd_", pointwise=2, numbers="")
class gcd:
    """The greatest common divisor of integers; zero for two zeros."""

    def forward(input, other):
        return np.gcd(input, other)

    def samples(make):
        from .. import int64

        yield make(3, 5, dtype=int64, low=-20, high=20), make(5, dtype=int64, low=-20, high=20)


@op("torch.lcm torch.lcm_ Tensor.lcm Tensor.lcm_", pointwise=2, numbers="")
class lcm:
    """The least common multiple of integers."""

    def forward(input, other):
        return np.lcm(input, other)

    def samples(make):
        from .. import int64

        yield make(3, 5, dtype=int64, low=-20, high=20), make(5, dtype=int64, low=-20, high=20)


@op("torch.ldexp torch.ldexp_ Tensor.ldexp Tensor.ldexp_", promote="float", pointwise=2, numbers="")
class ldexp:
    """`input` times two to the power `other`."""

    def forward(input, other):
        return np.multiply(input, np.power(2.0, other)).astype(np.result_type(input, np.float32))

    def grad_input(g, other):
        return g * conj(2.0**other)

    def grad_other(g, out):
        return g * conj(out) * 0.6931471805599453

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3), make(3, high=4)
