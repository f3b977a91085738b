"""Matrix products: the lanes join the rows of a shared matrix, or are a batch of products."""

from __future__ import annotations

import rushlight as torch

from ...ops.linear import linear
from ._lanes import Lanes, aligned, base_name, behind, full, plain, rank, rule, written

matmul, bmm = torch.matmul, torch.bmm


def _check(name, *pairs):
    """The ranks are those that the operator is for; a batch could hide that they are not."""
    for x, n in pairs:
        if rank(x) != n:
            raise RuntimeError(
                f"{name}: expected tensors of {', '.join(str(n) for _, n in pairs)} dims, got "
                f"{', '.join(str(rank(x)) for x, _ in pairs)}"
            )


def product(a, b):
    """a (n, k) times b (k, m) in every lane, one of them shared perhaps: (B, n, m)."""
    if type(a) is Lanes and type(b) is Lanes:
        return bmm(a.tensor, b.tensor)
    if type(a) is Lanes:
        a = a.tensor
        return matmul(a, b) if a.shape[0] else a.new_empty((0, a.shape[1], b.shape[1]))
    # A shared matrix on the left: the lanes' columns stand side by side in one wide matrix.
    b = b.tensor
    size, k, m = b.shape
    made = a @ b.transpose(0, 1).reshape(k, size * m)
    return made.reshape(a.shape[0], size, m).transpose(0, 1)


@rule("mm")
def mm(op, size, input, mat2):
    _check("mm", (input, 2), (mat2, 2))
    return product(input, mat2)


def _times_vector(a, v):
    if type(a) is not Lanes:
        return v.tensor @ a.t()
    if type(v) is not Lanes:
        return a.tensor @ v
    return bmm(a.tensor, v.tensor.unsqueeze(-1)).squeeze(-1)


@rule("mv")
def mv(op, size, input, vec):
    _check("mv", (input, 2), (vec, 1))
    return _times_vector(input, vec)


@rule("dot", "vdot")
def dot(op, size, input, other):
    _check(base_name(op), (input, 1), (other, 1))
    a, b = plain(input), plain(other)
    if a.dtype is torch.bool:
        raise NotImplementedError(f"\"{base_name(op)}\" not implemented for 'Bool'")
    if base_name(op) == "vdot":
        a = a.conj()
    if type(input) is Lanes and type(other) is Lanes:
        return bmm(a.unsqueeze(1), b.unsqueeze(2)).reshape(size)
    return a @ b if type(input) is Lanes else b @ a


@rule("bmm")
def batch(op, size, input, mat2):
    _check("bmm", (input, 3), (mat2, 3))
    return matmul(plain(input), plain(mat2))


def _added(op, size, input, made, beta, alpha):
    """beta * input + alpha * product, where a zero beta ignores the input, NaN and all."""
    if not (made.dtype.is_floating_point or made.dtype.is_complex):
        kind = bool if made.dtype is torch.bool else int
        beta, alpha = kind(beta), kind(alpha)
    if alpha != 1:
        made = made * alpha
    if beta == 0:
        return written(op, input, made) if op.inplace else made
    x = aligned(input, made.ndim - 1)
    made = made + (x if beta == 1 else x * beta)
    return written(op, input, made)


@rule("addmm")
def addmm(op, size, input, mat1, mat2, *, beta=1, alpha=1):
    _check("addmm", (mat1, 2), (mat2, 2))
    return _sum(op, size, input, mat1, mat2, lambda: product(mat1, mat2), beta, alpha)


@rule("addmv")
def addmv(op, size, input, mat, vec, *, beta=1, alpha=1):
    _check("addmv", (mat, 2), (vec, 1))
    return _sum(op, size, input, mat, vec, lambda: _times_vector(mat, vec), beta, alpha)


@rule("baddbmm")
def baddbmm(op, size, input, batch1, batch2, *, beta=1, alpha=1):
    _check("baddbmm", (batch1, 3), (batch2, 3))
    wide = lambda: matmul(plain(batch1), plain(batch2))  # noqa: E731
    return _sum(op, size, input, batch1, batch2, wide, beta, alpha)


@rule("addbmm")
def addbmm(op, size, input, batch1, batch2, *, beta=1, alpha=1):
    _check("addbmm", (batch1, 3), (batch2, 3))
    wide = lambda: matmul(plain(batch1), plain(batch2)).sum(1)  # noqa: E731
    return _sum(op, size, input, batch1, batch2, wide, beta, alpha)


@rule("addr")
def addr(op, size, input, vec1, vec2, *, beta=1, alpha=1):
    _check("addr", (vec1, 1), (vec2, 1))
    outer = lambda: plain(vec1).unsqueeze(-1) * plain(vec2).unsqueeze(-2)  # noqa: E731
    return _sum(op, size, input, vec1, vec2, outer, beta, alpha)


def _sum(op, size, input, first, second, multiply, beta, alpha):
    """What the add... operators share; lanes in the input alone need one product."""
    if type(first) is Lanes or type(second) is Lanes:
        return _added(op, size, input, multiply(), beta, alpha)
    name = base_name(op)
    made = getattr(torch, name)(torch.zeros((), dtype=first.dtype), first, second, beta=0)
    return _added(op, size, input, made.expand((size, *made.shape)), beta, alpha)


@rule("linalg_cross")
def linalg_cross(op, size, input, other, *, dim=-1):
    n = rank(input)
    if n != rank(other):
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    return op(full(input, size), full(other, size), dim=behind(dim, n))


@rule("matmul_batched", "matmul_folded", "matmul_row")
def any_ranks(op, size, input, other):
    """Vectors become matrices; a lower rank gets dims of size 1 behind the lanes."""
    n, m = rank(input), rank(other)
    if not n or not m:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D"
        )
    a = input if n > 1 else _with_dim(input, -2)
    b = other if m > 1 else _with_dim(other, -1)
    top = max(rank(a), rank(b))
    if type(a) is Lanes and rank(b) == 2 and type(b) is not Lanes:
        made = matmul(a.tensor, b)
    elif top == 2:
        made = product(a, b)
    else:
        made = matmul(aligned(a, top), aligned(b, top))
    if n == 1:
        made = made.squeeze(-2)
    return made.squeeze(-1) if m == 1 else made


def _with_dim(x, dim):
    return Lanes(x.tensor.unsqueeze(dim)) if type(x) is Lanes else x.unsqueeze(dim)


# -- linear ------------------------------------------------------------------------------------


@rule("linear_addmm", "linear_view", "linear_mm", "linear_unsafe_view", "linear_row")
def linear_rule(op, size, input, weight, bias=None):
    n, m = rank(input), rank(weight)
    if not n or m not in (1, 2) or m == 1 and bias is not None:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {n}D and {m}D"
        )
    if type(weight) is not Lanes:
        made = input.tensor if type(input) is Lanes else input
        if type(bias) is not Lanes:
            return linear(made, weight, bias)
        made = linear(made, weight)
        made = made if type(input) is Lanes else made.unsqueeze(0)
        return made + aligned(bias, max(rank(input), 1))
    w = weight.tensor
    if w.ndim == 2:  # the weight of a lane is a vector
        made = any_ranks(op, size, input, weight)
        return made if bias is None else made + plain(bias)
    if type(input) is not Lanes:
        return _shared_rows(size, input, w, bias)
    x = input.tensor
    rows = _rows(x)
    if bias is None:
        made = bmm(rows, w.transpose(1, 2))
    else:
        bias = bias.tensor.unsqueeze(1) if type(bias) is Lanes else bias
        made = torch.baddbmm(bias, rows, w.transpose(1, 2))
    return made if x.ndim == 3 else made.reshape((*x.shape[:-1], w.shape[1]))


def _shared_rows(size, x, w, bias):
    """The same rows for every lane: one product with all the weights on top of each other."""
    out = w.shape[1]
    if type(bias) is Lanes:
        made = linear(x, w.flatten(0, 1), bias.tensor.flatten())
    else:
        made = linear(x, w.flatten(0, 1))
    made = made.reshape((*x.shape[:-1], size, out)).movedim(-2, 0)
    return made if bias is None or type(bias) is Lanes else made + bias


@rule("linear_backward")
def linear_backward(op, size, grad, input, weight, need_input, need_weight, need_bias):
    """Every lane has gradients of its own: products of its own rows."""
    made = []
    if rank(weight) != 2:
        raise RuntimeError(f"linear_backward: expected a weight of 2 dims, got {rank(weight)}")
    g = full(grad, size)
    if need_input:
        w = plain(weight)
        made.append(g @ w if type(weight) is not Lanes else _rows_times(g, w))
    if need_weight:
        x = full(input, size)
        if g.ndim == 2:
            made.append(g.unsqueeze(2) * x.unsqueeze(1))
        else:
            made.append(bmm(_rows(g).transpose(1, 2), _rows(x)))
    if need_bias:
        made.append(g if g.ndim == 2 else g.sum(tuple(range(1, g.ndim - 1))))
    return tuple(made)


def _rows(x):
    """A batch of matrices: the middle dims joined."""
    if x.ndim == 3:
        return x
    n = 1
    for s in x.shape[1:-1]:
        n *= s
    return x.reshape((x.shape[0], n, x.shape[-1]))


def _rows_times(x, w):
    made = bmm(_rows(x), w)
    return made if x.ndim == 3 else made.reshape((*x.shape[:-1], w.shape[-1]))
