"""Losses of single elements; `nn.functional` averages or adds them up."""

from __future__ import annotations

from .._lazy import np
from ..op import op


@op("", pointwise=2)
class huber:
    """Half the squared distance below delta, a line of slope delta from there (Huber 1964)."""

    def forward(input, target, delta=1.0):
        d = np.abs(input - target)
        return np.where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta)).astype(d.dtype)

    def grad_input(g, input, target, delta):
        return huber_backward(g, input, target, delta)

    def grad_target(g, input, target, delta):
        return huber_backward(g, target, input, delta)

    def samples(make):
        yield make(3, 5, low=-3, high=3), make(3, 5)
        yield make(2, 3, 4, low=-2, high=2), make(4), 0.5


@op("", pointwise=3)
class huber_backward:
    """The gradient times the slope of huber: input - target, at most delta either way."""

    def forward(grad_output, input, target, delta):
        return grad_output * np.clip(input - target, -delta, delta)

    def grad_grad_output(g, input, target, delta):
        return huber_backward(g, input, target, delta)

    def grad_input(g, grad_output, input, target, delta):
        return _curved(g * grad_output, input - target, delta)

    def grad_target(g, grad_output, input, target, delta):
        return -_curved(g * grad_output, input - target, delta)

    def samples(make):
        yield make(3, 5), make(3, 5, low=-3, high=3), make(3, 5), 1.0


def _curved(g, distance, delta):
    return g * (distance.abs() <= delta)
