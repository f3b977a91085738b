"""Dropout in all its forms; masks and values follow PyTorch bit for bit.

Each mask element costs two words of the default generator, in the order of the input's memory.
"""

from __future__ import annotations

from .._lazy import np
from ..op import inplace_form, op, public
from .creation import empty_like
from .random import _unit53

_ALPHA = 1.7580993408473766  # minus the value SELU tends to at minus infinity


def _keep(x, p):
    return (_unit53(None, x.size) < 1 - p).reshape(x.shape)


@op("", kernel="fused_dropout", outputs=("out", "mask"), node="Mul")
class fused_dropout:
    """Drop elements with probability p, scale the rest by 1 / (1 - p): (out, mask)."""

    random = True

    def forward(input, p):
        mask = _keep(input, p)
        return input * (mask / (1 - p) if p < 1 else 0 * mask), mask

    def grad_input(g, mask, p):
        return masked_dropout(g[0], mask, p)

    def samples(make):
        yield make(3, 5), 0.3


@op("", kernel="masked_dropout", node="Mul")
class masked_dropout:
    """Keep where `mask` is true, scaled by 1 / (1 - p), and multiply by zero elsewhere."""

    def forward(input, mask, p):
        return input * (mask / (1 - p) if p < 1 else 0 * mask)

    def grad_input(g, mask, p):
        return masked_dropout(g, mask, p)

    def samples(make):
        mask = make(3, 5, dtype="bool", grad=False)
        yield make(3, 5), mask, 0.25


@op("", kernel="dropout_mask")
class dropout_mask:
    """True with probability 1 - p, in the shape and memory order of the input."""

    random = True

    def forward(input, p):
        return _keep(input, p)

    def samples(make):
        yield make(3, 5), 0.3


@op("torch.native_dropout", kernel="native_dropout", outputs=("out", "mask"))
class native_dropout:
    """Dropout with its mask: (out, mask). Without `train` everything is kept."""

    random = True

    def forward(input, p, train):
        if train is False:
            return input.copy(), np.ones(input.shape, bool)
        mask = _keep(input, p)
        return input * mask * (1 / (1 - p) if p < 1 else 0.0), mask

    def grad_input(g, mask, p, train):
        scale = 1.0 if train is False else (1 / (1 - p) if p < 1 else 0.0)
        return native_dropout_backward(g[0], mask, scale)

    def samples(make):
        yield make(3, 5), 0.3, True
        yield make(3, 5), 0.3, False


@op("torch.native_dropout_backward", kernel="native_dropout_backward")
class native_dropout_backward:
    """grad_output * mask * scale."""

    def forward(grad_output, mask, scale):
        return grad_output * mask * scale

    def grad_grad_output(g, mask, scale):
        return native_dropout_backward(g, mask, scale)

    def samples(make):
        mask = make(3, 5, dtype="bool", grad=False)
        yield make(3, 5), mask, 1.5


_masked_dropout_inplace = inplace_form(masked_dropout)


# -- the functions of torch and of nn.functional ------------------------------------------------


def _check(p, error=ValueError):
    if p < 0.0 or p > 1.0:
        raise error(f"dropout probability has to be between 0 and 1, but got {p:g}")


def _drop(input, p, train, inplace):
    _check(p, RuntimeError)
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input.mul(0)
    if inplace:
        return _masked_dropout_inplace(input, dropout_mask(input.detach(), p), p)
    return fused_dropout(input, p)[0]


def _feature_noise(input, dims=2):
    """An empty tensor with one element a (sample, channel), or a channel for dims=1."""
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return input.detach().new_empty(input.shape[:dims] + (1,) * (input.ndim - dims))


def _drop_features(input, p, train, inplace, dims=2):
    _check(p, RuntimeError)
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input.mul(0)
    noise = _feature_noise(input, dims).bernoulli_(1 - p).div_(1 - p)
    return input.mul_(noise) if inplace else input.mul(noise)


def _drop_alpha(input, p, train, inplace, feature=False):
    # Dropped values become minus alpha; a and b restore mean 0 and deviation 1
    # (Klambauer et al. 2017, Self-Normalizing Neural Networks).
    _check(p, RuntimeError)
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input.mul(0)
    noise = (_feature_noise(input) if feature else empty_like(input.detach())).bernoulli_(1 - p)
    if not noise.is_floating_point():
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {input.dtype}"
        )
    a = 1.0 / ((_ALPHA * _ALPHA * p + 1) * (1 - p)) ** 0.5
    b = noise.add(-1).mul_(_ALPHA * a).add_(_ALPHA * a * p)
    noise.mul_(a)
    return input.mul_(noise).add_(b) if inplace else input.mul(noise).add(b)


@public("torch.dropout")
def dropout(input, p, train):
    """Zero elements with probability p, scale the rest by 1 / (1 - p)."""
    return _drop(input, p, train, False)


@public("torch.dropout_")
def dropout_(input, p, train):
    """`dropout` in place."""
    return _drop(input, p, train, True)


@public("torch.feature_dropout")
def feature_dropout(input, p, train):
    """Zero whole channels (dims after the second) with probability p."""
    return _drop_features(input, p, train, False)


@public("torch.feature_dropout_")
def feature_dropout_(input, p, train):
    """`feature_dropout` in place."""
    return _drop_features(input, p, train, True)


@public("torch.alpha_dropout")
def alpha_dropout(input, p, train):
    """Dropout that keeps mean 0 and deviation 1 of SELU networks."""
    return _drop_alpha(input, p, train, False)


@public("torch.alpha_dropout_")
def alpha_dropout_(input, p, train):
    """`alpha_dropout` in place."""
    return _drop_alpha(input, p, train, True)


@public("torch.feature_alpha_dropout")
def feature_alpha_dropout(input, p, train):
    """`alpha_dropout` of whole channels."""
    return _drop_alpha(input, p, train, False, feature=True)


@public("torch.feature_alpha_dropout_")
def feature_alpha_dropout_(input, p, train):
    """`feature_alpha_dropout` in place."""
    return _drop_alpha(input, p, train, True, feature=True)


@public("F.dropout")
def functional_dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability p while training, scale the rest by 1 / (1 - p)."""
    _check(p)
    return _drop(input, p, training, inplace)


@public("F.alpha_dropout")
def functional_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean 0 and deviation 1 of SELU networks."""
    _check(p)
    return _drop_alpha(input, p, training, inplace)


@public("F.feature_alpha_dropout")
def functional_feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels."""
    _check(p)
    return _drop_alpha(input, p, training, inplace, feature=True)


def _warn(message):
    from warnings import warn

    warn(message, stacklevel=4)


def _warn_dims(name, spatial, ndim):
    _warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated: channel-wise dropout "
        f"over {spatial} spatial dims takes {spatial + 1}D or {spatial + 2}D inputs. Use dropout "
        "to drop single elements."
    )


@public("F.dropout1d")
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, L) or (C, L) inputs."""
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input, where "
            "(N, C, L) or (C, L) is needed to drop channels"
        )
    return _drop_features(input, p, training, inplace, dims=input.ndim - 1)


@public("F.dropout2d")
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, H, W) inputs."""
    _check(p)
    if input.ndim not in (3, 4):
        _warn_dims("dropout2d", 2, input.ndim)
    if input.ndim == 3:
        _warn(
            "dropout2d: Received a 3D input to dropout2d, read as (N, C, L) and not as (C, H, W); "
            "a future release may read it the other way. Use dropout1d to keep this meaning."
        )
    return _drop_features(input, p, training, inplace)


@public("F.dropout3d")
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W) inputs."""
    _check(p)
    if input.ndim not in (4, 5):
        _warn_dims("dropout3d", 3, input.ndim)
    return _drop_features(input, p, training, inplace, dims=2 if input.ndim == 5 else 1)
