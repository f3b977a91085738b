"""Vector norms and log-sum-exp."""

from __future__ import annotations

from .._lazy import np
from ..op import numpy_dtype, op, public
from ._outputs import deliver
from .reduction import _axes, restore

_INF = float("inf")


def _norm_gradient(g, input, out, ord, dim, keepdim):
    """PyTorch's subgradients: 0 where the norm is 0 and, for ord < 2, where an element is."""
    shape = input.shape
    g, norm = restore(g, shape, dim, keepdim), restore(out, shape, dim, keepdim)
    if ord > 1:  # masked before they are divided, so that second derivatives are finite too
        none = norm == 0
        g, norm = g.masked_fill(none, 0), norm.masked_fill(none, 1)
    if ord == 0:
        return input.new_zeros(shape)
    if ord == 1:
        return input.sgn() * g
    if ord == 2:
        return input * (g / norm)
    if ord < 1:
        power = (input.sgn() * input.abs().pow(ord - 1)).masked_fill(input == 0, 0)
        return power * g * norm.pow(1 - ord)
    if ord < 2:
        return input.sgn() * input.abs().pow(ord - 1) * (g / norm.pow(ord - 1))
    return input * input.abs().pow(ord - 2) * (g / norm.pow(ord - 1))


@op("", name="linalg_vector_norm", kernel="power_norm")
class _power_norm:
    """(sum |x|^ord)^(1/ord) over `dim` (default: all); ord 0 counts what is not zero."""

    def forward(input, ord=2, dim=None, keepdim=False, dtype=None):
        x = np.abs(input if dtype is None else input.astype(numpy_dtype(dtype)))
        if ord == 0:
            return np.sum(x != 0, _axes(dim), keepdims=keepdim).astype(x.dtype)
        return np.sum(x**ord, _axes(dim), keepdims=keepdim) ** (1 / ord)

    def grad_input(g, input, out, ord, dim, keepdim):
        if type(dim) is not int and not dim:
            dim = None
        return _norm_gradient(g, input, out, ord, dim, keepdim)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 1, 1
        yield make(3, 5), 3.0, 0, True
        yield make(3, 5), 0.5


def _check_dtype(input, dtype):
    if dtype is None:
        return
    if input.is_complex() and not dtype.is_complex:
        raise RuntimeError(
            "linalg.vector_norm: dtype should be complex for complex inputs, but got "
            f"{dtype}; give a complex dtype"
        )
    if not input.is_complex() and not dtype.is_floating_point:
        raise RuntimeError(
            f"linalg.vector_norm: dtype should be floating point for real inputs, but got {dtype}"
        )


@public("linalg.vector_norm")
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """The norm of order `ord` over `dim` (default: of the flattened tensor)."""
    if isinstance(ord, str):
        raise TypeError("linalg_vector_norm(): argument 'ord' (position 2) must be Number, not str")
    _check_dtype(x, dtype)
    if x.numel() == 0 and (ord < 0 or ord == _INF):
        dims = range(x.ndim) if not dim and dim != 0 else (dim,) if type(dim) is int else dim
        for d in dims:
            if x.shape[d] == 0:
                raise RuntimeError(
                    f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor "
                    "because the operation does not have an identity"
                )
    if ord in (_INF, -_INF):
        if not (x.is_floating_point() or x.is_complex()):
            raise RuntimeError(
                "linalg.vector_norm: Expected a floating point or complex tensor as input. "
                f"Got {x.dtype}"
            )
        size = (x if dtype is None else x.to(dtype)).abs()
        extreme = size.amax if ord > 0 else size.amin
        result = extreme(() if dim is None else dim, keepdim)
    else:
        result = _power_norm(x, ord, dim, keepdim, dtype)
    return deliver(result, out)


@public("torch.norm Tensor.norm")
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The vector norm of order `p` over `dim`; "fro" is 2, "nuc" the nuclear matrix norm."""
    if p is None or p == "fro":
        p = 2.0
    if isinstance(p, str):
        from .. import linalg

        dims = tuple(range(input.ndim))[-2:] if dim is None else dim
        return linalg.matrix_norm(input, p, dims, keepdim, dtype=dtype, out=out)
    return vector_norm(input, float(p), dim, keepdim, dtype=dtype, out=out)


@public("torch.frobenius_norm")
def frobenius_norm(input, dim, keepdim=False, *, out=None):
    """The square root of the sum of squares over `dim`."""
    return vector_norm(input, 2.0, dim, keepdim, out=out)


@public("torch.nuclear_norm")
def nuclear_norm(input, dim=(-2, -1), keepdim=False, *, out=None):
    """The sum of the singular values of the matrices in `dim`."""
    from .. import linalg

    return linalg.matrix_norm(input, "nuc", dim, keepdim, out=out)


@public("torch.dist Tensor.dist")
def dist(input, other, p=2):
    """The norm of order `p` of the difference."""
    return vector_norm(input - other, p)


@public("torch.renorm Tensor.renorm")
def renorm(input, p, dim, maxnorm, *, out=None):
    """Scale each slice along `dim` whose norm of order `p` exceeds `maxnorm` down to it."""
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported: got p = {p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    from .. import where

    others = [d for d in range(input.ndim) if d != dim % input.ndim]
    size = vector_norm(input, float(p), others, True)
    # PyTorch's 1e-7 keeps the division finite.
    result = input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return deliver(result, out)


@public("Tensor.renorm_")
def renorm_(input, p, dim, maxnorm):
    """The in-place form of renorm."""
    return input.copy_(renorm(input, p, dim, maxnorm))


@op("", name="logsumexp")
class _logsumexp:
    """log(sum(exp(x))) over `dim`, without overflow."""

    def forward(input, dim, keepdim=False):
        top = input.max(_axes(dim), keepdims=True, initial=-np.inf)
        top = np.where(np.isinf(top), 0, top)
        got = np.log(np.exp(input - top).sum(_axes(dim), keepdims=True)) + top
        return got if keepdim else got.squeeze(_axes(dim))

    def grad_input(g, input, out, dim, keepdim):
        if type(dim) is not int and not dim:
            dim = None
        shape = input.shape
        shifted = input - restore(out, shape, dim, keepdim)
        # Where everything is -inf the difference is NaN and the weight zero.
        weights = shifted.exp().masked_fill(input == -_INF, 0)
        return restore(g, shape, dim, keepdim) * weights

    def samples(make):
        yield make(3, 5), 1
        yield make(2, 3, 4), (0, 2), True


@public("torch.logsumexp Tensor.logsumexp special.logsumexp")
def logsumexp(input, dim, keepdim=False, *, out=None):
    """log(sum(exp(input))) over `dim`, without overflow."""
    if input.is_complex() and input.numel() == 0:
        result = input.sum(dim, keepdim).log()
    elif input.is_complex():
        top = input.real.detach().amax(dim, True)
        top = top.masked_fill(top.isinf(), 0)
        result = (input - top).exp().sum(dim, keepdim).log()
        result = result + (top if keepdim else top.reshape(result.shape))
    else:
        if not input.is_floating_point():
            from .. import get_default_dtype

            input = input.to(get_default_dtype())
        result = _logsumexp(input, dim, keepdim)
    return deliver(result, out, castable=True)
