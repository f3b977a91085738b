"""Views of all parts: split, chunk, unbind."""

from __future__ import annotations

from .._lazy import np
from ..op import op, public


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
