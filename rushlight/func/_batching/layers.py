"""Pooling, sampling, embeddings, attention: the lanes join the batch."""

from __future__ import annotations

import rushlight as torch

from ... import _C
from ._lanes import Lanes, each, full, plain, rule, rules
from .fallback import loop

# -- planes and volumes ------------------------------------------------------------------------


def _joined(x, dims):
    """(B, N, C, ...) as (B N, C, ...); lanes without N are a batch already."""
    if x.ndim == dims + 2:
        return x
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))


def _parted(x, size, n):
    """Undo `_joined`: n is the lanes' own batch, None where they had none."""
    return x if n is None else x.reshape((size, n, *x.shape[1:]))


def over_planes(dims, operands=1):
    """The rule of poolings: the first operands are (N, C, ...) or (C, ...), then settings."""

    def run(op, size, *args, **kwargs):
        tensors = [full(x, size) for x in args[:operands]]
        n = tensors[0].shape[1] if tensors[0].ndim == dims + 3 else None
        made = op(*[_joined(x, dims) for x in tensors], *args[operands:], **kwargs)
        return each(lambda t: _parted(t, size, n), made)

    return run


for _dims in (2, 3):
    for _name in ("max_pool{}d", "max_pool{}d_with_indices", "avg_pool{}d",
                  "adaptive_avg_pool{}d", "adaptive_max_pool{}d"):  # fmt: skip
        rules[_name.format(_dims)] = over_planes(_dims)
    rules[f"max_pool{_dims}d_backward"] = over_planes(_dims, 2)


@rule("fractional_max_pool2d", "fractional_max_pool3d")
def fractional_max_pool(op, size, input, kernel, out, samples):
    (x, n), (numbers, _) = _batches(input, size), _batches(samples, size)
    return each(lambda t: _parted(t, size, n), op(x, kernel, out, numbers))


def to_planes(dims):
    """The rule of gradients that are told the shape of the input."""

    def run(op, size, grad, shape, *rest):
        g = grad.tensor
        n = g.shape[1] if g.ndim == dims + 3 else None
        lead = size if n is None else size * n
        made = op(_joined(g, dims), (lead, *shape[-dims - 1 :]), *rest)
        return _parted(made, size, n)

    return run


for _dims in (2, 3):
    rules[f"avg_pool{_dims}d_backward"] = to_planes(_dims)
    rules[f"adaptive_avg_pool{_dims}d_backward"] = to_planes(_dims)


@rule("max_pool_scatter")
def max_pool_scatter(op, size, grad, indices, shape, dims):
    return op(full(grad, size), full(indices, size), (size, *shape), dims)


def _batches(x, size):
    x = full(x, size)
    return x.reshape((size * x.shape[1], *x.shape[2:])), x.shape[1]


@rule("grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(op, size, input, grid, *how):
    (x, n), (places, _) = _batches(input, size), _batches(grid, size)
    return _parted(op(x, places, *how), size, n)


@rule("grid_sampler_2d_backward", "grid_sampler_3d_backward")
def grid_sampler_backward(op, size, grad, input, grid, *how):
    (g, n), (x, _), (places, _) = (_batches(t, size) for t in (grad, input, grid))
    return each(lambda t: _parted(t, size, n), op(g, x, places, *how))


# -- embeddings --------------------------------------------------------------------------------


@rule("embedding")
def embedding(op, size, input, weight, padding_idx=None, scale_grad_by_freq=False):
    """Lanes with tables of their own look up in one long table."""
    if type(weight) is not Lanes:
        return op(input.tensor, weight, padding_idx, scale_grad_by_freq)
    w = weight.tensor
    if w.ndim != 3:
        raise RuntimeError("'weight' must be 2-D")
    ids = full(input, size)
    lanes = torch.arange(size).reshape((size,) + (1,) * (ids.ndim - 1))
    return w[lanes, ids]


@rule("embedding_dense_backward")
def embedding_dense_backward(op, size, grad, input, rows, padding_idx=None, by_freq=False):
    g, ids = full(grad, size), full(input, size)
    lanes = torch.arange(size).reshape((size,) + (1,) * (ids.ndim - 1))
    made = op(g, ids + lanes * rows, size * rows, None, by_freq).reshape((size, rows, g.shape[-1]))
    if padding_idx is None or padding_idx < 0:
        return made
    return made.index_fill(1, torch.tensor([padding_idx]), 0)


# -- attention ---------------------------------------------------------------------------------


def _mask(mask, size, n):
    """A mask (N or 1, heads or 1, L, S) for the lanes' samples one after another."""
    if mask is None:
        return None
    if type(mask) is not Lanes and mask.shape[0] == 1:
        return mask.expand((size * n, *mask.shape[1:]))
    mask = full(mask, size)
    return mask.expand((size, n, *mask.shape[2:])).reshape((size * n, *mask.shape[2:]))


@rule("sdpa_flash")
def sdpa_flash(op, size, query, key, value, attn_mask, is_causal, scale):
    (q, n), (k, _), (v, _) = (_batches(t, size) for t in (query, key, value))
    made = op(q, k, v, _mask(attn_mask, size, n), is_causal, scale)
    return each(lambda t: _parted(t, size, n), made)


@rule("sdpa_flash_backward")
def sdpa_flash_backward(op, size, *args):
    *tensors, attn_mask, is_causal, scale = args
    joined = [_batches(t, size) for t in tensors]
    n = joined[0][1]
    made = op(*[t for t, _ in joined], _mask(attn_mask, size, n), is_causal, scale)
    return each(lambda t: _parted(t, size, n), made)


# -- recurrent layers --------------------------------------------------------------------------


def _row_major(x):
    """An input by time, whose memory order is that of what the operators keep."""
    return Lanes(x.tensor.contiguous()) if type(x) is Lanes else x.contiguous()


def _time_first(x, size):
    """(B, T, N, K) as (T, B N, K); (B, N, K) as (B N, K)."""
    x = full(x, size)
    if x.ndim == 3:
        return x.reshape((size * x.shape[1], x.shape[2]))
    rows = x.transpose(0, 1).reshape((x.shape[1], size * x.shape[2], x.shape[3]))
    return rows.contiguous()


def _lanes_first(x, size, n):
    """Undo `_time_first`."""
    if x.ndim == 2:
        return x.reshape((size, n, x.shape[1]))
    return x.reshape((x.shape[0], size, n, x.shape[2])).transpose(0, 1)


def _kept_by_lane(gates, size, steps, n):
    """What the gradient keeps, (T B N, K), as (B, T N, K)."""
    wide = gates.reshape((steps, size, n, gates.shape[-1])).transpose(0, 1)
    return wide.reshape((size, steps * n, gates.shape[-1]))


def _recurrent(op, size, mode, input, h0, c0, *rest):
    """One layer or step of samples that share the weights; lanes with their own run one by one."""
    if any(type(w) is Lanes for w in rest):
        return loop(op, size, mode, _row_major(input), h0, c0, *rest)
    if len(rest) == 6 and not rest[5]:  # nobody at this level wants what the gradient keeps
        tensors = [plain(t) for t in (input, h0, c0, *rest[:4])]
        rest = (*rest[:5], _C.any_requires_grad(tuple(tensors)))
    n = plain(input).shape[-2]
    x, h = _time_first(input, size), _time_first(h0, size)
    c = None if c0 is None else _time_first(c0, size)
    made = op(mode, x, h, c, *rest)
    *states, cell, gates = made
    parts = [_lanes_first(t, size, n) for t in states]
    parts.append(_lanes_first(cell, size, n) if cell.ndim == 2 else cell.new_empty((size, 0)))
    steps = x.shape[0] if x.ndim == 3 else 1
    if gates.numel():
        parts.append(_kept_by_lane(gates, size, steps, n))
    else:
        parts.append(gates.new_empty((size, *gates.shape)))
    return type(made)(parts)


for _name in ("lstm_layer", "gru_layer", "rnn_layer",
              "lstm_step", "gru_step", "tanh_step", "relu_step"):  # fmt: skip
    rules[_name] = _recurrent


@rule("rnn_backward")
def rnn_backward(op, size, mode, *args):
    """Gradients of shared weights differ by lane, and are found one by one."""
    *tensors, reverse, needs = args
    weights = tensors[6:10]
    if any(needs[3:]) or any(type(w) is Lanes for w in weights):
        tensors[3] = _row_major(tensors[3])
        return loop(op, size, mode, *tensors, reverse, needs)
    grads_and_states, output, gates = tensors[:6], tensors[10], tensors[11]
    x = plain(tensors[3])
    n = x.shape[-2]
    wide = [None if t is None else _time_first(t, size) for t in grads_and_states]
    steps = wide[3].shape[0] if wide[3].ndim == 3 else 1
    kept = full(gates, size)
    kept = kept.reshape((size, steps, n, kept.shape[-1])).transpose(0, 1)
    kept = kept.reshape((steps * size * n, kept.shape[-1]))
    made = op(mode, *wide, *weights, _time_first(output, size), kept, reverse, needs)
    return tuple(_lanes_first(t, size, n) for t in made)
