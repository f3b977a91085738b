"""Rules of element-wise operators: zero-preserving functions, arithmetic, copies and casts."""

from __future__ import annotations

from .. import _C
from ..op import camel, conj, operators
from .convert import coalesce, prepared, to_compressed, to_coo, to_dense
from .dispatch import needs_coalesced, rule
from .making import empty_sparse
from .pattern import CooPattern
from .record import record, record_in_place
from .tensor import SparseTensor, build, construct, layout_name, values_of

Tensor = _C.Tensor

ZERO_PRESERVING = (
    "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan isneginf "
    "isposinf log1p rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh trunc "
    "nan_to_num conj conj_physical angle"
).split()


def _unary(name):
    operator, node = operators[name], camel(name) + "Backward0"

    def apply(input, *args, **kwargs):
        x = coalesce(input) if input.is_sparse else input
        return construct(x._pattern, operator(values_of(x), *args, **kwargs), True, node)

    return apply


for _name in ZERO_PRESERVING:
    rule(_name)(_unary(_name))
needs_coalesced.update(ZERO_PRESERVING)


def linear(x, name, change, adjoint):
    """Apply a linear function of the values, whether or not places are distinct."""
    made = build(x._pattern, change(x._held.detach()), x._sorted)
    record(name, (x,), (made,), adjoint)
    return made


@rule("neg")
def neg(input):
    return linear(input, "NegBackward0", lambda v: -v, lambda g: -g)


@rule("to_copy")
def to_copy(input, dtype):
    return linear(input, "ToCopyBackward0", lambda v: v.to(dtype), lambda g: g)


@rule("clone")
def clone(input, packed=False):
    return linear(input, "CloneBackward0", lambda v: v.clone(), lambda g: g)


# -- products ------------------------------------------------------------------------------------


def _is_scalar(other):
    return not isinstance(other, SparseTensor) and (
        not isinstance(other, Tensor) or other.ndim == 0
    )


@rule("mul")
def mul(input, other):
    if not isinstance(input, SparseTensor):
        input, other = other, input
    if _is_scalar(other):
        return _scaled(input, other)
    if isinstance(other, SparseTensor):
        return _intersection(input, other)
    if tuple(other.shape) != tuple(input.shape):
        from .. import broadcast_shapes

        shape = broadcast_shapes(tuple(input.shape), tuple(other.shape))
        input, other = _widened(input, shape), other.expand(shape)
    x = prepared(input)
    return construct(x._pattern, values_of(x) * x._pattern.gather(other), x._sorted, "MulBackward0")


def _widened(x, shape):
    """A sparse tensor broadcast to a shape: what it stores is repeated."""
    if tuple(x.shape) == tuple(shape):
        return x
    if not x.is_sparse:
        raise RuntimeError(
            f"mul: a tensor of layout {x.layout} does not broadcast to {list(shape)}"
        )
    from .. import zeros

    for _ in range(len(shape) - x.ndim):
        x = x.unsqueeze(0)
    for d, size in enumerate(shape):
        if x.shape[d] != size:
            x = x.index_select(d, zeros(size, dtype=_C.int64))
    return coalesce(x)


def _scaled(x, factor):
    if isinstance(factor, Tensor) and _C.any_requires_grad((factor,)):
        x = coalesce(x) if x.is_sparse else x
        return construct(x._pattern, values_of(x) * factor, True, "MulBackward0")
    return linear(x, "MulBackward0", lambda v: v * factor, lambda g: g * conj(factor))


def _intersection(x, y):
    if tuple(x.shape) != tuple(y.shape) or x._pattern.dense_shape != y._pattern.dense_shape:
        raise RuntimeError(
            "sparse_binary_op_intersection_cpu(): expects sparse inputs with equal dimensionality, "
            "number of sparse dimensions, and shape of sparse dimensions"
        )
    if not (x.is_sparse and y.is_sparse):
        return _compressed_intersection(x, y)
    x, y = coalesce(x), coalesce(y)
    own, theirs = x._pattern, y._pattern
    if own.same(theirs):
        return construct(own, values_of(x) * values_of(y), True, "MulBackward0")
    from .. import searchsorted

    places, others = own.linear(), theirs.linear()
    if theirs.nnz:
        at = searchsorted(others, places).clamp(max=theirs.nnz - 1)
        kept = (others[at] == places).nonzero().reshape(-1)
        at = at[kept]
    else:
        at = kept = places[:0]
    values = values_of(x).index_select(0, kept) * values_of(y).index_select(0, at)
    indices = own.indices.index_select(1, kept)
    pattern = CooPattern(own.layout, indices, own.shape, own.sparse_dim)
    return construct(pattern, values, True, "MulBackward0")


def _compressed_intersection(x, y):
    if not x.is_sparse and not y.is_sparse and x._pattern.same(y._pattern):
        return construct(x._pattern, values_of(x) * values_of(y), True, "MulBackward0")
    like = y if x.is_sparse else x
    product = _intersection(to_coo(x), to_coo(y))
    return to_compressed(product, like.layout, like._pattern.block)


def _check_divisor(input, other):
    if _is_scalar(other) and isinstance(input, SparseTensor):
        return
    raise RuntimeError(
        "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
        f"{list(getattr(other, 'shape', ()))} for divisor)"
    )


@rule("div")
def div(input, other):
    _check_divisor(input, other)
    if isinstance(other, Tensor) and _C.any_requires_grad((other,)):
        x = coalesce(input) if input.is_sparse else input
        return construct(x._pattern, values_of(x) / other, True, "DivBackward0")
    return linear(input, "DivBackward0", lambda v: v / other, lambda g: g / conj(other))


def _divided_whole(name):
    operator, node = operators[name], camel(name) + "Backward0"

    def apply(input, other):
        _check_divisor(input, other)
        x = coalesce(input) if input.is_sparse else input
        return construct(x._pattern, operator(values_of(x), other), True, node)

    return apply


for _name in ("div_trunc", "div_floor", "floor_divide"):
    rule(_name)(_divided_whole(_name))


@rule("pow_scalar")
def pow_scalar(input, exponent):
    if exponent == 0:
        raise RuntimeError(
            "pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor "
            "dense"
        )
    x = coalesce(input) if input.is_sparse else input
    return construct(x._pattern, values_of(x) ** exponent, True, "PowBackward0")


# -- sums ----------------------------------------------------------------------------------------


@rule("add")
def add(input, other, *, alpha=1, name="AddBackward0"):
    if isinstance(input, SparseTensor) and isinstance(other, SparseTensor):
        if tuple(input.shape) != tuple(other.shape):
            raise RuntimeError(
                "add: expected sizes of 'self' and 'other' to match, but "
                f"{list(input.shape)} != {list(other.shape)}"
            )
        if input.is_sparse and other.is_sparse:
            return _add_coo(input, other, alpha, name)
        return _add_compressed(input, other, alpha, name)
    dense, sparse = (other, input) if isinstance(input, SparseTensor) else (input, other)
    if sparse is input and (sparse.is_sparse or not isinstance(dense, Tensor)):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    shape = list(getattr(dense, "shape", ()))
    if shape != list(sparse.shape):
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same size, but self has size {shape} while "
            f"other has size {list(sparse.shape)} (FYI: op2-sparse addition does not currently "
            "support broadcasting)"
        )
    if sparse is input:
        return to_dense(sparse).add(dense, alpha=alpha)
    return _add_to_dense(dense, sparse, alpha, name)


def _add_to_dense(dense, sparse, alpha, name):
    from .. import promote_types

    dtype = promote_types(dense.dtype, sparse.dtype)
    made = dense.detach().to(dtype)
    made = made.clone() if made.dtype is dense.dtype else made
    made = sparse._pattern.add_into(made, sparse._held.detach(), alpha)
    record(name, (dense, sparse), (made,), lambda g: (g, g * conj(alpha)))
    return made


def _add_coo(x, y, alpha, name):
    from .. import cat

    own, theirs = x._pattern, y._pattern
    if own.sparse_dim != theirs.sparse_dim:
        raise RuntimeError(
            "add: expected 'self' and 'other' to have same number of sparse dims: got "
            f"{own.sparse_dim} and {theirs.sparse_dim}"
        )
    a, b = x._held.detach(), y._held.detach()
    b = b if type(alpha) is int and alpha == 1 else b * alpha
    if own.same(theirs):
        made = build(own, a + b, x._sorted or y._sorted)
    else:
        dtype = (a.new_empty(0) + b.new_empty(0)).dtype
        indices = cat((own.indices, theirs.indices), 1)
        pattern = CooPattern(own.layout, indices, own.shape, own.sparse_dim)
        made = build(pattern, cat((a.to(dtype), b.to(dtype))), False)
        made = coalesce(made) if x._sorted and y._sorted else made
    record(name, (x, y), (made,), lambda g: (g, g * conj(alpha)))
    return made


def _add_compressed(x, y, alpha, name):
    if x.layout is y.layout and x._pattern.same(y._pattern):
        values = values_of(x).add(values_of(y), alpha=alpha)
        return construct(x._pattern, values, True, name)
    like = y if x.is_sparse else x
    if like._pattern.batch:
        total = to_dense(x).add(to_dense(y), alpha=alpha)
    else:
        total = _add_coo(coalesce(to_coo(x)), coalesce(to_coo(y)), alpha, name)
    return to_compressed(total, like.layout, like._pattern.block)


@rule("sub")
def sub(input, other, *, alpha=1):
    return add(input, other, alpha=-alpha, name="SubBackward0")


@rule("rsub")
def rsub(input, other, *, alpha=1):
    return add(other, input, alpha=-alpha, name="RsubBackward1")


def _added_in_place(name, sign, sparse_rule):
    """add_ and sub_: into a dense tensor at the stored places, or into a sparse one."""

    def apply(input, other, *, alpha=1):
        from .dispatch import store_in

        _C.check_inplace(input)
        if isinstance(input, SparseTensor):
            return store_in(input, sparse_rule(input, other, alpha=alpha), name)
        if tuple(input.shape) != tuple(other.shape):
            raise RuntimeError(
                "add: expected 'self' and 'other' to have same size, but self has size "
                f"{list(input.shape)} while other has size {list(other.shape)} (FYI: op2-sparse "
                "addition does not currently support broadcasting)"
            )
        if not _C.can_cast(other.dtype, input.dtype):
            raise RuntimeError(
                f"Can't convert result type {other.dtype} to output {input.dtype} in add operation"
            )
        factor = sign * alpha
        grad = _C.set_grad_enabled(False)
        try:
            other._pattern.add_into(input.detach(), other._held.detach(), factor)
        finally:
            _C.set_grad_enabled(grad)
        node = ("AddBackward0", "SubBackward0")[sign < 0]
        record_in_place(node, input, (input, other), lambda g: (g, g * conj(factor)))
        return input

    return apply


rule("add_")(_added_in_place("add_", 1, add))
rule("sub_")(_added_in_place("sub_", -1, sub))


# -- contents ------------------------------------------------------------------------------------


@rule("zero_")
def zero_(input):
    from .dispatch import store_in

    _C.check_inplace(input)
    pattern = input._pattern
    empty = empty_sparse(
        pattern.shape,
        input.dtype,
        input.layout,
        block=getattr(pattern, "block", None) or (1, 1),
        dense_dim=len(pattern.dense_shape),
    )
    input.detach_()
    return store_in(input, empty, "zero_")


@rule("copy_")
def copy_(input, src, non_blocking=False):
    from .dispatch import store_in

    if not (isinstance(input, SparseTensor) and isinstance(src, SparseTensor)):
        raise RuntimeError(
            "copy_() between dense and sparse Tensors is not implemented! Found self type = "
            f"{input.type()} and src type = {src.type()}"
        )
    if input.layout is not src.layout or tuple(input.shape) != tuple(src.shape):
        raise RuntimeError(
            "copy_(): expected tensors of one layout and size: got "
            f"{layout_name(input)} {list(input.shape)} and {layout_name(src)} {list(src.shape)}"
        )
    _C.check_inplace(input)
    return store_in(input, src.to(input.dtype).clone(), "copy_")


def _not_for_sparse(name, message):
    def refuse(input, *args, **kwargs):
        raise RuntimeError(message)

    rule(name)(refuse)


_not_for_sparse("reshape", "reshape is not implemented for sparse tensors")
_not_for_sparse("flatten", "reshape is not implemented for sparse tensors")
_not_for_sparse("expand", "expand is unsupported for Sparse tensors")
