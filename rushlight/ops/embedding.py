"""Embedding lookup, its gradient, and one-hot vectors."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import inplace_form, op, public
from ._lanes import all_lanes

Tensor = _C.Tensor


@op("", name="embedding")
class _embedding:
    """Rows of `weight` at the given ids."""

    def forward(input, weight, padding_idx=None, scale_grad_by_freq=False):
        return weight[input]

    def grad_weight(g, input, weight_shape, padding_idx, scale_grad_by_freq):
        return embedding_dense_backward(g, input, weight_shape[0], padding_idx, scale_grad_by_freq)

    def samples(make):
        yield make(2, 4, dtype="int64", low=0, high=6), make(6, 3)
        yield make(7, dtype="int64", low=0, high=6), make(6, 3)


@op("")
class embedding_dense_backward:
    """Sum the rows of `grad` by id into a (rows, width) matrix, leaving out `padding_idx`."""

    def forward(grad, input, rows, padding_idx=None, scale_grad_by_freq=False):
        out = np.zeros((rows, grad.shape[-1]), grad.dtype)
        np.add.at(out, input.reshape(-1), grad.reshape(-1, grad.shape[-1]))
        if scale_grad_by_freq:
            count = np.bincount(input.reshape(-1), minlength=rows)
            out /= np.maximum(count, 1)[:, None].astype(out.dtype)
        if padding_idx is not None and padding_idx >= 0:
            out[padding_idx] = 0
        return out

    def grad_grad(g, input, padding_idx, scale_grad_by_freq):
        rows = _embedding(input, g)
        if scale_grad_by_freq:
            count = input.flatten().bincount(minlength=g.shape[0])
            rows = rows / count[input].unsqueeze(-1)
        if padding_idx is not None and padding_idx >= 0:
            rows = rows.masked_fill((input == padding_idx).unsqueeze(-1), 0)
        return rows

    def samples(make):
        yield make(4, 3), make(4, dtype="int64", low=0, high=6), 6


def _bag_of(bounds, count, input, padding_idx):
    """For every id the bag it belongs to, and how many of each bag count."""
    bags = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))[:count]
    kept = np.ones(count, bool) if padding_idx is None else input != padding_idx
    return bags[kept], kept, np.bincount(bags[kept], minlength=len(bounds) - 1)


@op("", node="EmbeddingBag")
class embedding_bags:
    """Sums (or means) of the rows of `weight` at the ids bounds[i] to bounds[i + 1].

    `bounds` goes from 0 to the number of ids; ids equal to `padding_idx` are left out; each id's
    row counts `factors` times, once without them.
    """

    def forward(input, weight, bounds, mean, padding_idx=None, factors=None):
        bags, kept, sizes = _bag_of(bounds, len(input), input, padding_idx)
        rows = weight[input[kept]]
        if factors is not None:
            rows = rows * factors[kept][:, None]
        out = np.zeros((len(bounds) - 1, weight.shape[1]), weight.dtype)
        np.add.at(out, bags, rows)
        return (out / np.maximum(sizes, 1)[:, None]).astype(out.dtype) if mean else out

    def grad_weight(g, input, weight_shape, bounds, mean, padding_idx, factors):
        return embedding_bags_backward(
            g, input, weight_shape[0], bounds, mean, padding_idx, factors
        )

    def grad_factors(g, input, weight, bounds, padding_idx):
        return _of_factors(g, weight, input, bounds, padding_idx)

    def samples(make):
        ids, bounds = make(5, dtype="int64", low=0, high=6), _C.from_data([0, 2, 2, 5], _C.int64)
        yield ids, make(6, 3), bounds, False
        yield ids, make(6, 3), bounds, True, 2
        yield ids, make(6, 3), bounds, False, 2, make(5)


def _of_factors(per_bag, per_row, input, bounds, padding_idx):
    """For every id the product of what its bag and its row have."""
    from .. import arange, repeat_interleave

    bags = arange(bounds.numel() - 1, device=bounds.device)
    bags = repeat_interleave(bags, bounds.diff(), output_size=input.shape[0])
    products = (per_bag.index_select(0, bags) * per_row.index_select(0, input)).sum(1)
    return products if padding_idx is None else products.masked_fill(input == padding_idx, 0)


@op("")
class embedding_bags_backward:
    """The gradient of a (rows, width) table that embedding_bags read."""

    def forward(grad, input, rows, bounds, mean, padding_idx=None, factors=None):
        bags, kept, sizes = _bag_of(bounds, len(input), input, padding_idx)
        if mean:
            grad = (grad / np.maximum(sizes, 1)[:, None]).astype(grad.dtype)
        out = np.zeros((rows, grad.shape[1]), grad.dtype)
        np.add.at(out, input[kept], grad[bags] * (1 if factors is None else factors[kept][:, None]))
        return out

    def grad_grad(g, input, bounds, mean, padding_idx, factors):
        return embedding_bags(input, g, bounds, mean, padding_idx, factors)

    def grad_factors(g, grad, input, bounds, padding_idx):
        return _of_factors(grad, g, input, bounds, padding_idx)

    def samples(make):
        ids, bounds = make(5, dtype="int64", low=0, high=6), _C.from_data([0, 2, 2, 5], _C.int64)
        yield make(3, 3), ids, 6, bounds, True, 2
        yield make(3, 3), ids, 6, bounds, False, 2, make(5)


@op("torch.embedding_renorm_")
class embedding_renorm:
    """Scale down the rows in use whose norm exceeds `max_norm`."""

    def forward(input, indices, max_norm, norm_type):
        out = input.copy()
        for row in np.unique(indices):
            norm = np.linalg.norm(out[row], norm_type)
            if norm > max_norm:
                out[row] *= max_norm / (norm + 1e-7)
        return out

    def samples(make):
        yield make(6, 3, grad=False), make(4, dtype="int64", low=0, high=6), 0.5, 2.0


_renorm_ = inplace_form(embedding_renorm)


def _sparse_rows(input, weight, padding_idx, scale_grad_by_freq):
    """Look rows up through a node whose gradient of `weight` is sparse: (ids, rows of g)."""
    from ..autograd import Function

    class SparseRows(Function):
        @staticmethod
        def forward(ctx, weight, ids):
            ctx.save_for_backward(ids)
            ctx.shape = weight.shape
            return _embedding(ids, weight)

        @staticmethod
        def backward(ctx, g):
            from .. import sparse_coo_tensor

            if scale_grad_by_freq:
                raise RuntimeError(
                    "embedding_backward: scale_grad_by_freq not supported with sparse gradients"
                )
            ids = ctx.saved_tensors[0].reshape(-1)
            rows = g.reshape(ids.numel(), ctx.shape[1])
            if padding_idx is not None and padding_idx >= 0:
                kept = ids != padding_idx
                ids, rows = ids[kept], rows[kept]
            return sparse_coo_tensor(ids.unsqueeze(0), rows, ctx.shape), None

    return SparseRows.apply(weight, input)


def _padding(padding_idx, rows):
    """The padding row counted from the front, or None."""
    if padding_idx is None:
        return None
    if padding_idx >= rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    if padding_idx < 0:
        if padding_idx < -rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx += rows
    return padding_idx


@public("F.embedding")
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` at integer ids of any shape: (*, width).

    The row `padding_idx` gets no gradient. With `max_norm`, rows in use are first scaled down
    in place to that norm.
    """
    if padding_idx is not None:
        padding_idx = _padding(padding_idx, weight.size(0))
    if max_norm is not None:
        grad = _C.set_grad_enabled(False)
        try:
            _renorm_(weight, input, max_norm, norm_type)
        finally:
            _C.set_grad_enabled(grad)
    if sparse and weight.requires_grad and _C.is_grad_enabled():
        return _sparse_rows(input, weight, padding_idx, scale_grad_by_freq)
    return _embedding(input, weight, padding_idx, scale_grad_by_freq)


@public("torch.embedding")
def embedding_by_weight(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` at integer ids; a negative `padding_idx` means none."""
    padding_idx = padding_idx if padding_idx >= 0 else None
    if sparse and weight.requires_grad and _C.is_grad_enabled():
        return _sparse_rows(indices, weight, padding_idx, scale_grad_by_freq)
    return _embedding(indices, weight, padding_idx, scale_grad_by_freq)


@public("F.one_hot torch._one_hot")
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class ids (*) to int64 vectors (*, num_classes) with a single one.

    `num_classes` -1 takes one more than the largest id.
    """
    if tensor.dtype is not _C.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return tensor.new_empty((*tensor.shape, num_classes))
    if num_classes == -1 and _C.level_of(tensor) is not None:
        raise RuntimeError(
            "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive "
            "num_classes argument."
        )
    values = all_lanes(tensor)
    if values.is_meta and num_classes > 0:
        return tensor.new_empty((*tensor.shape, num_classes))
    if values.min().item() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = values.max().item()
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif largest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    out = tensor.new_zeros((*tensor.shape, num_classes))
    return out.scatter_(-1, tensor.unsqueeze(-1), 1)
