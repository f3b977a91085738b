"""Normalisation layers: lanes are more rows; scales of lanes' own are applied afterwards."""

from __future__ import annotations

import rushlight as torch

from ._lanes import Lanes, Refusal, aligned, full, plain, rank, rule


def _own(*parameters):
    return any(type(p) is Lanes for p in parameters)


def _scaled(y, weight, bias, place):
    """y * weight + bias, each put in place by `place`."""
    if weight is not None:
        y = y * place(weight)
    return y if bias is None else y + place(bias)


def _wide(x):
    """Half precision as float32."""
    return x.float() if x.dtype.itemsize < 4 else x


# -- layer and RMS norm ------------------------------------------------------------------------


def _checked(input, normalized_shape):
    if len(normalized_shape) > rank(input):
        raise RuntimeError(
            f"Given normalized_shape={list(normalized_shape)}, expected input with shape ending in "
            f"it, but got input of {rank(input)} dims"
        )
    return plain(input)


@rule("layer_norm")
def layer_norm(op, size, input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn=True):
    x = _checked(input, normalized_shape)
    if not _own(weight, bias):
        return op(x, normalized_shape, weight, bias, eps)
    y = op(x, normalized_shape, None, None, eps)
    y = y if type(input) is Lanes else y.unsqueeze(0)
    return _scaled(y, weight, bias, lambda p: aligned(p, y.ndim - 1))


@rule("rms_norm")
def rms_norm(op, size, input, normalized_shape, weight=None, eps=None):
    x = _checked(input, normalized_shape)
    if not _own(weight):
        return op(x, normalized_shape, weight, eps)
    y = op(x, normalized_shape, None, eps)
    y = y if type(input) is Lanes else y.unsqueeze(0)
    return y * aligned(weight, y.ndim - 1)


@rule("layer_norm_backward")
def layer_norm_backward(
    op, size, g, input, normalized_shape, weight, eps, rms, need_input, need_affine
):
    g, x = full(g, size), full(input, size)
    made = ()
    if need_input:
        a = g if weight is None else g * aligned(weight, g.ndim - 1)
        made = op(a, x, normalized_shape, None, eps, rms, True, False)
    if not need_affine:
        return tuple(made)
    g, x = (_wide(t) for t in (g, x))  # as the kernel sums them
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    lead = tuple(range(1, x.ndim - len(normalized_shape)))
    dims = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    centred = x if rms else x - x.mean(dims, True)
    unit = centred * ((centred * centred).mean(dims, True) + eps).rsqrt()
    dw, db = g * unit, g
    return (*made, dw.sum(lead) if lead else dw, db.sum(lead) if lead else db)


# -- group norm --------------------------------------------------------------------------------


def _samples(x):
    """(B, N, C, ...) as (B N, C, ...)."""
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))


def _per_channel(p, ndim):
    """A vector of channels, or one for each lane, against (B, N, C, ...)."""
    if type(p) is Lanes:
        p = p.tensor
        return p.reshape((p.shape[0], 1, p.shape[1], *(1,) * (ndim - 3)))
    return p.reshape((p.shape[0], *(1,) * (ndim - 3)))


@rule("group_norm")
def group_norm(op, size, input, num_groups, weight, bias, eps):
    x = full(input, size)
    own = _own(weight, bias)
    made = op(_samples(x), num_groups, *((None, None) if own else (weight, bias)), eps)
    y = made[0].reshape(x.shape)
    if own:
        y = _scaled(y, weight, bias, lambda p: _per_channel(p, y.ndim))
    return type(made)((y, *[t.reshape((size, x.shape[1], num_groups)) for t in made[1:]]))


@rule("group_norm_backward")
def group_norm_backward(op, size, g, input, num_groups, weight, mean, scale):
    g, x, mean, scale = (full(t, size) for t in (g, input, mean, scale))
    a = g if weight is None else g * _per_channel(weight, g.ndim)
    dx = op(*[_samples(t) for t in (a, x)], num_groups, None, _samples(mean), _samples(scale))[0]
    g, rows = _wide(g), _wide(x).reshape((*mean.shape, -1))
    unit = ((rows - mean.unsqueeze(-1)) * scale.unsqueeze(-1)).reshape(x.shape)
    dims = (1, *range(3, g.ndim))
    return dx.reshape(x.shape), (g * unit).sum(dims), g.sum(dims)


# -- batch norm --------------------------------------------------------------------------------


def _channels(x):
    """(B, N, C, ...) as (N, B C, ...): every lane has channels of its own."""
    shape = x.shape
    return x.transpose(0, 1).reshape((shape[1], shape[0] * shape[2], *shape[3:]))


def _lanes(x, size):
    """Undo `_channels`."""
    shape = x.shape
    return x.reshape((shape[0], size, shape[1] // size, *shape[2:])).transpose(0, 1)


def _flat(p, size):
    return None if p is None else full(p, size).reshape(-1)


@rule("batch_norm")
def batch_norm(op, size, input, weight, bias, running_mean, running_var, training, momentum, eps):
    if training and type(input) is Lanes and running_mean is not None:
        if not (_own(running_mean) and _own(running_var)):
            raise Refusal(
                "Batch norm got a batched tensor as input while the running_mean or running_var, "
                "which will be updated in place, were not batched.\nIf you are using a module and "
                "do not need eval mode, please set `track_running_stats` to be False.If you are "
                "using a prebuilt module and do not need eval mode, please see the functorch "
                "website for resources on how to patch your module to work with vmap"
            )
    x = full(input, size)
    if not training and not _own(weight, bias, running_mean, running_var):
        made = op(_samples(x), weight, bias, running_mean, running_var, False, momentum, eps)
        empty = [t.unsqueeze(0).expand((size, *t.shape)) for t in made[1:]]
        return type(made)((made[0].reshape(x.shape), *empty))
    stats = [_flat(p, size) for p in (running_mean, running_var)]
    if training:  # memory to write to
        stats = [None if p is None else p.clone() for p in stats]
    made = op(_channels(x), _flat(weight, size), _flat(bias, size), *stats, training, momentum, eps)
    if training:
        for own, updated in zip((running_mean, running_var), stats, strict=True):
            if updated is None:
                continue
            if type(own) is not Lanes:  # all lanes update it alike
                own.copy_(updated[: own.shape[0]])
            else:
                own.tensor.copy_(updated.reshape(own.tensor.shape))
    each = [t.reshape((size, t.shape[0] // size)) for t in made[1:]]
    return type(made)((_lanes(made[0], size), *each))


@rule("batch_norm_backward")
def batch_norm_backward(op, size, g, input, *rest):
    """Weight, running and batch statistics are vectors of channels, all made the lanes' own."""
    *vectors, training, eps, need_input = rest
    wide = [_channels(full(t, size)) for t in (g, input)]
    made = op(*wide, *[_flat(p, size) for p in vectors], training, eps, need_input)
    vectors = [t.reshape((size, t.shape[0] // size)) for t in made[-2:]]
    return (*([_lanes(made[0], size)] if need_input else []), *vectors)
