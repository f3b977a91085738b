"""Gradients of the activations as operators: one pass each, with second derivatives.

The first parameter is the gradient of the activation's output; gradients of these operators are
linear in it, so `grad_grad_output` is the operator itself.
"""

from __future__ import annotations

import math

from .._lazy import np
from ..op import conj, op


def gradient_samples(make, *numbers):
    yield make(3, 5), make(3, 5, low=-4, high=4), *numbers


@op("", pointwise=2)
class threshold_backward:
    """The gradient where the input exceeds `threshold`, else zero."""

    def forward(grad_output, input, threshold):
        return np.where(input <= threshold, np.zeros_like(grad_output), grad_output)

    def grad_grad_output(g, input, threshold):
        return threshold_backward(g, input, threshold)

    def samples(make):
        yield from gradient_samples(make, 0)


@op("", pointwise=2)
class leaky_relu_backward:
    """The gradient, scaled where the input is not positive."""

    def forward(grad_output, input, negative_slope):
        return np.where(input > 0, grad_output, grad_output * negative_slope)

    def grad_grad_output(g, input, negative_slope):
        return leaky_relu_backward(g, input, negative_slope)

    def samples(make):
        yield from gradient_samples(make, 0.01)


@op("", pointwise=3)
class prelu_backward:
    """The gradient, scaled by the weight where the input is not positive."""

    def forward(grad_output, input, weight):
        return np.where(input > 0, grad_output, grad_output * weight)

    def grad_grad_output(g, input, weight):
        return prelu_backward(g, input, weight)

    def grad_weight(g, grad_output, input):
        return (g * grad_output).masked_fill(input > 0, 0)

    def samples(make):
        yield make(3, 5), make(3, 5), make(5)


@op("", pointwise=2)
class hardtanh_backward:
    """The gradient where the input lies inside the interval, else zero."""

    def forward(grad_output, input, min_val, max_val):
        inside = (input > min_val) & (input < max_val)
        return np.where(inside, grad_output, np.zeros_like(grad_output))

    def grad_grad_output(g, input, min_val, max_val):
        return hardtanh_backward(g, input, min_val, max_val)

    def samples(make):
        yield from gradient_samples(make, -1.0, 1.0)


@op("", pointwise=2)
class elu_backward:
    """The gradient times the slope of elu."""

    def forward(grad_output, input, alpha, scale, input_scale):
        low = np.exp(np.minimum(input, 0) * input_scale) * (alpha * scale * input_scale)
        return grad_output * np.where(input > 0, scale, low)

    def grad_grad_output(g, input, alpha, scale, input_scale):
        return elu_backward(g, input, alpha, scale, input_scale)

    def grad_input(g, grad_output, input, alpha, scale, input_scale):
        curve = (input * input_scale).exp() * (alpha * scale * input_scale * input_scale)
        return (g * grad_output * curve).masked_fill(input > 0, 0)

    def samples(make):
        yield from gradient_samples(make, 1.3, 1.0, 1.0)


@op("", pointwise=2)
class silu_backward:
    """The gradient times the slope of silu."""

    def forward(grad_output, input):
        s = 1 / (1 + np.exp(-input))
        return grad_output * np.conj(s * (1 + input * (1 - s)))

    def grad_grad_output(g, input):
        return silu_backward(g, input)

    def grad_input(g, grad_output, input):
        s = input.sigmoid()
        curve = s * (1 - s) * (2 + input * (1 - 2 * s))
        return g * conj(grad_output) * conj(curve)

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=3)
class gated_backward:
    """The gradient times the slope of first * sigmoid(second) in `second`."""

    def forward(grad_output, first, second):
        s = 1 / (1 + np.exp(-second))
        return grad_output * first * s * (1 - s)

    def grad_grad_output(g, first, second):
        return gated_backward(g, first, second)

    def grad_first(g, grad_output, second):
        return gated_backward(g, grad_output, second)

    def grad_second(g, grad_output, first, second):
        s = second.sigmoid()
        return g * grad_output * first * s * (1 - s) * (1 - 2 * s)

    def samples(make):
        yield make(3, 5), make(3, 5), make(3, 5)


@op("", pointwise=2)
class mish_backward:
    """The gradient times the slope of mish."""

    def forward(grad_output, input):
        t = np.tanh(np.log1p(np.exp(input)))
        return grad_output * (t + input * (1 - t * t) / (1 + np.exp(-input)))

    def grad_grad_output(g, input):
        return mish_backward(g, input)

    def grad_input(g, grad_output, input):
        s = input.sigmoid()
        t = (-(-input).sigmoid().log()).tanh()
        d = 1 - t * t
        curve = d * s * (2 + input * (1 - s) - 2 * input * t * s)
        return g * grad_output * curve

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=2)
class gelu_backward:
    """The gradient times the slope of gelu."""

    def forward(grad_output, input):
        erf = np.vectorize(math.erf, otypes=[input.dtype])
        cdf = 0.5 + 0.5 * erf(input * 0.7071067811865476)
        return grad_output * (cdf + input * 0.3989422804014327 * np.exp(-0.5 * input * input))

    def grad_grad_output(g, input):
        return gelu_backward(g, input)

    def grad_input(g, grad_output, input):
        square = input * input
        density = (square * -0.5).exp() * 0.3989422804014327
        return g * grad_output * density * (2 - square)

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=2)
class gelu_tanh_backward:
    """The gradient times the slope of gelu approximated through tanh."""

    def forward(grad_output, input):
        t = np.tanh(0.7978845608028654 * (input + 0.044715 * input**3))
        slope = 0.7978845608028654 * (1 + 3 * 0.044715 * input * input)
        return grad_output * 0.5 * (1 + t + input * (1 - t * t) * slope)

    def grad_grad_output(g, input):
        return gelu_tanh_backward(g, input)

    def grad_input(g, grad_output, input):
        square = input * input
        t = ((input + 0.044715 * (square * input)) * 0.7978845608028654).tanh()
        slope = 0.7978845608028654 * (1 + 0.134145 * square)
        bend = 0.7978845608028654 * 0.26829 * input
        d = 1 - t * t
        curve = d * (slope + 0.5 * input * bend - input * t * slope * slope)
        return g * grad_output * curve

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=2)
class hardsigmoid_backward:
    """A sixth of the gradient inside (-3, 3), else zero."""

    def forward(grad_output, input):
        return np.where((input > -3) & (input < 3), grad_output / 6, 0).astype(grad_output.dtype)

    def grad_grad_output(g, input):
        return hardsigmoid_backward(g, input)

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=2)
class hardswish_backward:
    """The gradient times the slope of hardswish."""

    def forward(grad_output, input):
        slope = np.where(input >= 3, 1, input / 3 + 0.5)
        return grad_output * np.where(input <= -3, 0, slope).astype(grad_output.dtype)

    def grad_grad_output(g, input):
        return hardswish_backward(g, input)

    def grad_input(g, grad_output, input):
        return (g * grad_output / 3).masked_fill((input <= -3) | (input >= 3), 0)

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=2)
class softplus_backward:
    """The gradient times the slope of softplus."""

    def forward(grad_output, input, beta, threshold):
        z = input * beta
        return np.where(z > threshold, grad_output, grad_output / (1 + np.exp(-z)))

    def grad_grad_output(g, input, beta, threshold):
        return softplus_backward(g, input, beta, threshold)

    def grad_input(g, grad_output, input, beta, threshold):
        s = (input * beta).sigmoid()
        return (g * grad_output * (s * (1 - s) * beta)).masked_fill(input * beta > threshold, 0)

    def samples(make):
        yield from gradient_samples(make, 1.5, 20.0)


@op("", pointwise=2)
class log_sigmoid_backward:
    """The gradient times the slope of logsigmoid, `sigmoid(-x)`."""

    def forward(grad_output, input):
        return grad_output / (1 + np.exp(input))

    def grad_grad_output(g, input):
        return log_sigmoid_backward(g, input)

    def grad_input(g, grad_output, input):
        s = input.sigmoid()
        return g * grad_output * (s * (s - 1))

    def samples(make):
        yield from gradient_samples(make)


@op("", pointwise=2)
class shrink_backward:
    """The gradient where the input lies outside [-lambd, lambd], else zero."""

    def forward(grad_output, input, lambd):
        return np.where(np.abs(input) <= lambd, np.zeros_like(grad_output), grad_output)

    def grad_grad_output(g, input, lambd):
        return shrink_backward(g, input, lambd)

    def samples(make):
        yield from gradient_samples(make, 0.5)
