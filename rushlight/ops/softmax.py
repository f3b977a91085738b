"""softmax and log_softmax, with fused gradients."""

from __future__ import annotations

import warnings

from .._lazy import np
from ..op import numpy_dtype, op, public


def _shifted(x, dim, dtype):
    x = x if dtype is None else x.astype(numpy_dtype(dtype))
    return x - x.max(dim, keepdims=True) if x.ndim else x - x


def _samples(make):
    yield make(3, 5), 1
    yield make(2, 3, 4), -2
    yield make(4, high=1e4), 0


def _gradient_samples(make):
    out = make(3, 5, high=0)
    yield make(3, 5), out, 1
    yield make(3, 5), out, 0


@op("torch.softmax Tensor.softmax special.softmax")
class softmax:
    """Scale slices along `dim` to positive numbers that sum to one."""

    def forward(input, dim, dtype=None):
        # Subtracting the maximum leaves the quotient alone and keeps exp finite.
        e = np.exp(_shifted(input, dim, dtype))
        return e / (e.sum(dim, keepdims=True) if e.ndim else e)

    def grad_input(g, out, dim):
        return softmax_backward(g, out, dim)

    samples = _samples


@op("", name="softmax_backward")
class softmax_backward:
    """out * (g - sum(g * out)): the gradient of softmax."""

    def forward(g, out, dim):
        return out * (g - (g * out).sum(dim, keepdims=True)) if out.ndim else g * 0

    def grad_g(g, out, dim):
        return softmax_backward(g, out, dim)

    def grad_out(gs, g, out, dim):
        inner = (g * out).sum(dim, True)
        return gs * (g - inner) - g * (gs * out).sum(dim, True)

    samples = _gradient_samples


@op("torch.log_softmax Tensor.log_softmax special.log_softmax")
class log_softmax:
    """The logarithm of softmax along `dim`, without overflow or underflow."""

    def forward(input, dim, dtype=None):
        x = _shifted(input, dim, dtype)
        return x - np.log(np.exp(x).sum(dim, keepdims=True)) if x.ndim else x

    def grad_input(g, out, dim):
        return log_softmax_backward(g, out, dim)

    samples = _samples


@op("", name="log_softmax_backward")
class log_softmax_backward:
    """g - exp(out) * sum(g): the gradient of log_softmax."""

    def forward(g, out, dim):
        return g - np.exp(out) * g.sum(dim, keepdims=True) if out.ndim else g * 0

    def grad_g(g, out, dim):
        return g - (g * out.exp()).sum(dim, True)

    def grad_out(gs, g, out, dim):
        return -gs * out.exp() * g.sum(dim, True)

    samples = _gradient_samples


def _implicit_dim(name, ndim, stacklevel):
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


@public("F.softmax")
def functional_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Scale slices along `dim` to positive numbers that sum to one."""
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return softmax(input, dim) if dtype is None else softmax(input, dim, dtype)


@public("F.log_softmax")
def functional_log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax along `dim`."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return log_softmax(input, dim) if dtype is None else log_softmax(input, dim, dtype)


functional_softmax.__name__ = "softmax"
functional_log_softmax.__name__ = "log_softmax"
