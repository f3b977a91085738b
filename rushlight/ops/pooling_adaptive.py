"""Adaptive pooling: windows chosen so that the output has a given size."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from ._integers import integers
from .pooling import max_pool_scatter

Tensor = _C.Tensor


def _windows(size, out):
    """(begin, end) of each window along one dim."""
    return [(o * size // out, -((o + 1) * size // -out)) for o in range(out)]


def _adapt(x, sizes, reduce):
    """reduce(window, offsets) over every window of the last len(sizes) dims."""
    n = len(sizes)
    spans = [_windows(x.shape[i - n], m) for i, m in enumerate(sizes)]
    out = np.empty((*x.shape[:-n], *sizes))
    for at in np.ndindex(*sizes):
        cut = [spans[i][o] for i, o in enumerate(at)]
        window = x[(..., *(slice(a, b) for a, b in cut))]
        out[(..., *at)] = reduce(window, cut)
    return out


def _mean_windows(x, sizes):
    axes = tuple(range(-len(sizes), 0))
    return _adapt(x, sizes, lambda w, cut: w.mean(axes)).astype(x.dtype)


def _max_windows(x, sizes):
    n = len(sizes)
    axes = tuple(range(-n, 0))

    def place(window, cut):
        at = window.reshape(*window.shape[:-n], -1).argmax(-1)
        inside = np.unravel_index(at, window.shape[-n:])
        return np.ravel_multi_index(
            [i + a for i, (a, _) in zip(inside, cut, strict=True)], x.shape[-n:]
        )

    values = _adapt(x, sizes, lambda w, cut: w.max(axes)).astype(x.dtype)
    return values, _adapt(x, sizes, place).astype(np.int64)


@op("", name="adaptive_avg_pool2d", node="AdaptiveAvgPool2D")
class _adaptive_avg_pool2d:
    """Means of windows that cut the last two dims into `output_size` parts."""

    def forward(input, output_size):
        return _mean_windows(input, output_size)

    def grad_input(g, input_shape):
        return adaptive_avg_pool2d_backward(g, input_shape)

    def samples(make):
        yield make(2, 3, 7, 6), (3, 4)


@op("", name="adaptive_avg_pool3d", node="AdaptiveAvgPool3D")
class _adaptive_avg_pool3d:
    """Means of windows that cut the last three dims into `output_size` parts."""

    def forward(input, output_size):
        return _mean_windows(input, output_size)

    def grad_input(g, input_shape):
        return adaptive_avg_pool3d_backward(g, input_shape)

    def samples(make):
        yield make(2, 5, 7, 6), (2, 3, 4)


def _spread_means(grad, shape, n):
    size = int(np.prod(shape[-n:]))
    units = np.eye(size, dtype=grad.dtype).reshape(size, *shape[-n:])
    matrix = _mean_windows(units, grad.shape[-n:]).reshape(size, -1)
    return (grad.reshape(int(np.prod(shape[:-n])), -1) @ matrix.T).reshape(shape)


@op("")
class adaptive_avg_pool2d_backward:
    """Share each window's gradient among its elements."""

    def forward(grad, shape):
        return _spread_means(grad, shape, 2)

    def grad_grad(g, grad_shape):
        return _adaptive_avg_pool2d(g, grad_shape[-2:])

    def samples(make):
        yield make(2, 3, 2), (2, 7, 5)


@op("")
class adaptive_avg_pool3d_backward:
    """Share each window's gradient among its elements."""

    def forward(grad, shape):
        return _spread_means(grad, shape, 3)

    def grad_grad(g, grad_shape):
        return _adaptive_avg_pool3d(g, grad_shape[-3:])

    def samples(make):
        yield make(2, 2, 3, 2), (2, 4, 5, 3)


@op("", name="adaptive_max_pool2d", outputs=("out", "indices"), node="AdaptiveMaxPool2D")
class _adaptive_max_pool2d:
    """Maxima, and their positions, of windows that cut the last two dims into parts."""

    def forward(input, output_size):
        return _max_windows(input, output_size)

    def grad_input(g, indices, input_shape):
        return max_pool_scatter(g[0], indices, input_shape, 2)

    def samples(make):
        yield make(2, 3, 7, 6), (3, 4)


@op("", name="adaptive_max_pool3d", outputs=("out", "indices"), node="AdaptiveMaxPool3D")
class _adaptive_max_pool3d:
    """Maxima, and their positions, of windows that cut the last three dims into parts."""

    def forward(input, output_size):
        return _max_windows(input, output_size)

    def grad_input(g, indices, input_shape):
        return max_pool_scatter(g[0], indices, input_shape, 3)

    def samples(make):
        yield make(2, 5, 7, 6), (2, 3, 4)


def _output_size(size, input, n):
    """The wanted sizes; None keeps the input's."""
    if not (size is None or isinstance(size, (int, tuple, list))):
        size = integers(size)
        size = size[0] if len(size) == 1 else size
    if n > 1 and not isinstance(size, int) and input.dim() <= n:
        raise ValueError(f"Input dimension should be at least {n + 1}")
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(
            f"adaptive pooling: Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}"
        )
    if size is None or isinstance(size, int):
        size = (size,) * n
    if len(size) != n:
        wanted = "'output_size' should contain one int" if n == 1 else f"output_size must be {n}"
        raise RuntimeError(f"adaptive pooling: {wanted}, got {size}")
    return tuple(have if s is None else s for s, have in zip(size, input.shape[-n:], strict=True))


def _fractional_start(o, u, size, out, kernel):
    """The first place of window o of a dim, from a number u in [0, 1)."""
    if o == out - 1:
        return size - kernel
    alpha = (size - kernel) / (out - 1)
    return int((o + u) * alpha) - int(u * alpha)


def _declare_fractional(n):
    @op("", name=f"fractional_max_pool{n}d", node=f"FractionalMaxPool{n}D",
        outputs=("out", "indices"))  # fmt: skip
    class fractional_max_pool:
        """The largest of windows placed at random, and its place in the plane (Graham 2014).

        `random_samples` (N, C, dims) holds a number in [0, 1) for each dim of a plane.
        """

        def forward(input, kernel_size, output_size, random_samples):
            out = np.empty((*input.shape[:-n], *output_size), input.dtype)
            places = np.empty(out.shape, np.int64)
            for at in np.ndindex(*out.shape):
                plane, o = at[:-n], at[-n:]
                u = random_samples[plane][::-1] if n == 2 else random_samples[plane]
                lo = [
                    _fractional_start(
                        o[d], u[d], input.shape[d - n], output_size[d], kernel_size[d]
                    )
                    for d in range(n)
                ]
                spans = zip(lo, kernel_size, strict=True)
                window = input[(*plane, *(slice(a, a + k) for a, k in spans))]
                inside = np.unravel_index(window.argmax(), window.shape)
                out[at] = window[inside]
                best = [a + b for a, b in zip(lo, inside, strict=True)]
                places[at] = np.ravel_multi_index(best, input.shape[-n:])
            return out, places

        def grad_input(g, indices, input_shape):
            return max_pool_scatter(g[0], indices, input_shape, n)

        def samples(make):
            yield make(1, 2, *[5] * n), [2] * n, [3] * n, make(1, 2, n, low=0, high=0.9, grad=False)

    return fractional_max_pool


fractional_max_pool2d = _declare_fractional(2)
fractional_max_pool3d = _declare_fractional(3)


@public("torch._adaptive_avg_pool2d F.adaptive_avg_pool2d")
def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """Mean-pool (N, C, H, W) or (C, H, W) to the given H and W (None: keep)."""
    size = _output_size(output_size, input, 2)
    if size == (1, 1) and input.numel():
        return input.mean((-1, -2), True)
    return _adaptive_avg_pool2d(input, size)


@public("F.adaptive_avg_pool3d")
def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """Mean-pool (N, C, D, H, W) or (C, D, H, W) to the given size (None: keep)."""
    size = _output_size(output_size, input, 3)
    if size == (1, 1, 1) and input.numel():
        return input.mean((-1, -2, -3), True)
    return _adaptive_avg_pool3d(input, size)


@public("torch.adaptive_avg_pool1d F.adaptive_avg_pool1d")
def adaptive_avg_pool1d(input: Tensor, output_size) -> Tensor:
    """Mean-pool (N, C, L) or (C, L) to the given length."""
    (size,) = _output_size(output_size, input, 1)
    return adaptive_avg_pool2d(input.unsqueeze(-2), (1, size)).squeeze(-2)


def _pair(found, return_indices):
    return tuple(found) if return_indices else found[0]


@public("F.adaptive_max_pool2d")
def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """Max-pool (N, C, H, W) or (C, H, W) to the given H and W (None: keep)."""
    size = _output_size(output_size, input, 2)
    return _pair(_adaptive_max_pool2d(input, size), return_indices)


@public("F.adaptive_max_pool3d")
def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """Max-pool (N, C, D, H, W) or (C, D, H, W) to the given size (None: keep)."""
    size = _output_size(output_size, input, 3)
    return _pair(_adaptive_max_pool3d(input, size), return_indices)


@public("F.adaptive_max_pool1d")
def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """Max-pool (N, C, L) or (C, L) to the given length."""
    (size,) = _output_size(output_size, input, 1)
    out, at = _adaptive_max_pool2d(input.unsqueeze(-2), (1, size))
    return (out.squeeze(-2), at.squeeze(-2)) if return_indices else out.squeeze(-2)


@public("torch.adaptive_max_pool1d F.adaptive_max_pool1d_with_indices")
def adaptive_max_pool1d_with_indices(input: Tensor, output_size, return_indices: bool = True):
    """adaptive_max_pool1d with the positions of the maxima."""
    return adaptive_max_pool1d(input, output_size, True)


@public("F.adaptive_max_pool2d_with_indices")
def adaptive_max_pool2d_with_indices(input: Tensor, output_size, return_indices: bool = True):
    """adaptive_max_pool2d with the positions of the maxima."""
    return adaptive_max_pool2d(input, output_size, True)


@public("F.adaptive_max_pool3d_with_indices")
def adaptive_max_pool3d_with_indices(input: Tensor, output_size, return_indices: bool = True):
    """adaptive_max_pool3d with the positions of the maxima."""
    return adaptive_max_pool3d(input, output_size, True)
