"""Views of a part: an index, a slice, a diagonal, windows, any strides."""

from __future__ import annotations

from .._lazy import np
from ..op import op, public
from .fft import overlap_add
from .padding import constant_pad

_python_slice = slice  # the operator below takes the name


@op("torch.select Tensor.select", view=True)
class select:
    """One slice along `dim`."""

    def forward(input, dim, index):
        return input[(_python_slice(None),) * (dim % input.ndim) + (index,)]

    def grad_input(g, input_shape, dim, index):
        return select_backward(g, input_shape, dim, index)

    def samples(make):
        yield make(3, 4), 0, 1
        yield make(3, 4), -1, -2


@op("")
class select_backward:
    """Zeros of `shape` with `g` at `index` along `dim`."""

    def forward(g, shape, dim, index):
        out = np.zeros(shape, g.dtype)
        out[(_python_slice(None),) * (dim % len(shape)) + (index,)] = g
        return out

    def grad_g(g, dim, index):
        return g.select(dim, index)

    def samples(make):
        yield make(4), (3, 4), 0, 1


@op("Tensor.slice torch._slice", view=True)
class slice:
    """Elements `start` to `end` by `step` along `dim`."""

    def forward(input, dim=0, start=None, end=None, step=1):
        piece = _python_slice(start, end, step)
        return input[(_python_slice(None),) * (dim % input.ndim) + (piece,)]

    def grad_input(g, input_shape, dim, start, end, step):
        return slice_backward(g, input_shape, dim, start, end, step)

    def samples(make):
        yield make(5, 4), 0, 1, 4
        yield make(5, 4), 1, 0, 4, 2


@op("")
class slice_backward:
    """Zeros of `shape` with `g` in the slice."""

    def forward(g, shape, dim, start, end, step):
        out = np.zeros(shape, g.dtype)
        piece = _python_slice(start, end, step)
        out[(_python_slice(None),) * (dim % len(shape)) + (piece,)] = g
        return out

    def grad_g(g, dim, start, end, step):
        return g.slice(dim, start, end, step)

    def samples(make):
        yield make(3, 4), (5, 4), 0, 1, 4, 1


@op("torch.narrow Tensor.narrow", view=True, node="Slice")
class narrow:
    """`length` elements from `start` along `dim`."""

    def forward(input, dim, start, length):
        d = dim % input.ndim
        start = int(start) + (input.shape[d] if start < 0 else 0)
        return np.take(input, np.arange(start, start + length), d)

    def grad_input(g, input_shape, dim, start, length):
        start = int(start)
        if start < 0:
            start += input_shape[dim]
        return slice_backward(g, input_shape, dim, start, start + length, 1)

    def samples(make):
        yield make(5, 4), 0, 1, 3
        yield make(5, 4), 1, -2, 2


@op("", view=True, name="as_strided")
class _as_strided:
    """A view with any shape, strides and offset over the storage.

    `geometry` is the input's shape, strides and offset: all that the gradient needs of it.
    """

    def forward(input, size, stride, storage_offset, geometry):
        step, strided = input.itemsize, np.lib.stride_tricks.as_strided
        if storage_offset is not None:
            ahead = storage_offset - geometry[2]
            line = strided(input, (abs(ahead) + 1,), (step if ahead > 0 else -step,))
            input = line[abs(ahead) :]
        return strided(input, size, [s * step for s in stride])

    def grad_input(g, size, stride, storage_offset, geometry):
        offset = geometry[2] if storage_offset is None else storage_offset
        return _as_strided_backward(g, *geometry, tuple(size), tuple(stride), offset)

    def samples(make):
        for x, size, stride, at in (
            (make(3, 4), (2, 2), (4, 1), None),
            (make(12), (3, 3), (2, 1), 1),
        ):
            yield x, size, stride, at, (x.shape, x.stride(), x.storage_offset())


@public("torch.as_strided Tensor.as_strided")
def as_strided(input, size, stride, storage_offset=None):
    """A view with any shape, strides and offset (in elements) over the storage."""
    geometry = input.shape, input.stride(), input.storage_offset()
    return _as_strided(input, size, stride, storage_offset, geometry)


def _as_strided_backward(g, shape, strides, offset, size, stride, at):
    """Gradient of a strided read of a tensor with `shape`, `strides`, `offset` (elements).

    Every element of the storage gets the sum over the places it was read at; the input's
    gradient is read from there with the input's own geometry.
    """
    from .. import arange

    low = min(offset, at)
    span = 1 + max(
        offset - low + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if n),
        at - low + sum((n - 1) * s for n, s in zip(size, stride, strict=True) if n),
    )
    flat = g.new_zeros((span,))
    if _all_apart(size, stride):
        flat.as_strided(size, stride, at - low).copy_(g)
    else:
        places = arange(span, device=g.device).as_strided(size, stride, at - low).reshape(-1)
        flat = flat.index_add(0, places, g.reshape(-1))
    if _all_apart(shape, strides):
        found = flat.as_strided(shape, strides, offset - low)
        # Further strided reads count from the start of the storage: it must hold nothing else.
        return found if found.numel() == span else found.clone()
    where = arange(span, device=g.device).as_strided(shape, strides, offset - low).reshape(-1)
    return flat.index_select(0, where).reshape(shape)


def _all_apart(size, stride):
    """Whether no two elements of a view lie at one place (false in doubt)."""
    reach = 0
    for step, n in sorted((s, n) for n, s in zip(size, stride, strict=True) if n != 1):
        if step <= reach:
            return False
        reach += step * (n - 1)
    return True


@op("Tensor.unfold", view=True)
class unfold:
    """Windows of `size` every `step` along `dimension`, as a new last dim."""

    def forward(input, dimension, size, step):
        windows = np.lib.stride_tricks.sliding_window_view(
            input, size, dimension % max(input.ndim, 1)
        )
        every = _python_slice(None, None, step)
        return windows[(_python_slice(None),) * (dimension % max(input.ndim, 1)) + (every,)]

    def grad_input(g, input_shape, dimension, size, step):
        if not input_shape:
            return g.reshape(())
        summed = overlap_add(g.movedim(dimension % len(input_shape), -2), step)
        rest = input_shape[dimension] - summed.shape[-1]
        return (constant_pad(summed, (0, rest)) if rest else summed).movedim(-1, dimension)

    def samples(make):
        yield make(7), 0, 3, 2
        yield make(2, 6), 1, 2, 2


@op("torch.diagonal Tensor.diagonal", view=True)
class diagonal:
    """The diagonal of the dims `dim1` and `dim2`, as a last dim."""

    def forward(input, offset=0, dim1=0, dim2=1):
        return np.diagonal(input, offset, dim1, dim2)

    def grad_input(g, input_shape, offset, dim1, dim2):
        return diagonal_backward(g, input_shape, offset, dim1, dim2)

    def samples(make):
        yield (make(3, 4),)
        yield make(2, 3, 3), 1, 1, 2


@op("")
class diagonal_backward:
    """Zeros of `shape` with `g` on the diagonal."""

    def forward(g, shape, offset, dim1, dim2):
        out = np.zeros(shape, g.dtype)
        view = np.moveaxis(out, (dim1, dim2), (-2, -1))
        n = g.shape[-1]
        i = np.arange(n)
        view[..., i + max(-offset, 0), i + max(offset, 0)] = g
        return out

    def grad_g(g, offset, dim1, dim2):
        return g.diagonal(offset, dim1, dim2)

    def samples(make):
        yield make(3), (3, 4), 0, 0, 1
