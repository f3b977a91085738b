"""Exponentials, logarithms, roots and what is made of them."""

from __future__ import annotations

from .._lazy import np
from ..op import conj, op

LN2, LN10 = 0.6931471805599453, 2.302585092994046


def each(function, x):
    """A Python function of one real, over an array."""
    return np.vectorize(function, otypes=[np.float64])(x).astype(np.result_type(x, np.float32))


@op("torch.exp torch.exp_ Tensor.exp Tensor.exp_", promote="float", pointwise=1)
class exp:
    """e to the power of each element."""

    def forward(input):
        return np.exp(input)

    def grad_input(g, out):
        return g * conj(out)

    def samples(make):
        yield (make(3, 5),)


@op(
    "torch.exp2 torch.exp2_ Tensor.exp2 Tensor.exp2_ special.exp2",
    node="Exp2Backward0",
    promote="float",
    pointwise=1,
)
class exp2:
    """Two to the power of each element."""

    def forward(input):
        return np.exp2(input)

    def grad_input(g, out):
        return g * conj(out) * LN2

    def samples(make):
        yield (make(3, 5),)


@op(
    "torch.expm1 torch.expm1_ Tensor.expm1 Tensor.expm1_ special.expm1",
    node="Expm1Backward0",
    promote="float",
    pointwise=1,
)
class expm1:
    """`exp(x) - 1`, exact near zero."""

    def forward(input):
        return np.expm1(input)

    def grad_input(g, out):
        return g * conj(out + 1)

    def samples(make):
        yield (make(3, 5),)


@op("torch.log torch.log_ Tensor.log Tensor.log_", promote="float", pointwise=1)
class log:
    """The natural logarithm."""

    def forward(input):
        return np.log(input)

    def grad_input(g, input):
        return g / conj(input)

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op(
    "torch.log2 torch.log2_ Tensor.log2 Tensor.log2_",
    node="Log2Backward0",
    promote="float",
    pointwise=1,
)
class log2:
    """The logarithm to base 2."""

    def forward(input):
        return np.log2(input)

    def grad_input(g, input):
        return g / conj(input * LN2)

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op(
    "torch.log10 torch.log10_ Tensor.log10 Tensor.log10_",
    node="Log10Backward0",
    promote="float",
    pointwise=1,
)
class log10:
    """The logarithm to base 10."""

    def forward(input):
        return np.log10(input)

    def grad_input(g, input):
        return g / conj(input * LN10)

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op(
    "torch.log1p torch.log1p_ Tensor.log1p Tensor.log1p_ special.log1p",
    node="Log1PBackward0",
    promote="float",
    pointwise=1,
)
class log1p:
    """`log(1 + x)`, exact near zero."""

    def forward(input):
        return np.log1p(input)

    def grad_input(g, input):
        return g / conj(input + 1)

    def samples(make):
        yield (make(3, 5, low=-0.5),)


@op(
    "torch.sigmoid torch.sigmoid_ Tensor.sigmoid Tensor.sigmoid_ F.sigmoid special.expit",
    promote="float",
    pointwise=1,
)
class sigmoid:
    """`1 / (1 + exp(-x))`."""

    def forward(input):
        return 1 / (1 + np.exp(0.0 - input))

    def grad_input(g, out):
        return sigmoid_backward(g, out)

    def samples(make):
        yield (make(3, 5, low=-3, high=3),)


@op("", pointwise=2)
class sigmoid_backward:
    """The gradient of sigmoid from its output."""

    def forward(grad_output, output):
        return grad_output * np.conj((1 - output) * output)

    def grad_grad_output(g, output):
        return g * conj(output * (1 - output))

    def grad_output(g, grad_output, output):
        return g * conj(grad_output) * (1 - 2 * output)

    def samples(make):
        yield make(3, 5), make(3, 5, low=0)


@op("torch.sqrt torch.sqrt_ Tensor.sqrt Tensor.sqrt_", promote="float", pointwise=1)
class sqrt:
    """The square root."""

    def forward(input):
        return np.sqrt(input)

    def grad_input(g, out):
        return g / conj(out * 2)

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op("torch.rsqrt torch.rsqrt_ Tensor.rsqrt Tensor.rsqrt_", promote="float", pointwise=1)
class rsqrt:
    """One over the square root."""

    def forward(input):
        return 1 / np.sqrt(input)

    def grad_input(g, out):
        return g * -0.5 * conj(out * out * out)

    def samples(make):
        yield (make(3, 5, low=0.2, high=2),)


@op("torch.hypot Tensor.hypot Tensor.hypot_", pointwise=2, numbers="")
class hypot:
    """The length of the hypotenuse."""

    def forward(input, other):
        return np.hypot(input, other)

    def grad_input(g, input, out):
        return g * (input / out)

    def grad_other(g, other, out):
        return g * (other / out)

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3), make(3)


@op(
    "torch.logit torch.logit_ Tensor.logit Tensor.logit_ special.logit",
    promote="float",
    pointwise=1,
)
class logit:
    """`log(x / (1 - x))`, with `x` first clamped to [eps, 1 - eps] if `eps` is given."""

    def forward(input, eps=None):
        x = input if eps is None else np.clip(input, eps, 1 - eps)
        return np.log(x / (1 - x))

    def grad_input(g, input, eps):
        low = 0.0 if eps is None else eps
        outside = ~((input >= low) & (input <= 1 - low))
        return (g / (input * (1 - input))).masked_fill(outside, float("nan") if eps is None else 0)

    def samples(make):
        yield (make(3, 5, low=0.1, high=0.9),)
        yield make(3, 5, low=0.05, high=0.95), 0.2


@op("torch.logaddexp Tensor.logaddexp", pointwise=2, numbers="")
class logaddexp:
    """`log(exp(input) + exp(other))`, without overflow."""

    def forward(input, other):
        return np.logaddexp(input, other)

    def grad_input(g, input, other):
        return (
            g * conj((input - other).sigmoid())
            if not input.is_complex()
            else g / conj(1 + (other - input).exp())
        )

    def grad_other(g, input, other):
        return (
            g * conj((other - input).sigmoid())
            if not input.is_complex()
            else g / conj(1 + (input - other).exp())
        )

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3), make(3)


@op("torch.logaddexp2 Tensor.logaddexp2", node="Logaddexp2Backward0", pointwise=2, numbers="")
class logaddexp2:
    """`log2(2**input + 2**other)`, without overflow."""

    def forward(input, other):
        return np.logaddexp2(input, other)

    def grad_input(g, input, other):
        return g / (1 + (other - input).exp2())

    def grad_other(g, input, other):
        return g / (1 + (input - other).exp2())

    def samples(make):
        yield make(3, 5), make(3, 5)
        yield make(2, 3), make(3)


@op(
    "torch.xlogy torch.xlogy_ Tensor.xlogy Tensor.xlogy_ special.xlogy",
    promote="float",
    pointwise=2,
    node="XlogyBackward0 XlogyBackward2 XlogyBackward1",
)
class xlogy:
    """`input * log(other)`, zero where `input` is zero; NaN where `other` is."""

    def forward(input, other):
        safe = np.where(input == 0, np.where(np.isnan(other), other, 1), other)
        return input * np.log(safe)

    def grad_input(g, input, other):
        from .. import as_tensor

        slope = xlogy(g, other)
        bad = (input == 0) & (as_tensor(other) <= 0)
        return slope.masked_fill(bad, 0)

    def grad_other(g, input, other):
        return g * input / other

    def samples(make):
        yield make(3, 5), make(3, 5, low=0.2, high=2)
        yield make(2, 3), make(3, low=0.2, high=2)
