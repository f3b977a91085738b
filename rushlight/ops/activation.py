"""Activations of neural networks; their gradients are operators in activation_gradients.py."""

from __future__ import annotations

from .._lazy import np
from ..op import inplace_form, op, public
from .activation_gradients import (
    elu_backward,
    hardtanh_backward,
    leaky_relu_backward,
    log_sigmoid_backward,
    prelu_backward,
    shrink_backward,
    softplus_backward,
    threshold_backward,
)

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def wide_samples(make):
    yield (make(3, 5, low=-5, high=5),)
    yield (make(2, 3, 4),)


@op("torch.relu torch.relu_ Tensor.relu Tensor.relu_ F.relu_", pointwise=1)
class relu:
    """Zero in place of negative elements; NaN stays."""

    def forward(input):
        return np.where(input < 0, np.zeros_like(input), input)

    def grad_input(g, out):
        return threshold_backward(g, out, 0)

    def samples(make):
        yield from wide_samples(make)


@op("", pointwise=1, name="threshold")
class cut:
    """`value` in place of elements that do not exceed `threshold`."""

    def forward(input, threshold, value):
        return np.where(input <= threshold, np.asarray(value, input.dtype), input)

    def grad_input(g, input, threshold):
        return threshold_backward(g, input, threshold)

    def samples(make):
        yield make(3, 5), 0.1, 2.0


@op("", pointwise=1, name="leaky_relu")
class leak:
    """Negative elements scaled by `negative_slope`."""

    def forward(input, negative_slope):
        return np.where(input > 0, input, input * negative_slope)

    def grad_input(g, input, negative_slope):
        return leaky_relu_backward(g, input, negative_slope)

    def samples(make):
        yield make(3, 5), 0.01


@op("", pointwise=2, numbers="", node="PreluKernel")
class prelu_elements:
    """Negative elements scaled by the weight in the same place."""

    def forward(input, weight):
        return np.where(input > 0, input, input * weight)

    def meta(input, weight):
        return input * weight

    def grad_input(g, input, weight):
        return prelu_backward(g, input, weight)

    def grad_weight(g, input):
        return g * input.clamp_max(0)

    def samples(make):
        yield make(3, 5), make(5)


@op("", pointwise=1, name="hardtanh")
class limit:
    """Each element brought into [min_val, max_val]."""

    def forward(input, min_val, max_val):
        return np.clip(input, min_val, max_val)

    def grad_input(g, input, min_val, max_val):
        return hardtanh_backward(g, input, min_val, max_val)

    def samples(make):
        yield make(3, 5, low=-2, high=2), -1.0, 1.0


@op("", pointwise=1, name="elu")
class exponential_unit:
    """`scale * x` above zero, `scale * alpha * (exp(input_scale * x) - 1)` below."""

    def forward(input, alpha, scale, input_scale):
        low = np.expm1(np.minimum(input, 0) * input_scale) * (alpha * scale)
        return np.where(input < 0, low, input * scale)

    def grad_input(g, input, alpha, scale, input_scale):
        return elu_backward(g, input, alpha, scale, input_scale)

    def samples(make):
        yield make(3, 5, low=-3, high=3), 1.3, 1, 1


@op("", pointwise=1, name="celu")
class continuous_unit:
    """`x` above zero, `alpha * (exp(x / alpha) - 1)` below (Barron 2017)."""

    def forward(input, alpha):
        return np.where(input < 0, alpha * np.expm1(np.minimum(input, 0) / alpha), input)

    def grad_input(g, input, alpha):
        return elu_backward(g, input, alpha, 1.0, 1.0 / alpha)

    def samples(make):
        yield make(3, 5, low=-3, high=3), 1.3


@op("F.softplus", pointwise=1, exact_out=True)
class softplus:
    """`log(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x > threshold`."""

    def forward(input, beta=1.0, threshold=20.0):
        z = input * beta
        soft = np.log1p(np.exp(np.minimum(z, threshold))) / beta
        return np.where(z > threshold, input, soft)

    def grad_input(g, input, beta, threshold):
        return softplus_backward(g, input, beta, threshold)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5, low=-5, high=5), 2.0, 4.0


@op("F.logsigmoid", pointwise=1, kernel="log_sigmoid", node="LogSigmoid", exact_out=True)
class logsigmoid:
    """`log(sigmoid(x))`, without overflow."""

    def forward(input):
        return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))

    def grad_input(g, input):
        return log_sigmoid_backward(g, input)

    def samples(make):
        yield from wide_samples(make)


@op("torch.hardshrink Tensor.hardshrink F.hardshrink", pointwise=1, exact_out=True)
class hardshrink:
    """Zero in place of elements in [-lambd, lambd]."""

    def forward(input, lambd=0.5):
        return np.where(np.abs(input) <= lambd, 0, input).astype(input.dtype)

    def grad_input(g, input, lambd):
        return shrink_backward(g, input, lambd)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 0.2


@op("", pointwise=1, name="softshrink")
class shrink:
    """Elements moved toward zero by `lambd`; zero in [-lambd, lambd]."""

    def forward(input, lambd):
        return np.sign(input) * np.maximum(np.abs(input) - lambd, 0)

    def grad_input(g, input, lambd):
        return shrink_backward(g, input, lambd)

    def samples(make):
        yield make(3, 5), 0.2


# -- the public functions ---------------------------------------------------------------------

_forms: dict = {}


def run(operator, input, inplace, *args):
    """Call an operator or its in-place form."""
    if not inplace:
        return operator(input, *args)
    form = _forms.get(operator)
    if form is None:
        form = _forms[operator] = inplace_form(operator)
    return form(input, *args)


@public("F.relu")
def relu_function(input, inplace: bool = False):
    """Zero in place of negative elements."""
    return run(relu, input, True) if inplace else relu(input)


@public("F.relu6")
def relu6(input, inplace: bool = False):
    """Each element brought into [0, 6]."""
    return run(limit, input, inplace, 0.0, 6.0)


@public("torch.threshold F.threshold")
def threshold(input, threshold: float, value: float, inplace: bool = False):
    """`value` in place of elements that do not exceed `threshold`."""
    return run(cut, input, inplace, threshold, value)


@public("torch.threshold_ F.threshold_")
def threshold_(input, threshold: float, value: float):
    """`threshold`, in place."""
    return run(cut, input, True, threshold, value)


@public("F.leaky_relu")
def leaky_relu(input, negative_slope: float = 0.01, inplace: bool = False):
    """Negative elements scaled by `negative_slope`."""
    return run(leak, input, inplace, negative_slope)


@public("torch.prelu Tensor.prelu F.prelu")
def prelu(input, weight):
    """Negative elements scaled by a learnable weight: one for all, or one a channel (dim 1)."""
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if input.ndim == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor.")
        if weight.numel() != channels:
            raise RuntimeError(
                "prelu: Mismatch of parameter numbers and input channel size. Found parameter "
                f"numbers = {weight.numel()} and channel size = {channels}."
            )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if input.ndim >= 2 and weight.ndim == 1:
        weight = weight.view((-1,) + (1,) * (input.ndim - 2))
    elif weight.ndim == 1 and input.ndim == 0:
        weight = weight.reshape(())
    return prelu_elements(input, weight)


@public("F.hardtanh")
def hardtanh(input, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
    """Each element brought into [min_val, max_val]."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return run(limit, input, inplace, min_val, max_val)


@public("F.elu")
def elu(input, alpha: float = 1.0, inplace: bool = False):
    """`x` above zero, `alpha * (exp(x) - 1)` below (Clevert and others 2015)."""
    return run(exponential_unit, input, inplace, alpha, 1, 1)


@public("torch.selu F.selu")
def selu(input, inplace: bool = False):
    """`elu` with the scales that keep activations normal (Klambauer and others 2017)."""
    return run(exponential_unit, input, inplace, SELU_ALPHA, SELU_SCALE, 1)


@public("torch.selu_ F.selu_")
def selu_(input):
    """`selu`, in place."""
    return run(exponential_unit, input, True, SELU_ALPHA, SELU_SCALE, 1)


@public("torch.celu F.celu")
def celu(input, alpha: float = 1.0, inplace: bool = False):
    """`x` above zero, `alpha * (exp(x / alpha) - 1)` below (Barron 2017)."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return run(continuous_unit, input, inplace, alpha)


@public("torch.celu_ F.celu_")
def celu_(input, alpha: float = 1.0):
    """`celu`, in place."""
    return celu(input, alpha, True)


@public("F.softshrink")
def softshrink(input, lambd: float = 0.5):
    """Elements moved toward zero by `lambd`; zero in [-lambd, lambd]."""
    if not 0 <= lambd <= _SMALLEST_TOP:
        _check_lambda(input.dtype, lambd)
    return shrink(input, lambd)


_SMALLEST_TOP = 65504  # the largest float16: no dtype holds less


def _check_lambda(dtype, lambd):
    from .. import finfo

    top = finfo(dtype).max
    if not 0 <= lambd <= top:
        raise RuntimeError(
            f"lambda must be in range [0, {top:g}] for input dtype {dtype._scalar_name}, but "
            f"found {lambd:g}"
        )


@public("F.softsign")
def softsign(input):
    """`x / (1 + |x|)`."""
    return input / input.abs().add_(1)


@public("F.tanhshrink")
def tanhshrink(input):
    """`x - tanh(x)`."""
    return input - input.tanh()
