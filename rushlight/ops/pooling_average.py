"""Average pooling over fixed windows, with its gradients."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .pooling import _check_line, _line_settings, _padded, _sizes

Tensor = _C.Tensor


def _average(x, n, kernel_size, stride, padding, ceil_mode, include_pad, divisor):
    how = kernel_size, stride, padding, 1, ceil_mode
    axes = tuple(range(-n, 0))
    total = _padded(x, n, *how, 0).sum(axes)
    if divisor is not None:
        return (total / divisor).astype(x.dtype)
    # What counts: the input, and its padding if asked, but never what ceil_mode adds behind.
    ones, p = np.ones(x.shape[-n:]), _sizes(padding, n)
    if include_pad:
        wide = np.ones([m + 2 * a for a, m in zip(p, ones.shape, strict=True)])
        k = _sizes(kernel_size, n)
        s = k if stride is None or stride == () else _sizes(stride, n)
        ends = [(0, max(0, o * s[i] + k[i])) for i, o in enumerate(total.shape[-n:])]
        counted = _padded(np.pad(wide, ends), n, k, s, 0, 1, False, 0).sum(axes)
        counted = counted[tuple(slice(m) for m in total.shape[-n:])]
    else:
        counted = _padded(ones, n, *how, 0).sum(axes)
    return (total / counted).astype(x.dtype)


@op("", name="avg_pool2d", node="AvgPool2D")
class _avg_pool2d:
    """The mean of each window of the last two dims."""

    def forward(
        input,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        return _average(
            input, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    def grad_input(
        g, input_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        return avg_pool2d_backward(
            g,
            input_shape,
            kernel_size,
            stride,
            padding,
            ceil_mode,
            count_include_pad,
            divisor_override,
        )

    def samples(make):
        yield make(2, 3, 6, 6), 2
        yield make(3, 7, 8), (3, 2), (2, 1), 1, True, False
        yield make(3, 7, 8), 3, 2, 1, True
        yield make(2, 5, 5), 2, 1, 0, False, True, 3


@op("", name="avg_pool3d", node="AvgPool3D")
class _avg_pool3d:
    """The mean of each window of the last three dims."""

    def forward(
        input,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        return _average(
            input, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    def grad_input(
        g, input_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        return avg_pool3d_backward(
            g,
            input_shape,
            kernel_size,
            stride,
            padding,
            ceil_mode,
            count_include_pad,
            divisor_override,
        )

    def samples(make):
        yield make(2, 2, 4, 4, 4), 2
        yield make(2, 5, 5, 5), 3, 2, 1, False, False


def _spread_average(grad, shape, n, *how):
    """The transpose of averaging, column by column: slow, for checking."""
    planes = int(np.prod(shape[:-n]))
    size = int(np.prod(shape[-n:]))
    units = np.eye(size, dtype=grad.dtype).reshape(size, *shape[-n:])
    matrix = _average(units, n, *how).reshape(size, -1)
    return (grad.reshape(planes, -1) @ matrix.T).reshape(shape)


@op("")
class avg_pool2d_backward:
    """Share each window's gradient among its elements."""

    def forward(
        grad, shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        return _spread_average(
            grad,
            shape,
            2,
            kernel_size,
            stride,
            padding,
            ceil_mode,
            count_include_pad,
            divisor_override,
        )

    def grad_grad(g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return _avg_pool2d(
            g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    def samples(make):
        yield make(2, 3, 3), (2, 6, 6), 2, None, 0, False, True, None


@op("")
class avg_pool3d_backward:
    """Share each window's gradient among its elements."""

    def forward(
        grad, shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        return _spread_average(
            grad,
            shape,
            3,
            kernel_size,
            stride,
            padding,
            ceil_mode,
            count_include_pad,
            divisor_override,
        )

    def grad_grad(g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return _avg_pool3d(
            g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )

    def samples(make):
        yield make(2, 2, 2, 2), (2, 4, 4, 4), 2, None, 0, False, True, None


@public("torch.avg_pool2d F.avg_pool2d")
def avg_pool2d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean over windows of (N, C, H, W) or (C, H, W); `stride` None means the kernel size."""
    return _avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@public("torch.avg_pool3d F.avg_pool3d")
def avg_pool3d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean over windows of (N, C, D, H, W) or (C, D, H, W); see avg_pool2d."""
    return _avg_pool3d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@public("torch.avg_pool1d F.avg_pool1d")
def avg_pool1d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean over windows of (N, C, L) or (C, L); see avg_pool2d."""
    _check_line("avg_pool1d()", input)
    k, s, p, _ = _line_settings("avg_pool1d()", kernel_size, stride, padding, 1)
    return _avg_pool2d(input.unsqueeze(-2), k, s, p, ceil_mode, count_include_pad).squeeze(-2)
