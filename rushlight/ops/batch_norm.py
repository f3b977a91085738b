"""Normalisation over a batch, or over each of its instances."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .norm import _affine, _per_channel, _scale


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


for _function in (functional_batch_norm, functional_instance_norm):
    _function.__name__ = _function.__name__.removeprefix("functional_")
