"""Rules of reductions; torch.sparse.sum, softmax and log_softmax."""

from __future__ import annotations

from ..op import operators
from .convert import coalesce, prepared, to_compressed, to_coo
from .dispatch import rule, unsupported
from .pattern import CooPattern, number_groups, ravel, unravel
from .record import record
from .shape import _dim
from .tensor import SparseTensor, construct, values_of


def _dims(dim, ndim):
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    found = sorted(_dim(d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise RuntimeError(f"dim {dim} appears multiple times in the list of dims")
    return found


def _sum_over(x, dims, keepdim, name="SparseSumBackward0"):
    """A COO tensor summed over some dims; dense when no sparse dim is left."""
    x = prepared(x)
    pattern = x._pattern
    n = pattern.sparse_dim
    values = values_of(x)
    inner = [d - n + 1 for d in dims if d >= n]
    if inner:
        values = values.sum(inner, keepdim=keepdim)
    outer = [d for d in range(n) if d not in dims]
    if not outer and not keepdim:
        return values.sum(0)
    shape = [1 if d in dims else s for d, s in enumerate(pattern.shape) if keepdim or d not in dims]
    indices = pattern.indices
    if len(outer) < n:
        if keepdim:
            indices = indices.clone()
            for d in dims:
                if d < n:
                    indices[d] = 0
        else:
            indices = indices[outer]
    if len(outer) == n:  # only dense dims went: the places are as they were
        made = CooPattern(pattern.layout, indices, shape, n)
        return coalesce(construct(made, values, x._sorted, name))
    pattern.check_range()
    sizes = shape[: indices.shape[0]]
    places, inverse = number_groups(ravel(indices, sizes))
    total = values.new_zeros((places.shape[0], *values.shape[1:])).index_add(0, inverse, values)
    made = CooPattern(pattern.layout, unravel(places, sizes), shape, len(sizes))
    return construct(made, total, True, name)


@rule("sum")
def sum_rule(input, dim=None, keepdim=False, *, dtype=None):
    if dim is None or (isinstance(dim, (tuple, list)) and not dim and not input.is_sparse):
        values = prepared(input)._held.detach()
        made = values.sum(dtype=dtype)
        shape = tuple(input.shape)
        record("SumBackward0", (input,), (made,), lambda g: g.expand(shape))
        return made
    dims = _dims(dim, input.ndim) or list(range(input.ndim))
    if input.is_sparse:
        return _sum_over(input if dtype is None else input.to(dtype), dims, keepdim)
    if not keepdim:
        raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
    got = _sum_over(to_coo(input if dtype is None else input.to(dtype)), dims, True)
    return to_compressed(got, input.layout, input._pattern.block)


@rule("any")
def any_rule(input, dim=None, keepdim=False):
    if dim is not None:
        raise unsupported("any.dim", input)
    return (coalesce(input) if input.is_sparse else input)._held.any()


@rule("linalg_vector_norm")
def vector_norm(x, ord=2, dim=None, keepdim=False, *args, **kwargs):
    if dim is not None:
        raise RuntimeError("norm_sparse currently does not support the 'dim' argument")
    values = values_of(coalesce(x) if x.is_sparse else x)
    return operators["linalg_vector_norm"](values, ord, None, keepdim, *args, **kwargs)


def sparse_sum(input, dim=None, dtype=None):
    """The sum over all elements or over some dims: sparse while a sparse dim is left."""
    if not isinstance(input, SparseTensor):
        return input.sum(dim, dtype=dtype) if dim is not None else input.sum(dtype=dtype)
    if not input.is_sparse and dim is not None:
        raise unsupported("_indices", input)
    input = input if dtype is None else input.to(dtype)
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return values_of(prepared(input)).sum()
    return _sum_over(input, _dims(dim, input.ndim), False)


# -- softmax ------------------------------------------------------------------------------------


def _softmax(input, dim, dtype, logarithm, name):
    if not isinstance(input, SparseTensor) or not input.is_sparse:
        raise unsupported("_sparse_" + name, input)
    if dtype is None and not (input.is_floating_point() or input.is_complex()):
        raise NotImplementedError(f'"softmax" not implemented for {input.dtype}')
    x = coalesce(input if dtype is None else input.to(dtype))
    pattern, values, dim = x._pattern, values_of(x), _dim(dim, x.ndim)
    n = pattern.sparse_dim
    if dim >= n:
        within = values.log_softmax if logarithm else values.softmax
        result = within(dim - n + 1)
    else:
        result = _over_groups(pattern, values, dim, logarithm)
    return construct(pattern, result, True, "Sparse" + name.title().replace("_", "") + "Backward0")


def _over_groups(pattern, values, dim, logarithm):
    """Softmax over the values that differ in one sparse dim only; what is not stored is -inf."""
    if not pattern.nnz:
        return values
    pattern.check_range()
    others = [d for d in range(pattern.sparse_dim) if d != dim]
    places = ravel(pattern.indices[others], [pattern.shape[d] for d in others])
    groups, index = number_groups(places)
    size = (groups.shape[0], *values.shape[1:])
    spread = index.reshape(-1, *(1,) * (values.ndim - 1)).expand(values.shape)
    fixed = values.detach()
    top = fixed.new_zeros(size).scatter_reduce(0, spread, fixed, "amax", include_self=False)
    shifted = values - top.index_select(0, index)
    power = shifted.exp()
    total = power.new_zeros(size).index_add(0, index, power).index_select(0, index)
    return shifted - total.log() if logarithm else power / total


def sparse_softmax(input, dim, *, dtype=None):
    """Softmax over `dim` of a COO tensor, among the stored values only."""
    return _softmax(input, dim, dtype, False, "softmax")


def sparse_log_softmax(input, dim, *, dtype=None):
    """The logarithm of `softmax`, more exactly."""
    return _softmax(input, dim, dtype, True, "log_softmax")
