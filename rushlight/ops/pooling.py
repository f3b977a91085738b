"""Max pooling over fixed windows, with its gradients."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public

Tensor = _C.Tensor


def _sizes(value, n):
    value = (value,) * n if isinstance(value, int) else tuple(value)
    return value * n if len(value) == 1 else value


def _padded(x, n, kernel_size, stride, padding, dilation, ceil_mode, fill):
    """Windows as (..., outputs, window): n spatial dims each; `fill` lies around x."""
    k, p, d = (_sizes(v, n) for v in (kernel_size, padding, dilation))
    s = k if stride is None or stride == () else _sizes(stride, n)
    shape, outs = x.shape[-n:], []
    for i in range(n):
        room = shape[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1
        out = (room + (s[i] - 1 if ceil_mode else 0)) // s[i] + 1
        outs.append(out - (ceil_mode and (out - 1) * s[i] >= shape[i] + p[i]))
    ends = [
        max(0, (o - 1) * s[i] + d[i] * (k[i] - 1) + 1 - p[i] - shape[i]) for i, o in enumerate(outs)
    ]
    widths = [(0, 0)] * (x.ndim - n) + list(zip(p, ends, strict=True))
    wide = np.pad(x, widths, constant_values=fill)
    lead, steps = wide.shape[:-n], wide.strides[-n:]
    strides = (
        *wide.strides[:-n],
        *(a * b for a, b in zip(steps, s, strict=True)),
        *(a * b for a, b in zip(steps, d, strict=True)),
    )
    return np.lib.stride_tricks.as_strided(wide, (*lead, *outs, *k), strides)


def _largest(x, n, *how):
    """(values, positions in the plane) of the first largest of each window."""
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    windows = _padded(x, n, *how, low)
    plane = np.arange(int(np.prod(x.shape[-n:]))).reshape(x.shape[-n:])
    places = _padded(plane, n, *how, -1)
    flat = windows.reshape(*windows.shape[:-n], -1)
    # Padding may tie with -inf inside; what lies inside comes first.
    inside = np.broadcast_to((places >= 0).reshape(*places.shape[:-n], -1), flat.shape)
    top = flat.max(-1, keepdims=True)
    match = inside & ((flat == top) | (np.isnan(flat) if flat.dtype.kind == "f" else False))
    at = match.argmax(-1)
    places = np.broadcast_to(places.reshape(*places.shape[:-n], -1), flat.shape)
    return top[..., 0], np.take_along_axis(places, at[..., None], -1)[..., 0]


def _spread(grad, places, shape, n):
    """Add gradients at their positions in planes of zeros."""
    out = np.zeros((int(np.prod(shape[:-n])), int(np.prod(shape[-n:]))), grad.dtype)
    rows = np.arange(len(out))[:, None]
    np.add.at(out, (rows, places.reshape(len(out), -1)), grad.reshape(len(out), -1))
    return out.reshape(shape)


def _pick(g, indices, n):
    """Values of `g` at positions within its planes: the reverse of spreading."""
    flat = g.flatten(-n).gather(-1, indices.flatten(-n))
    return flat.reshape(indices.shape)


# -- max ---------------------------------------------------------------------------------------


@op("", name="max_pool2d", node="MaxPool2DWithIndices")
class _max_pool2d:
    """The largest element of each window of the last two dims."""

    def forward(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return _largest(input, 2, kernel_size, stride, padding, dilation, ceil_mode)[0]

    def grad_input(g, input, kernel_size, stride, padding, dilation, ceil_mode):
        return max_pool2d_backward(g, input, kernel_size, stride, padding, dilation, ceil_mode)

    def samples(make):
        yield make(2, 3, 6, 6), 2
        yield make(3, 7, 8), (3, 2), (2, 1), 1, 1, True
        yield make(1, 2, 9, 9), 3, 2, 1, 2


@op("", name="max_pool3d", node="MaxPool3DWithIndices")
class _max_pool3d:
    """The largest element of each window of the last three dims."""

    def forward(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return _largest(input, 3, kernel_size, stride, padding, dilation, ceil_mode)[0]

    def grad_input(g, input, kernel_size, stride, padding, dilation, ceil_mode):
        return max_pool3d_backward(g, input, kernel_size, stride, padding, dilation, ceil_mode)

    def samples(make):
        yield make(2, 2, 4, 4, 4), 2
        yield make(2, 5, 5, 5), 3, 2, 1


@op("")
class max_pool2d_backward:
    """Give each window's gradient to its first largest element."""

    def forward(grad, input, kernel_size, stride, padding, dilation, ceil_mode):
        places = _largest(input, 2, kernel_size, stride, padding, dilation, ceil_mode)[1]
        return _spread(grad, places, input.shape, 2)

    def grad_grad(g, input, kernel_size, stride, padding, dilation, ceil_mode):
        at = _max_pool2d_with_indices(
            input.detach(), kernel_size, stride, padding, dilation, ceil_mode
        )[1]
        return _pick(g, at, 2)

    def samples(make):
        yield make(2, 3, 3), make(2, 6, 6, grad=False), 2, None, 0, 1, False


@op("")
class max_pool3d_backward:
    """Give each window's gradient to its first largest element."""

    def forward(grad, input, kernel_size, stride, padding, dilation, ceil_mode):
        places = _largest(input, 3, kernel_size, stride, padding, dilation, ceil_mode)[1]
        return _spread(grad, places, input.shape, 3)

    def grad_grad(g, input, kernel_size, stride, padding, dilation, ceil_mode):
        at = _max_pool3d_with_indices(
            input.detach(), kernel_size, stride, padding, dilation, ceil_mode
        )[1]
        return _pick(g, at, 3)

    def samples(make):
        yield make(2, 2, 2, 2), make(2, 4, 4, 4, grad=False), 2, None, 0, 1, False


@op("", name="max_pool2d_with_indices", node="MaxPool2DWithIndices", outputs=("out", "indices"))
class _max_pool2d_with_indices:
    """The largest element of each window and its position in the plane."""

    def forward(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return _largest(input, 2, kernel_size, stride, padding, dilation, ceil_mode)

    def grad_input(g, indices, input_shape):
        return max_pool_scatter(g[0], indices, input_shape, 2)

    def samples(make):
        yield make(2, 3, 6, 6), 2


@op("", name="max_pool3d_with_indices", node="MaxPool3DWithIndices", outputs=("out", "indices"))
class _max_pool3d_with_indices:
    """The largest element of each window and its position in the volume."""

    def forward(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        return _largest(input, 3, kernel_size, stride, padding, dilation, ceil_mode)

    def grad_input(g, indices, input_shape):
        return max_pool_scatter(g[0], indices, input_shape, 3)

    def samples(make):
        yield make(2, 2, 4, 4, 4), 2


@op("")
class max_pool_scatter:
    """Add gradients at their positions in planes of zeros; `dims` spatial dims."""

    def forward(grad, indices, shape, dims):
        return _spread(grad, indices, shape, dims)

    def grad_grad(g, indices, dims):
        return _pick(g, indices, dims)

    def samples(make):
        yield make(2, 2, 2), make(2, 2, 2, dtype="int64", low=0, high=16), (2, 4, 4), 2


@public("torch.max_pool2d F.max_pool2d")
def max_pool2d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Max over windows of (N, C, H, W) or (C, H, W); `stride` None means the kernel size.

    With `return_indices`, also the position of each maximum within its H x W plane.
    """
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


@public("torch.max_pool3d F.max_pool3d")
def max_pool3d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Max over windows of (N, C, D, H, W) or (C, D, H, W); see max_pool2d."""
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


@public("F.max_pool2d_with_indices")
def max_pool2d_with_indices(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = True,
):
    """max_pool2d with the positions of the maxima."""
    return tuple(_max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode))


@public("F.max_pool3d_with_indices")
def max_pool3d_with_indices(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = True,
):
    """max_pool3d with the positions of the maxima."""
    return tuple(_max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode))


def _flat_line(name, value, default=None):
    """A 1-d setting as one for a plane of height 1."""
    if value is None or isinstance(value, (tuple, list)) and not value:
        return default
    if isinstance(value, (tuple, list)):
        if len(value) != 1:
            raise RuntimeError(f"{name}: expected an int or a tuple of one int, got {value}")
        return int(value[0])
    return int(value)


def _check_line(name, input):
    if input.dim() not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim "
            f"batch size for input, but got:{list(input.shape)}"
        )


def _line_settings(name, kernel_size, stride, padding, dilation):
    k = _flat_line(name, kernel_size)
    s = _flat_line(name, stride, k)
    return (1, k), (1, s), (0, _flat_line(name, padding)), (1, _flat_line(name, dilation))


@public("torch.max_pool1d F.max_pool1d")
def max_pool1d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Max over windows of (N, C, L) or (C, L); see max_pool2d."""
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    _check_line("max_pool1d()", input)
    how = _line_settings("max_pool1d()", kernel_size, stride, padding, dilation)
    return _max_pool2d(input.unsqueeze(-2), *how, ceil_mode).squeeze(-2)


@public("torch.max_pool1d_with_indices F.max_pool1d_with_indices")
def max_pool1d_with_indices(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = True,
):
    """max_pool1d with the positions of the maxima."""
    _check_line("max_pool1d()", input)
    how = _line_settings("max_pool1d()", kernel_size, stride, padding, dilation)
    out, at = _max_pool2d_with_indices(input.unsqueeze(-2), *how, ceil_mode)
    return out.squeeze(-2), at.squeeze(-2)
