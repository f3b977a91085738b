"""Normalisation layers: layer, RMS, group, instance and batch norm, with fused gradients.

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


# -- batch and instance norm ---------------------------------------------------------------------


def _channel_dims(x):
    return (0, *range(2, x.ndim))


def _batch_gradients(g, input, weight, running_mean, running_var, training, eps):
    dims, ndim = _channel_dims(g), g.ndim
    if training:
        x = input - input.mean(dims, True)
        r = ((x * x).mean(dims, True) + eps).rsqrt()
    else:
        x = input - _per_channel(running_mean, ndim)
        r = (_per_channel(running_var, ndim) + eps).rsqrt()
    xh, a = x * r, _scale(g, _per_channel(weight, ndim))
    dx = a * r
    if training:
        dx = (a - a.mean(dims, True) - xh * (a * xh).mean(dims, True)) * r
    return dx, (g * xh).sum(dims), g.sum(dims)


def _update_running(running, value, momentum):
    if running is not None:
        running *= 1 - momentum
        running += momentum * value


@op(
    "",
    name="batch_norm",
    node="NativeBatchNorm",
    outputs=("output", "save_mean", "save_invstd"),
    grad_outputs=1,
    differentiable=("input", "weight", "bias"),
)
class _batch_norm:
    """Normalise channels by batch or running statistics: (output, mean, 1 / deviation).

    In training the running statistics are updated in place; the mean and deviation are empty
    otherwise.
    """

    def forward(input, weight, bias, running_mean, running_var, training, momentum, eps):
        axes, ndim = _channel_dims(input), input.ndim
        mean, var = running_mean, running_var
        if training:
            mean, var = input.mean(axes), input.var(axes)
            count = input.size / max(mean.size, 1)
            _update_running(running_mean, mean, momentum)
            _update_running(running_var, var * count / (count - 1), momentum)
        r = 1 / np.sqrt(var + eps)
        x = (input - _per_channel(mean, ndim)) * _per_channel(r, ndim)
        output = _affine(x, _per_channel(weight, ndim), _per_channel(bias, ndim))
        return (output, mean, r) if training else (output, mean[:0], r[:0])

    def backward(
        g, input, weight, running_mean, running_var, save_mean, save_invstd, training, eps, needs
    ):
        if _C.differentiates():
            return _batch_gradients(g[0], input, weight, running_mean, running_var, training, eps)
        got = batch_norm_backward(
            g[0], input, weight, running_mean, running_var, save_mean, save_invstd, training, eps,
            needs[0],
        )  # fmt: skip
        return got if needs[0] else (None, *got)

    def samples(make):
        yield make(4, 3), make(3), make(3), None, None, True, 0.1, 1e-5
        yield make(2, 3, 4, 4), None, None, None, None, True, 0.1, 1e-5


@op("", name="batch_norm_backward", outputs="tuple")
class batch_norm_backward:
    """The gradients of batch_norm: dx if wanted, then dw and db."""

    def forward(
        g, input, weight, running_mean, running_var, mean, invstd, training, eps, need_input
    ):
        axes, ndim = _channel_dims(g), g.ndim
        if not training:
            mean, invstd = running_mean, 1 / np.sqrt(running_var + eps)
        r = _per_channel(invstd, ndim)
        xh = (input - _per_channel(mean, ndim)) * r
        a = _scale(g, _per_channel(weight, ndim))
        dx = a * r
        if training:
            dx = dx - (a.mean(axes, keepdims=True) + xh * (a * xh).mean(axes, keepdims=True)) * r
        affine = (g * xh).sum(axes), g.sum(axes)
        return (dx, *affine) if need_input else affine

    def samples(make):
        mean, invstd = make(3, grad=False), make(3, low=0.5, grad=False)
        yield make(4, 3), make(4, 3), make(3), None, None, mean, invstd, True, 1e-5, True


def _check_batch(shape):
    count = shape[0] if len(shape) else 1
    for size in shape[2:]:
        count *= size
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shape}"
        )


def _check_running(running_mean, running_var, training):
    if training:
        return
    for name, value in (("running_mean", running_mean), ("running_var", running_var)):
        if value is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")


@public("F.batch_norm")
def functional_batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-05,
):
    """Normalise channels by the batch's statistics (training) or the running ones."""
    if training:
        _check_batch(input.shape)
        if eps <= 0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    return batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)


@public("torch.batch_norm")
def batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled
):
    """Normalise channels by the batch's statistics (training) or the running ones."""
    _check_running(running_mean, running_var, training)
    if input.numel() == 0:
        return _affine(
            input.clone(),
            None if weight is None else weight[0],
            None if bias is None else bias[0],
        )
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


@public("torch.native_batch_norm")
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """batch_norm with the batch's statistics: (output, mean, 1 / deviation)."""
    _check_running(running_mean, running_var, training)
    output, mean, invstd = _batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )
    return output, mean.detach(), invstd.detach()


def _repeated(p, times):
    return None if p is None else p.repeat((times,))


@public("torch.instance_norm")
def instance_norm(
    input,
    weight,
    bias,
    running_mean,
    running_var,
    use_input_stats,
    momentum,
    eps,
    cudnn_enabled,
):
    """Normalise every channel of every sample by itself, or by the running statistics."""
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    n, channels = input.shape[:2]
    # A batch of one sample with n * channels channels.
    means, variances = _repeated(running_mean, n), _repeated(running_var, n)
    output = _batch_norm(
        input.reshape(1, n * channels, *input.shape[2:]),
        _repeated(weight, n),
        _repeated(bias, n),
        means,
        variances,
        use_input_stats,
        momentum,
        eps,
    )[0]
    if use_input_stats:
        for running, updated in ((running_mean, means), (running_var, variances)):
            if running is not None:
                running.detach().copy_(updated.view(n, channels).mean(0))
    return output.view(input.shape)


@public("F.instance_norm")
def functional_instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-05,
):
    """Normalise every channel of every sample by itself, or by the running statistics."""
    if use_input_stats and input.shape[2:].numel() == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    return instance_norm(
        input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True
    )


for _function in (
    functional_layer_norm,
    functional_group_norm,
    functional_batch_norm,
    functional_instance_norm,
):
    _function.__name__ = _function.__name__.removeprefix("functional_")
