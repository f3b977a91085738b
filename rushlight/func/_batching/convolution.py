"""Convolutions: lanes join the batch where the weight is shared, the groups where it is not."""

from __future__ import annotations

from ._lanes import Lanes, aligned, full, plain, rank, rule


def _images(x, dims):
    """(B, N, C, ...) of lanes (N, C, ...) or (C, ...), and whether N was there."""
    return (x, True) if x.ndim == dims + 3 else (x.unsqueeze(1), False)


def _apply(op, size, input, weight, bias, transposed, groups, run):
    """`run(input, weight, bias, groups)` is the convolution with its other settings bound."""
    dims = rank(weight) - 2
    if type(weight) is not Lanes:
        return _joined(size, input, weight, bias, dims, groups, run)
    w = weight.tensor
    out = w.shape[2] * groups if transposed else w.shape[1]
    if type(input) is Lanes:
        x, batched = _images(input.tensor, dims)
        n, channels = x.shape[1], x.shape[2]
        x = x.transpose(0, 1).reshape((n, size * channels, *x.shape[3:]))
        made = run(x, w.reshape((size * w.shape[1], *w.shape[2:])), None, size * groups)
        made = made.reshape((n, size, out, *made.shape[2:])).transpose(0, 1)
    else:
        batched = input.ndim == dims + 2
        x = input if batched else input.unsqueeze(0)
        made = _shared_input(size, x, w, transposed, groups, run)
    if bias is not None:
        b = aligned(bias, 1)
        made = made + b.reshape((*b.shape[:-1], *(1,) * (b.ndim - 1), out, *(1,) * dims))
    return made if batched else made.squeeze(1)


def _shared_input(size, x, w, transposed, groups, run):
    """One convolution with the lanes' kernels side by side: its outputs are those of all lanes."""
    kernel = w.shape[3:]
    if transposed:  # (B, in, out / g, k) to (in, B out / g, k)
        wide = w.transpose(0, 1).reshape((w.shape[1], size * w.shape[2], *kernel))
        each = w.shape[2]
    else:  # (B, g out / g, in / g, k) to (g B out / g, in / g, k)
        each = w.shape[1] // groups
        wide = w.reshape((size, groups, each, *w.shape[2:])).transpose(0, 1)
        wide = wide.reshape((groups * size * each, *w.shape[2:]))
    made = run(x, wide, None, groups)
    made = made.reshape((x.shape[0], groups, size, each, *made.shape[2:]))
    return made.movedim(2, 0).flatten(2, 3)


def _joined(size, input, weight, bias, dims, groups, run):
    """A weight that all lanes share: their samples make one batch."""
    shared = None if type(bias) is Lanes else bias
    if type(input) is not Lanes:
        made = run(input, weight, None, groups).unsqueeze(0)
    elif input.tensor.ndim == dims + 2:
        made = run(input.tensor, weight, shared, groups)
    else:
        x = input.tensor
        made = run(x.reshape((size * x.shape[1], *x.shape[2:])), weight, shared, groups)
        made = made.reshape((size, x.shape[1], *made.shape[1:]))
    if shared is bias:
        return made
    b = bias.tensor
    return made + b.reshape((size, *(1,) * (made.ndim - dims - 2), b.shape[1], *(1,) * dims))


def _declare(dims):
    @rule(f"conv{dims}d")
    def conv(op, size, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        run = lambda x, w, b, g: op(x, w, b, stride, padding, dilation, g)  # noqa: E731
        return _apply(op, size, input, weight, bias, False, groups, run)

    @rule(f"conv_transpose{dims}d")
    def conv_transpose(
        op, size, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
        dilation=1,
    ):  # fmt: skip
        run = lambda x, w, b, g: op(  # noqa: E731
            x, w, b, stride, padding, output_padding, g, dilation
        )
        return _apply(op, size, input, weight, bias, True, groups, run)


for _dims in (1, 2, 3):
    _declare(_dims)


@rule("convolution")
def convolution(
    op, size, input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
):
    settings = stride, padding, dilation, transposed, output_padding
    run = lambda x, w, b, g: op(x, w, b, *settings, g)  # noqa: E731
    return _apply(op, size, input, weight, bias, transposed, groups, run)


@rule("convolution_backward")
def convolution_backward(
    op, size, grad, input, weight, stride, padding, dilation, transposed, output_padding, groups,
    need_input, need_weight, need_bias,
):  # fmt: skip
    settings = stride, padding, dilation, transposed, output_padding
    dims = rank(weight) - 2
    g, batched = _images(full(grad, size), dims)
    made = []
    if need_input:
        made.append(_input_gradient(op, size, g, batched, input, weight, settings, groups))
    if need_weight:
        x, _ = _images(full(input, size), dims)
        made.append(_weight_gradients(op, size, g, x, plain(weight), settings, groups))
    if need_bias:
        made.append(g.sum((1, *range(3, g.ndim))))
    return tuple(made)


def _input_gradient(op, size, g, batched, input, weight, settings, groups):
    shape = input.tensor.shape[1:] if type(input) is Lanes else input.shape
    n, space = g.shape[1], shape[-(g.ndim - 3) :]
    channels = shape[-(g.ndim - 2)]
    if type(weight) is not Lanes:
        x = _blank(g, (size * n, channels, *space))
        flat = g.reshape((size * n, *g.shape[2:]))
        (made,) = op(flat, x, weight, *settings, groups, True, False, False)
        made = made.reshape((size, n, channels, *space))
    else:
        w = weight.tensor
        x = _blank(g, (n, size * channels, *space))
        flat = g.transpose(0, 1).reshape((n, size * g.shape[2], *g.shape[3:]))
        w = w.reshape((size * w.shape[1], *w.shape[2:]))
        (made,) = op(flat, x, w, *settings, size * groups, True, False, False)
        made = made.reshape((n, size, channels, *space)).transpose(0, 1)
    return made if batched else made.squeeze(1)


def _blank(like, shape):
    """What stands for an input of which only the shape counts, without its memory."""
    return like.new_zeros(()).expand(shape)


def _weight_gradients(op, size, g, x, weight, settings, groups):
    """Of all lanes at once: each is a group of its own."""
    shape = weight.shape[-(g.ndim - 1) :]
    n = g.shape[1]
    wide_g = g.transpose(0, 1).reshape((n, size * g.shape[2], *g.shape[3:]))
    wide_x = x.transpose(0, 1).reshape((n, size * x.shape[2], *x.shape[3:]))
    blank = _blank(g, (size * shape[0], *shape[1:]))
    (made,) = op(wide_g, wide_x, blank, *settings, size * groups, False, True, False)
    return made.reshape((size, *shape))
