"""Convolutions and transposed convolutions in one, two and three dims."""

from __future__ import annotations

from .._lazy import np
from ..op import conj, op, public

_WANTED = ("input", "weight", "bias")


def _each(value, dims):
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dims if len(values) == 1 else values


def _taps(kernel):
    return np.ndindex(*kernel)


def _low_padding(padding, kernel, dilation, dims):
    if padding == "same":
        return tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    return (0,) * dims if padding == "valid" else _each(padding, dims)


def _window(tap, stride, dilation, out):
    return tuple(
        slice(t * d, t * d + (n - 1) * s + 1, s)
        for t, s, d, n in zip(tap, stride, dilation, out, strict=True)
    )


def _grouped(w, groups):
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def _reference(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """A convolution tap by tap: one matrix product for each place in the kernel."""
    dims = weight.ndim - 2
    kernel = weight.shape[2:]
    stride, dilation = _each(stride, dims), _each(dilation, dims)
    extra = _each(output_padding, dims)
    low = _low_padding(padding, kernel, dilation, dims)
    batched = input.ndim == dims + 2
    x = input if batched else input[None]
    n, space = x.shape[0], x.shape[2:]
    w = _grouped(weight, groups)
    x = x.reshape(n, groups, -1, *space)
    zipped = list(zip(space, kernel, stride, low, dilation, extra, strict=True))
    if transposed:
        out = tuple((i - 1) * s + d * (k - 1) + 1 + e - 2 * p for i, k, s, p, d, e in zipped)
        full = tuple(o + 2 * p for o, p in zip(out, low, strict=True))
        y = np.zeros((n, groups, w.shape[2], *full), input.dtype)
        for tap in _taps(kernel):
            place = (Ellipsis, *_window(tap, stride, dilation, space))
            y[place] += np.einsum("nga...,gab->ngb...", x, w[(..., *tap)])
        inside = tuple(slice(p, p + o) for p, o in zip(low, out, strict=True))
        y = y[(Ellipsis, *inside)]
    else:
        high = [d * (k - 1) - p if padding == "same" else p for _, k, _, p, d, _ in zipped]
        pads = [(0, 0)] * 3 + list(zip(low, high, strict=True))
        x = np.pad(x, pads)
        out = tuple(
            (full - d * (k - 1) - 1) // s + 1
            for full, (_, k, s, _, d, _) in zip(x.shape[3:], zipped, strict=True)
        )
        y = np.zeros((n, groups, w.shape[1], *out), input.dtype)
        for tap in _taps(kernel):
            seen = x[(Ellipsis, *_window(tap, stride, dilation, out))]
            y += np.einsum("ngb...,gab->nga...", seen, w[(..., *tap)])
    y = y.reshape(n, -1, *out)
    if bias is not None:
        y = y + bias.reshape(-1, *(1,) * dims)
    return y if batched else y[0]


def _gradients(g, input, weight, settings, needs):
    """The wanted gradients of a convolution, None in the place of others."""
    parts = iter(convolution_backward(g, conj(input), conj(weight), *settings, *needs))
    return tuple(next(parts) if need else None for need in needs)


@op("torch.convolution", differentiable=_WANTED)
class convolution:
    """The general convolution: any number of dims, transposed or not."""

    def forward(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
        return _reference(
            input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
        )

    def backward(
        g, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs
    ):
        settings = stride, padding, dilation, transposed, output_padding, groups
        return _gradients(g, input, weight, settings, needs)

    def samples(make):
        yield make(1, 2, 5, 5), make(3, 2, 3, 3), make(3), 1, 1, 1, False, 0, 1
        yield make(1, 2, 5), make(2, 2, 3), None, 2, 1, 1, True, 1, 1


@op("", node="ConvolutionBackward", outputs="tuple", differentiable=("grad", "input", "weight"))
class convolution_backward:
    """The wanted gradients of `convolution`: input's, weight's and bias's."""

    def forward(
        grad, input, weight, stride, padding, dilation, transposed, output_padding, groups,
        need_input, need_weight, need_bias,
    ):  # fmt: skip
        return _reference_gradients(
            grad, input, weight, stride, padding, dilation, transposed, groups,
            (need_input, need_weight, need_bias),
        )  # fmt: skip

    def backward(
        g, grad, input, weight, stride, padding, dilation, transposed, output_padding, groups,
        need_input, need_weight, need_bias, needs,
    ):  # fmt: skip
        settings = stride, padding, dilation, transposed, output_padding, groups
        parts = iter(g)
        gi = next(parts) if need_input else None
        gw = next(parts) if need_weight else None
        gb = next(parts) if need_bias else None
        to_grad = to_input = to_weight = None
        if needs[0]:
            to_grad = _sum_of(
                convolution(gi, conj(weight), None, *settings) if gi is not None else None,
                convolution(conj(input), gw, None, *settings) if gw is not None else None,
                _spread(gb, grad, weight.ndim - 2) if gb is not None else None,
            )
        grad = conj(grad)
        if needs[1] and gw is not None:
            (to_input,) = convolution_backward(grad, input, gw, *settings, True, False, False)
        if needs[2] and gi is not None:
            (to_weight,) = convolution_backward(grad, gi, weight, *settings, False, True, False)
        return to_grad, to_input, to_weight

    def samples(make):
        settings = 1, 1, 1, False, 0, 1, True, True, True
        yield make(1, 3, 5, 5), make(1, 2, 5, 5), make(3, 2, 3, 3), *settings


def _spread(bias_gradient, like, dims):
    shape = (-1,) + (1,) * dims
    return bias_gradient.reshape(shape).expand(like.shape)


def _sum_of(*terms):
    total = None
    for t in terms:
        if t is not None:
            total = t if total is None else total + t
    return total


def _reference_gradients(g, input, weight, stride, padding, dilation, transposed, groups, needs):
    dims = weight.ndim - 2
    kernel = weight.shape[2:]
    stride, dilation = _each(stride, dims), _each(dilation, dims)
    low = _low_padding(padding, kernel, dilation, dims)
    batched = input.ndim == dims + 2
    x, gy = (input, g) if batched else (input[None], g[None])
    wide, narrow = (gy, x) if transposed else (x, gy)
    n, out = x.shape[0], narrow.shape[2:]
    # The padded side, big enough for every window.
    full = [
        max((o - 1) * s + d * (k - 1) + 1, i + 2 * p)
        for o, s, d, k, i, p in zip(out, stride, dilation, kernel, wide.shape[2:], low, strict=True)
    ]
    inside = (Ellipsis, *(slice(p, p + i) for p, i in zip(low, wide.shape[2:], strict=True)))
    padded = np.zeros((n, groups, wide.shape[1] // groups, *full), input.dtype)
    padded[inside] = wide.reshape(n, groups, -1, *wide.shape[2:])
    small = narrow.reshape(n, groups, -1, *out)
    w = _grouped(weight, groups)
    gx_full = np.zeros_like(padded)
    gx_small = np.zeros_like(small)
    gw = np.zeros_like(w)
    for tap in _taps(kernel):
        place = (Ellipsis, *_window(tap, stride, dilation, out))
        at = (..., *tap)
        gx_full[place] += np.einsum("nga...,gab->ngb...", small, w[at])
        gx_small += np.einsum("ngb...,gab->nga...", padded[place], w[at])
        seen = padded[place].reshape(*padded.shape[:3], -1)
        gw[at] = np.einsum("ngap,ngbp->gab", small.reshape(*small.shape[:3], -1), seen)
    gx = gx_small if transposed else gx_full[inside]
    gx = gx.reshape(x.shape) if batched else gx.reshape(input.shape)
    gb = gy.sum((0, *range(2, gy.ndim)))
    return tuple(
        v for v, need in zip((gx, gw.reshape(weight.shape), gb), needs, strict=True) if need
    )


def _declare_conv(dims):
    @op(f"torch.conv{dims}d F.conv{dims}d", node="Convolution", name=f"conv{dims}d",
        differentiable=_WANTED)  # fmt: skip
    class conv:
        """Slide a kernel (out, in / groups, k...) over `input` (batch, in, ...), unflipped.

        padding: ints, "valid" (none) or "same" (as many outputs as inputs). The batch is optional.
        """

        def forward(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
            return _reference(input, weight, bias, stride, padding, dilation, False, 0, groups)

        def backward(g, input, weight, stride, padding, dilation, groups, needs):
            settings = stride, padding, dilation, False, 0, groups
            return _gradients(g, input, weight, settings, needs)

        def samples(make):
            space = (7, 5, 6)[:dims]
            kernel = (3, 2, 2)[:dims]
            yield make(2, 4, *space), make(6, 4, *kernel), make(6)
            yield make(2, 4, *space), make(6, 2, *kernel), None, 2, 1, 1, 2
            yield make(4, *space), make(4, 1, *kernel), make(4), 1, "same", 2, 4

    return conv


def _declare_transpose(dims):
    @op(f"torch.conv_transpose{dims}d F.conv_transpose{dims}d", node="Convolution",
        name=f"conv_transpose{dims}d", differentiable=_WANTED)  # fmt: skip
    class conv_transpose:
        """The gradient of a convolution as a layer: spread each input through the kernel.

        weight: (in, out / groups, k...); output_padding adds size at one end of each dim.
        """

        def forward(
            input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
        ):
            return _reference(
                input, weight, bias, stride, padding, dilation, True, output_padding, groups
            )

        def backward(g, input, weight, stride, padding, output_padding, groups, dilation, needs):
            settings = stride, padding, dilation, True, output_padding, groups
            return _gradients(g, input, weight, settings, needs)

        def samples(make):
            space = (5, 4, 3)[:dims]
            kernel = (3, 2, 2)[:dims]
            yield make(2, 4, *space), make(4, 3, *kernel), make(3)
            yield make(2, 4, *space), make(4, 3, *kernel), None, 2, 1, 1, 2
            yield make(4, *space), make(4, 3, *kernel), make(3), 1, 0, 0, 1, 2

    return conv_transpose


conv1d, conv2d, conv3d = (_declare_conv(n) for n in (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = (_declare_transpose(n) for n in (1, 2, 3))


@public("torch.conv_tbc F.conv_tbc")
def conv_tbc(input, weight, bias, pad=0):
    """A 1-d convolution over (time, batch, channels) with weight (k, in, out)."""
    y = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad)
    return y.permute(2, 0, 1)
