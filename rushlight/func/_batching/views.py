"""Views: the same view of every lane, over the storage of the batch."""

from __future__ import annotations

from ... import _C
from ...op import operators
from ._lanes import Lanes, Refusal, aligned, at_least_one, behind, ints, rank, rule, rules


def _whole(x, sizes):
    """The sizes with -1 worked out for one lane, the lanes in front."""
    lanes, *own = x.shape
    sizes = ints(sizes)
    if -1 in sizes:
        total, known = 1, 1
        for n in own:
            total *= n
        for n in sizes:
            known *= n if n != -1 else 1
        if known == 0 or total % known or sizes.count(-1) > 1:
            raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {total}")
        sizes = tuple(total // known if n == -1 else n for n in sizes)
    return lanes, *sizes


@rule("view")
def view(op, lanes, input, size):
    x = input.tensor
    if isinstance(size, _C.dtype):
        if x.ndim == 1 and size.itemsize != x.element_size():
            raise RuntimeError("self.dim() cannot be 0 to view as a dtype of another size")
        return op(x, size)
    return op(x, _whole(x, size))


@rule("reshape")
def reshape(op, size, input, shape):
    return op(input.tensor, _whole(input.tensor, shape))


@rule("flatten")
def flatten(op, size, input, start_dim=0, end_dim=-1):
    x = input.tensor
    n = x.ndim - 1
    start, end = behind(start_dim, n), behind(end_dim, n)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    return op(at_least_one(x), start, end)


@rule("alias")
def alias(op, size, input):
    return op(input.tensor)


@rule("view_as_real")
def view_as_real(op, size, input):
    return op(input.tensor)


@rule("view_as_complex")
def view_as_complex(op, size, input):
    if input.tensor.ndim == 1:
        raise RuntimeError("Input tensor must have one or more dimensions")
    return op(input.tensor)


@rule("transpose")
def transpose(op, size, input, dim0, dim1):
    x = input.tensor
    n = x.ndim - 1
    dim0, dim1 = behind(dim0, n), behind(dim1, n)
    return op(x, dim0, dim1) if n else x.alias()


@rule("t")
def t(op, size, input):
    x = input.tensor
    if x.ndim > 3:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim - 1}D")
    return x.transpose(1, 2) if x.ndim == 3 else x.alias()


@rule("permute")
def permute(op, size, input, dims):
    x = input.tensor
    n, dims = x.ndim - 1, ints(dims)
    if len(dims) != n:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {n} is not equal "
            f"to len(dims) = {len(dims)}"
        )
    return op(x, (0, *[behind(d, n) for d in dims]))


@rule("expand")
def expand(op, lanes, input, size, *, implicit=False):
    n, size = rank(input), ints(size)
    if len(size) < n or -1 in size[: len(size) - n]:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(size)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({n})"
        )
    return op(aligned(input, len(size)), (lanes, *size), implicit=implicit)


@rule("unsqueeze")
def unsqueeze(op, size, input, dim):
    return op(input.tensor, behind(dim, input.tensor.ndim))


@rule("squeeze")
def squeeze(op, size, input, dim=None):
    x = input.tensor
    n = x.ndim - 1
    if dim is None:
        return op(x, tuple(range(1, n + 1)))
    if isinstance(dim, int):
        dim = (dim,)
    dims = tuple(behind(d, n) for d in dim)
    return op(x, dims) if n else x.alias()


@rule("select")
def select(op, size, input, dim, index):
    """One index for all lanes, or (where indexing brings one) one for each."""
    n = rank(input)
    if n == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    if type(index) is not Lanes:
        return op(input.tensor, behind(dim, n), index)
    return rules["index_select"](operators["index_select"], size, input, dim, index)


@rule("slice")
def slice(op, size, input, dim=0, start=None, end=None, step=1):
    x = input.tensor
    if x.ndim == 1:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    return op(x, behind(dim, x.ndim - 1), start, end, step)


@rule("narrow")
def narrow(op, size, input, dim, start, length):
    x = input.tensor
    if x.ndim == 1:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    return op(x, behind(dim, x.ndim - 1), start, length)


@rule("unfold")
def unfold(op, lanes, input, dimension, size, step):
    x = at_least_one(input.tensor)
    made = op(x, behind(dimension, input.tensor.ndim - 1), size, step)
    return made if input.tensor.ndim > 1 else made.squeeze(1)


@rule("diagonal")
def diagonal(op, size, input, offset=0, dim1=0, dim2=1):
    x = input.tensor
    n = x.ndim - 1
    return op(x, offset, behind(dim1, n), behind(dim2, n))


@rule("split")
def split(op, size, input, split_size, dim=0):
    x = input.tensor
    if x.ndim == 1:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    return op(x, split_size, behind(dim, x.ndim - 1))


@rule("chunk")
def chunk(op, size, input, chunks, dim=0):
    x = input.tensor
    if x.ndim == 1:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    return op(x, chunks, behind(dim, x.ndim - 1))


@rule("unbind")
def unbind(op, size, input, dim=0):
    x = input.tensor
    return op(x, behind(dim, x.ndim - 1))


@rule("as_strided")
def as_strided(op, lanes, input, size, stride, storage_offset, geometry):
    """The lanes lie `x.stride(0)` apart; a lane may not reach into its neighbours."""
    x = input.tensor
    start = x.storage_offset()
    offset = start if storage_offset is None else storage_offset
    last = offset + _span(size, stride)
    if offset < start or last > start + _span(x.shape[1:], x.stride()[1:]):
        raise Refusal(
            f"result = tensor.as_strided({list(size)}, {list(stride)}, {offset}) can access "
            f"memory outside of `tensor`. `result` can access some memory in range [{offset}, "
            f"{last}], but `tensor` can only access some memory in range [{start}, "
            f"{start + _span(x.shape[1:], x.stride()[1:])}]. This is not supported inside of "
            "vmap, please try to rewrite the `as_strided` call as a sequence of PyTorch view "
            "operations"
        )
    geometry = x.shape, x.stride(), start
    return op(x, (x.shape[0], *size), (x.stride(0), *stride), offset, geometry)


def _span(sizes, stride):
    """How far behind the first element the last one lies."""
    return sum((n - 1) * s for n, s in zip(sizes, stride, strict=True) if n > 1)


# -- gradients of views: zeros with the gradient in its place ----------------------------------


@rule("select_backward")
def select_backward(op, size, g, shape, dim, index):
    return op(aligned(g, len(shape) - 1), (size, *shape), behind(dim, len(shape)), index)


@rule("slice_backward")
def slice_backward(op, size, g, shape, dim, start, end, step):
    g = aligned(g, len(shape))
    return op(g, (size, *shape), behind(dim, len(shape)), start, end, step)


@rule("diagonal_backward")
def diagonal_backward(op, size, g, shape, offset, dim1, dim2):
    n = len(shape)
    return op(aligned(g, n - 1), (size, *shape), offset, behind(dim1, n), behind(dim2, n))
