"""Operators along dims: reductions, scans, sorts, softmax, transforms; the dims move up by one."""

from __future__ import annotations

from ._lanes import (
    Lanes,
    at_least_one,
    base_name,
    behind,
    each,
    full,
    has_lanes,
    ints,
    parameters,
    rank,
    rule,
    rules,
)
from .fallback import loop


def _flat(x):
    return x.reshape((x.shape[0], x[0].numel() if x.shape[0] else _count(x.shape[1:])))


def _count(sizes):
    n = 1
    for s in sizes:
        n *= s
    return n


# -- reductions over any dims ------------------------------------------------------------------


def reduction(op, size, input, dim=None, keepdim=False, **named):
    """Over some dims or all of a lane's."""
    x = input.tensor
    n = x.ndim - 1
    if n == 0:
        dims = ints(dim) if dim is not None else ()
        if len({behind(d, 0) for d in dims}) < len(dims):
            raise RuntimeError("dim 0 appears multiple times in the list of dims")
        return op(x.unsqueeze(1), 1, False, **named)
    if type(dim) is int:
        return op(x, behind(dim, n), keepdim, **named)
    if dim is None or not len(dim):
        return op(x, tuple(range(1, n + 1)), keepdim, **named)
    return op(x, tuple([behind(d, n) for d in dim]), keepdim, **named)


rules.update(dict.fromkeys(("sum", "mean", "nansum", "amax", "amin", "logsumexp"), reduction))


@rule("any", "all")
def truth(op, size, input, dim=None, keepdim=False):
    if dim == ():  # here this means no dim
        return op(input.tensor, (), keepdim)
    return reduction(op, size, input, dim, keepdim)


@rule("count_nonzero")
def count_nonzero(op, size, input, dim=None):
    x = input.tensor
    n = x.ndim - 1
    x = at_least_one(x)
    if dim is None or (type(dim) is not int and not len(dim)):
        return op(x, tuple(range(1, max(n, 1) + 1)))
    dims = (dim,) if type(dim) is int else dim
    return op(x, tuple([behind(d, n) for d in dims]))


@rule("prod", "argmax", "argmin")
def one_dim_or_all(op, size, input, dim=None, keepdim=False, **named):
    x = input.tensor
    n = x.ndim - 1
    if dim is not None and n:
        return op(x, behind(dim, n), keepdim, **named)
    if dim is not None:
        behind(dim, 0)
    got = op(_flat(x), 1, False, **named)
    return got.reshape((size,) + (1,) * n) if keepdim else got


@rule("aminmax")
def aminmax(op, size, input, *, dim=None, keepdim=False):
    x = input.tensor
    n = x.ndim - 1
    if dim is not None and n:
        return op(x, dim=behind(dim, n), keepdim=keepdim)
    if dim is not None:
        behind(dim, 0)
    got = op(_flat(x), dim=1)
    return each(lambda t: t.reshape((size,) + (1,) * n), got) if keepdim else got


@rule("max_all", "min_all", "median_all", "nanmedian_all")
def all_elements(op, size, input):
    flat = _flat(input.tensor)
    name = base_name(op)
    if name == "max_all":
        return flat.amax(1)
    if name == "min_all":
        return flat.amin(1)
    return (flat.median(1) if name == "median_all" else flat.nanmedian(1))[0]


@rule("max", "min", "median", "nanmedian", "mode")
def picked(op, size, input, dim=-1, keepdim=False):
    """The named pairs of values and indices."""
    x = input.tensor
    n = x.ndim - 1
    return op(at_least_one(x), behind(dim, n), keepdim and n > 0)


@rule("kthvalue")
def kthvalue(op, size, input, k, dim=-1, keepdim=False):
    x = input.tensor
    n = x.ndim - 1
    return op(at_least_one(x), k, behind(dim, n), keepdim and n > 0)


def _spread(op, size, input, dim=None, correction=1, keepdim=False):
    x = input.tensor
    n = x.ndim - 1
    if dim is None or (type(dim) is not int and not len(dim)):
        dims = tuple(range(1, max(n, 1) + 1))
    else:
        dims = tuple([behind(d, n) for d in ((dim,) if type(dim) is int else dim)])
    return op(at_least_one(x), dims, correction, keepdim and n > 0)


rules.update(dict.fromkeys(("var", "std", "var_mean", "std_mean"), _spread))


@rule("linalg_vector_norm")
def vector_norm(op, size, input, ord=2, dim=None, keepdim=False, dtype=None):
    x = input.tensor
    n = x.ndim - 1
    if dim is None or (type(dim) is not int and not len(dim)):
        dims = tuple(range(1, max(n, 1) + 1))
    else:
        dims = tuple([behind(d, n) for d in ((dim,) if type(dim) is int else dim)])
    return op(at_least_one(x), ord, dims, keepdim and n > 0, dtype)


@rule("hash_tensor")
def hash_tensor(op, size, input, dims, keepdim):
    x = input.tensor
    n = x.ndim - 1
    dims = range(n or 1) if not len(dims) else dims
    return op(at_least_one(x), tuple([behind(d, n) for d in dims]), keepdim and n > 0)


# -- one dim, shapes kept ----------------------------------------------------------------------


def along(parameter):
    """A rule that moves the dim in one parameter, of operators that keep the other dims."""

    def run(op, size, input, *rest, **named):
        if type(input) is not Lanes or has_lanes(rest):
            return loop(op, size, input, *rest, **named)
        n = input.tensor.ndim - 1
        rest = list(rest)
        at = parameters(op).index(parameter) - 1
        dim = rest[at]
        if type(dim) is int:
            rest[at] = behind(dim, n)
        else:
            dims = [behind(d, n) for d in dim]
            rest[at] = dims if n else [1]
        made = op(at_least_one(input.tensor), *rest, **named)
        return made if n else each(lambda t: t.squeeze(1), made)

    return run


_SHIFTED = """softmax log_softmax cumsum cumprod cummax cummin logcumsumexp sort topk resample
    resample_bytes"""
rules.update(dict.fromkeys((_SHIFTED + " fft_c2c fft_r2c fft_c2r").split(), along("dim")))
rules["flip"] = along("dims")


@rule("softmax_backward", "log_softmax_backward")
def softmax_backward(op, size, g, out, dim):
    n = max(rank(g), rank(out))
    g, out = (at_least_one(full(x, size)) for x in (g, out))
    made = op(g, out, behind(dim, n))
    return made if n else made.squeeze(1)


@rule("roll")
def roll(op, size, input, shifts, dims=None):
    x = input.tensor
    n = x.ndim - 1
    if dims is None or (type(dims) is not int and not len(dims)):
        return op(_flat(x), shifts, 1).reshape(x.shape)
    dims = (dims,) if type(dims) is int else dims
    if n == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return op(x, shifts, tuple([behind(d, n) for d in dims]))
