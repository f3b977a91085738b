"""Views: operators that look at the same storage with another shape, and plain copies."""

from __future__ import annotations

from .._lazy import np
from ..op import op, public

_python_slice = slice  # the operator below takes the name


@op("Tensor.alias", view=True)
class alias:
    """The whole tensor as a view of itself."""

    def forward(input):
        return input

    def grad_input(g):
        return g

    def samples(make):
        yield (make(2, 3),)


@op("Tensor.view", view=True, varargs="size")
class view:
    """The same elements with another shape, or seen as another dtype; never copies."""

    def forward(input, size):
        return input.reshape(size)

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield make(12), (3, 4)
        yield make(12), (2, -1)
        yield make(1), ()


@op("torch.reshape Tensor.reshape", view=True, varargs="shape", node="View")
class reshape:
    """The same elements with another shape: a view when strides allow, else a copy."""

    def forward(input, shape):
        return input.reshape(shape)

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield make(2, 6), (3, 4)
        yield make(2, 3, 4), (-1, 4)


@op("torch.flatten Tensor.flatten", view=True, node="View")
class flatten:
    """Join the dims from `start_dim` to `end_dim` into one."""

    def forward(input, start_dim=0, end_dim=-1):
        n = max(input.ndim, 1)
        start, end = start_dim % n, end_dim % n
        shape = input.shape or (1,)
        return input.reshape(
            *shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]
        )

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield (make(2, 3, 4),)
        yield make(2, 3, 4), 1


@op(
    "torch.transpose torch.swapaxes torch.swapdims "
    "Tensor.transpose Tensor.swapaxes Tensor.swapdims",
    view=True,
)
class transpose:
    """Exchange two dims."""

    def forward(input, dim0, dim1):
        return np.swapaxes(input, dim0, dim1) if input.ndim else input

    def grad_input(g, dim0, dim1):
        return g.transpose(dim0, dim1)

    def samples(make):
        yield make(2, 3, 4), 0, 2
        yield make(2, 3), -1, -2


@op("torch.t Tensor.t", view=True)
class t:
    """Transpose a matrix; tensors of fewer dims stay as they are."""

    def forward(input):
        return input.T

    def grad_input(g):
        return g.t()

    def samples(make):
        yield (make(2, 3),)
        yield (make(3),)


@op("torch.permute Tensor.permute", view=True, varargs="dims")
class permute:
    """Reorder dims."""

    def forward(input, dims):
        return input.transpose(dims)

    def grad_input(g, dims):
        back = [0] * len(dims)
        for i, d in enumerate(dims):
            back[d] = i
        return g.permute(back)

    def samples(make):
        yield make(2, 3, 4), (2, 0, 1)
        yield make(2, 3, 4), (-1, 0, 1)


@op("Tensor.expand", view=True, varargs="size")
class expand:
    """Repeat dims of size 1 without copying; -1 keeps a size."""

    def forward(input, size, *, implicit=False):
        lead = len(size) - input.ndim
        shape = [input.shape[i - lead] if s == -1 else s for i, s in enumerate(size)]
        return np.broadcast_to(input, shape)

    def grad_input(g):
        return g  # the engine sums to the input's shape

    def samples(make):
        yield make(3, 1), (3, 4)
        yield make(1), (2, -1)


@op("torch.unsqueeze Tensor.unsqueeze", view=True)
class unsqueeze:
    """Insert a dim of size 1."""

    def forward(input, dim):
        return np.expand_dims(input, dim)

    def grad_input(g, dim):
        return g.squeeze(dim)

    def samples(make):
        yield make(2, 3), 1
        yield make(2, 3), -1


@op("torch.squeeze Tensor.squeeze", view=True)
class squeeze:
    """Drop dims of size 1: all, or those named by `dim`."""

    def forward(input, dim=None):
        if dim is None:
            return np.squeeze(input)
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
        return np.squeeze(input, tuple(d for d in dims if input.ndim and input.shape[d] == 1))

    def grad_input(g, input_shape):
        return g.reshape(input_shape)

    def samples(make):
        yield (make(2, 1, 3),)
        yield make(1, 3), 0
        yield make(1, 3), 1


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
    from .. import arange, zeros

    low = min(offset, at)
    span = 1 + max(
        offset - low + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if n),
        at - low + sum((n - 1) * s for n, s in zip(size, stride, strict=True) if n),
    )
    places = arange(span).as_strided(size, stride, at - low).reshape(-1)
    flat = zeros(span, dtype=g.dtype).index_add(0, places, g.reshape(-1))
    where = arange(span).as_strided(shape, strides, offset - low).reshape(-1)
    return flat.index_select(0, where).reshape(shape)


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
        from .. import arange, zeros

        n = len(input_shape)
        if n == 0:
            return g.reshape(())
        d = dimension % n
        count = g.shape[d]
        places = (arange(count) * step).unsqueeze(1) + arange(size)
        moved = g.movedim(-1, d + 1).flatten(d, d + 1)
        out = zeros(input_shape, dtype=g.dtype)
        return out.index_add(d, places.reshape(-1), moved)

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


def _join_gradients(g, shape, sizes, dim, dtype):
    """Gradient of a split: the pieces' gradients side by side, zeros where one is missing."""
    from .. import cat, zeros

    dim = dim % len(shape)
    pieces = []
    for size, piece in zip(sizes, g, strict=True):
        if piece is None:
            piece = zeros((*shape[:dim], size, *shape[dim + 1 :]), dtype=dtype)
        pieces.append(piece)
    return cat(pieces, dim)


@op("", view=True, outputs="tuple")
class split:
    """Pieces of `split_size` (an int, or a list of sizes) along `dim`."""

    def forward(input, split_size, dim=0):
        if isinstance(split_size, (list, tuple)):
            cuts = np.cumsum(split_size)[:-1]
        else:
            cuts = np.arange(split_size, input.shape[dim], split_size) if split_size else []
        return tuple(np.split(input, cuts, dim))

    def grad_input(g, input_shape, split_size, dim, input_dtype):
        total = input_shape[dim]
        if isinstance(split_size, (list, tuple)):
            sizes = split_size
        elif total == 0:
            sizes = [0]
        else:
            sizes = [min(split_size, total - i) for i in range(0, total, split_size)]
        return _join_gradients(g, input_shape, sizes, dim, input_dtype)

    def samples(make):
        yield make(5, 3), 2
        yield make(5, 3), [1, 4]
        yield make(2, 6), 3, 1


@public("torch.split Tensor.split")
def split_front(tensor, split_size_or_sections=None, dim=0, *, split_size=None):
    """Pieces of a given size (or list of sizes) along `dim`, as views."""
    size = split_size if split_size_or_sections is None else split_size_or_sections
    return split(tensor, size, dim)


@public("torch.split_with_sizes Tensor.split_with_sizes")
def split_with_sizes(input, split_sizes, dim=0):
    """Pieces of the given sizes along `dim`, as views."""
    return split(input, split_sizes, dim)


@op("torch.chunk Tensor.chunk", view=True, outputs="tuple", node="Split")
class chunk:
    """At most `chunks` equal pieces along `dim`, as views."""

    def forward(input, chunks, dim=0):
        size = -(-input.shape[dim] // chunks)
        if size == 0:
            return (input,) * chunks
        return tuple(np.split(input, np.arange(size, input.shape[dim], size), dim))

    def grad_input(g, input_shape, chunks, dim, input_dtype):
        total = input_shape[dim]
        step = -(-total // chunks)
        sizes = [min(step, total - i) for i in range(0, total, step)] if step else [0] * chunks
        return _join_gradients(g, input_shape, sizes, dim, input_dtype)

    def samples(make):
        yield make(5, 3), 2
        yield make(4, 6), 3, 1


@op("torch.unbind Tensor.unbind", view=True, outputs="tuple")
class unbind:
    """Every slice along `dim`, as views."""

    def forward(input, dim=0):
        return tuple(np.moveaxis(input, dim, 0))

    def grad_input(g, input_shape, dim, input_dtype):
        from .. import stack, zeros

        dim = dim % len(input_shape)
        shape = (*input_shape[:dim], *input_shape[dim + 1 :])
        if not g:
            return zeros(input_shape, dtype=input_dtype)
        return stack([zeros(shape, dtype=input_dtype) if p is None else p for p in g], dim)

    def samples(make):
        yield (make(3, 4),)
        yield make(3, 4), 1


# -- copies ------------------------------------------------------------------------------------


@op("", node="Clone")
class contiguous:
    """The tensor itself when it is row-major, else a row-major copy."""

    def forward(input):
        return np.ascontiguousarray(input).reshape(input.shape)

    def grad_input(g):
        return g

    def samples(make):
        yield (make(2, 3),)


@op("")
class clone:
    """A copy, in the same memory order or (`packed`) row-major."""

    def forward(input, packed=False):
        return np.array(input, order="C" if packed else "K")

    def grad_input(g):
        return g

    def samples(make):
        yield (make(2, 3),)
        yield make(2, 3), True


@op("")
class to_copy:
    """A copy with another dtype, in the same memory order."""

    def forward(input, dtype):
        from ..op import numpy_dtype

        wanted = numpy_dtype(dtype)
        if input.dtype.kind == "c" and wanted.kind not in "cb":
            input = input.real  # what NumPy warns about
        return input.astype(wanted)

    def grad_input(g):
        return g  # the engine casts

    def samples(make):
        from .. import float64

        yield make(2, 3), float64


@op("Tensor.copy_", node="CopyBackwards0")
class copy:
    """Write `src`, broadcast and converted, over the tensor."""

    def forward(input, src, non_blocking=False):
        return np.broadcast_to(src, input.shape).astype(input.dtype)

    def grad_input(g):
        return g.new_zeros(()).expand(g.shape)

    def grad_src(g):
        return g

    def samples(make):
        yield make(2, 3), make(3)


@op("torch.fill Tensor.fill_ torch.fill_", node="Fill")
class fill:
    """Write one number over the tensor."""

    def forward(input, value):
        return np.full_like(input, value)

    def grad_input(g):
        return g.new_zeros(()).expand(g.shape)

    def grad_value(g):
        return g

    def samples(make):
        yield make(2, 3), 2.5
        yield make(2, 3), make()


@op("Tensor.zero_ torch.zero_", node="Zero")
class zero:
    """Write zeros over the tensor."""

    def forward(input):
        return np.zeros_like(input)

    def grad_input(g):
        return g.new_zeros(()).expand(g.shape)

    def samples(make):
        yield (make(2, 3),)


# -- composites ----------------------------------------------------------------------------------


@public("torch.movedim torch.moveaxis Tensor.movedim Tensor.moveaxis")
def movedim(input, source, destination):
    """Move dims to new places; the others keep their order."""
    n = max(input.ndim, 1)
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({sources} dims) should contain the same number of dims as destination "
            f"({targets} dims)"
        )
    for dims, what in ((sources, "source"), (targets, "destination")):
        for d in dims:
            if not -n <= d < n:
                raise IndexError(
                    f"movedim: Dimension out of range (expected to be in range of [{-n}, {n - 1}], "
                    f"but got {d})"
                )
        if len({d % n for d in dims}) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{what}` ({dims})")
    if input.ndim == 0:
        return input.alias()
    order = [-1] * n
    for s, d in zip(sources, targets, strict=True):
        order[d % n] = s % n
    rest = iter(i for i in range(n) if i not in {s % n for s in sources})
    return input.permute([next(rest) if o == -1 else o for o in order])


@public("torch.unflatten Tensor.unflatten")
def unflatten(input, dim, sizes):
    """Split `dim` into the given sizes (one may be -1)."""
    n = max(input.ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"unflatten: Dimension out of range (expected to be in range of [{-n}, {n - 1}], "
            f"but got {dim})"
        )
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    dim %= n
    known = 1
    for s in sizes:
        known *= s if s != -1 else 1
    total = input.shape[dim]
    inferred = tuple((total // known if known else 0) if s == -1 else s for s in sizes)
    product = 1
    for s in inferred:
        product *= s
    if product != total or sum(s == -1 for s in sizes) > 1:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({total}) in the input tensor"
        )
    return input.view((*input.shape[:dim], *inferred, *input.shape[dim + 1 :]))


@public("torch.ravel Tensor.ravel")
def ravel(input):
    """All elements in one dim."""
    return input.contiguous().view(-1)


@public("torch.adjoint Tensor.adjoint")
def adjoint(input):
    """The conjugate transpose of the last two dims."""
    return input.mH


@public("torch.tensor_split Tensor.tensor_split")
def tensor_split(input, indices_or_sections, dim=0):
    """Views of nearly equal pieces, or of pieces cut at the given indices."""
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    size = input.size(dim)
    cuts = indices_or_sections
    if hasattr(cuts, "tolist"):
        cuts = cuts.tolist()
    if isinstance(cuts, int):
        if cuts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        small, extra = divmod(size, cuts)
        ends, at = [], 0
        for i in range(cuts):
            at += small + (i < extra)
            ends.append(at)
    else:
        ends = [*cuts, size]
    pieces, start = [], 0
    for end in ends:
        pieces.append(input.slice(dim, start, end))
        start = end
    return tuple(pieces)


def _numpy_split(name, input, sections, dim, least):
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
            f"with {input.ndim} dimensions!"
        )
    if isinstance(sections, int) and (sections <= 0 or input.size(dim) % sections):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.size(dim)} is not divisible by the split_size {sections}!"
        )
    return tensor_split(input, sections, dim)


@public("torch.hsplit Tensor.hsplit")
def hsplit(input, indices_or_sections):
    """Split along the columns (the only dim of a vector)."""
    return _numpy_split("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@public("torch.vsplit Tensor.vsplit")
def vsplit(input, indices_or_sections):
    """Split along the rows."""
    return _numpy_split("vsplit", input, indices_or_sections, 0, 2)


@public("torch.dsplit Tensor.dsplit")
def dsplit(input, indices_or_sections):
    """Split along the third dim."""
    return _numpy_split("dsplit", input, indices_or_sections, 2, 3)
