"""Normalisation of single samples: layer, RMS and group norm, with fused gradients.

Backward kernels recompute what fits the cache. Under create_graph the gradients are written in
operators instead, so that they can be differentiated to any order.
"""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .statistics import _var_mean

# What rms_norm adds without an eps: that of the type it computes in.
_FLOAT32_EPS, _FLOAT64_EPS = 2.0**-23, 2.0**-52


def _affine(x, weight, bias):
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _scale(g, weight):
    return g if weight is None else g * weight


# -- layer and RMS norm -----------------------------------------------------------------------


def _trailing(x, normalized_shape):
    return tuple(range(x.ndim - len(normalized_shape), x.ndim))


def _row_gradients(g, input, normalized_shape, weight, eps, rms, needs):
    """The gradients of layer_norm (or rms_norm) in differentiable operators."""
    dims = _trailing(input, normalized_shape)
    x = input if rms else input - input.mean(dims, True)
    r = ((x * x).mean(dims, True) + eps).rsqrt()
    xh = x * r
    dx = dw = db = None
    if needs[0]:
        a = _scale(g, weight)
        dx = a - xh * (a * xh).mean(dims, True)
        dx = (dx if rms else dx - a.mean(dims, True)) * r
    if needs[1]:
        dw = (g * xh).sum_to_size(normalized_shape)
    if len(needs) > 2 and needs[2]:
        db = g.sum_to_size(normalized_shape)
    return dx, dw, db


def _row_backward(g, input, normalized_shape, weight, eps, rms, needs):
    if _C.differentiates():
        if eps is None:
            eps = _FLOAT64_EPS if input.dtype is _C.float64 else _FLOAT32_EPS
        return _row_gradients(g, input, normalized_shape, weight, eps, rms, needs)
    wants_affine = any(needs[1:])
    got = list(
        layer_norm_backward(g, input, normalized_shape, weight, eps, rms, needs[0], wants_affine)
    )
    dx = got.pop(0) if needs[0] else None
    dw, db = got if wants_affine else (None, None)
    return dx, dw, db


def _normalise_rows(x, normalized_shape, weight, bias, eps, rms):
    axes = _trailing(x, normalized_shape)
    x = x if rms else x - x.mean(axes, keepdims=True)
    eps = np.finfo(x.dtype).eps if eps is None else eps
    return _affine(x / np.sqrt((x * x).mean(axes, keepdims=True) + eps), weight, bias)


@op("torch.layer_norm", node="NativeLayerNorm", differentiable=("input", "weight", "bias"))
class layer_norm:
    """Normalise the trailing dims `normalized_shape` to mean 0 and variance 1, then scale."""

    def forward(input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True):
        return _normalise_rows(input, normalized_shape, weight, bias, eps, False)

    def backward(g, input, normalized_shape, weight, eps, needs):
        return _row_backward(g, input, normalized_shape, weight, eps, False, needs)

    def samples(make):
        yield make(4, 6), (6,), make(6), make(6)
        yield make(2, 3, 4), (3, 4)


@op("torch.rms_norm F.rms_norm", node="Mul", differentiable=("input", "weight"))
class rms_norm:
    """Divide the trailing dims `normalized_shape` by their root mean square, then scale."""

    def forward(input, normalized_shape, weight=None, eps=None):
        return _normalise_rows(input, normalized_shape, weight, None, eps, True)

    def backward(g, input, normalized_shape, weight, eps, needs):
        return _row_backward(g, input, normalized_shape, weight, eps, True, needs)[:2]

    def samples(make):
        yield make(4, 6), (6,), make(6)
        yield make(2, 3, 4), (3, 4)


@op("", name="layer_norm_backward", outputs="tuple")
class layer_norm_backward:
    """The gradients of layer_norm or rms_norm: dx if wanted, then dw and db if wanted."""

    def forward(g, input, normalized_shape, weight, eps, rms, need_input, need_affine):
        axes = _trailing(input, normalized_shape)
        x = input if rms else input - input.mean(axes, keepdims=True)
        eps = np.finfo(x.dtype).eps if eps is None else eps
        r = 1 / np.sqrt((x * x).mean(axes, keepdims=True) + eps)
        xh, a = x * r, _scale(g, weight)
        dx = a - xh * (a * xh).mean(axes, keepdims=True)
        dx = (dx if rms else dx - a.mean(axes, keepdims=True)) * r
        lead = tuple(range(axes[0]))
        affine = ((g * xh).sum(lead), g.sum(lead)) if need_affine else ()
        return ((dx,) if need_input else ()) + affine

    def samples(make):
        yield make(4, 6), make(4, 6), (6,), make(6), 1e-5, False, True, True
        yield make(4, 6), make(4, 6), (6,), None, 1e-5, True, True, False


@public("F.layer_norm")
def functional_layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    """Normalise the trailing dims `normalized_shape` to mean 0 and variance 1, then scale."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@public("torch.native_layer_norm")
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """layer_norm with its statistics: (output, mean, 1 / deviation)."""
    output = layer_norm(input, normalized_shape, weight, bias, eps)
    dims = _trailing(input, normalized_shape)
    var, mean = _var_mean(input.detach(), dims, 0, True)
    return output, mean, (var + eps).rsqrt()


# -- group norm --------------------------------------------------------------------------------


def _per_channel(p, ndim):
    return None if p is None else p.reshape([1, -1] + [1] * (ndim - 2))


def _group_gradients(g, input, num_groups, weight, eps):
    n = input.shape[0]
    x = input.reshape(n, num_groups, -1)
    x = x - x.mean(-1, True)
    r = ((x * x).mean(-1, True) + eps).rsqrt()
    xh = x * r
    a = _scale(g, _per_channel(weight, g.ndim)).reshape(n, num_groups, -1)
    dx = (a - a.mean(-1, True) - xh * (a * xh).mean(-1, True)) * r
    dims = (0, *range(2, g.ndim))
    return dx.reshape(input.shape), (g * xh.reshape(g.shape)).sum(dims), g.sum(dims)


@op(
    "",
    name="group_norm",
    node="NativeGroupNorm",
    outputs=("output", "mean", "scale"),
    grad_outputs=1,
    differentiable=("input", "weight", "bias"),
)
class _group_norm:
    """Normalise groups of channels of each sample, then scale by channel.

    Returns (output, mean, 1 / deviation); the statistics have shape (N, num_groups).
    """

    def forward(input, num_groups, weight, bias, eps):
        x = input.reshape(input.shape[0], num_groups, -1)
        mean = x.mean(-1, keepdims=True)
        x = x - mean
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        x = (x * scale).reshape(input.shape)
        output = _affine(x, _per_channel(weight, x.ndim), _per_channel(bias, x.ndim))
        return output, mean[..., 0], scale[..., 0]

    def backward(g, input, num_groups, weight, eps, mean, scale):
        if _C.differentiates():
            return _group_gradients(g[0], input, num_groups, weight, eps)
        return group_norm_backward(g[0], input, num_groups, weight, mean, scale)

    def samples(make):
        yield make(2, 6, 4), 3, make(6), make(6), 1e-5
        yield make(2, 4, 3, 3), 2, None, None, 1e-5


@op("", name="group_norm_backward", outputs="tuple")
class group_norm_backward:
    """The gradients of group_norm: (dx, dw, db)."""

    def forward(g, input, num_groups, weight, mean, scale):
        n = input.shape[0]
        x, r = input.reshape(n, num_groups, -1), scale[..., None]
        xh = (x - mean[..., None]) * r
        a = _scale(g, _per_channel(weight, g.ndim)).reshape(x.shape)
        dx = (a - a.mean(-1, keepdims=True) - xh * (a * xh).mean(-1, keepdims=True)) * r
        axes = (0, *range(2, g.ndim))
        return dx.reshape(input.shape), (g * xh.reshape(g.shape)).sum(axes), g.sum(axes)

    def samples(make):
        x = make(2, 6, 4)
        dtype = x.dtype if x.is_floating_point() else _C.float64
        x, g, w = (make(*s, dtype=dtype, grad=False) for s in ((2, 6, 4), (2, 6, 4), (6,)))
        yield g, x, 3, w, *_group_norm(x, 3, None, None, 1e-5)[1:]


@public("F.group_norm")
def functional_group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    """Normalise `num_groups` groups of channels of each sample, then scale by channel."""
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    shape = input.shape
    if shape[0] * (shape[1] // num_groups) * shape[2:].numel() == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {list(shape)}"
        )
    return _group_norm(input, num_groups, weight, bias, eps)[0]


@public("torch.group_norm")
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True):
    """Normalise `num_groups` groups of channels of each sample, then scale by channel."""
    return _group_norm(input, num_groups, weight, bias, eps)[0]


@public("torch.native_group_norm")
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """group_norm with its statistics: (output, mean, 1 / deviation), each (N, group)."""
    output = _group_norm(input, group, weight, bias, eps)[0]
    rows = input.reshape(N, group, C * HxW // group)
    var, mean = _var_mean(rows, -1, 0, False)
    return output, mean, (var + eps).rsqrt()


for _function in (functional_layer_norm, functional_group_norm):
    _function.__name__ = _function.__name__.removeprefix("functional_")
