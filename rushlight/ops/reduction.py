"""Sums, products, extremes and norms over some or all dims."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import numpy_dtype, op, public
from ._lanes import some
from ._outputs import deliver


def _axes(dim):
    """A dim argument as NumPy's axis: None and () are every dim."""
    if dim is None or (type(dim) is not int and len(dim) == 0):
        return None
    return dim if type(dim) is int else tuple(dim)


def _cast(x, dtype, wide=False):
    """The array in the dtype asked for; integers become int64 where PyTorch's sums do."""
    if dtype is not None:
        return x.astype(numpy_dtype(dtype))
    return x.astype("int64") if wide and x.dtype.kind in "biu" else x


def restore(x, shape, dim, keepdim):
    """A reduced tensor with its dims of size 1 back, so that it broadcasts against `shape`."""
    if keepdim or dim is None or not len(shape):
        return x
    dims = (dim,) if type(dim) is int else dim
    for d in sorted(d % len(shape) for d in dims):
        x = x.unsqueeze(d)
    return x


def numel_of(shape, dim):
    """How many elements of a tensor of that shape one output stands for."""
    if not len(shape):
        return 1
    dims = range(len(shape)) if _axes(dim) is None else (dim,) if type(dim) is int else dim
    n = 1
    for d in dims:
        n *= shape[d]
    return n


def numpy_names(names, dim, keepdim):
    """dim and keepdim from NumPy's spellings, which PyTorch accepts too."""
    dim = names.pop("axis", dim)
    keepdim = names.pop("keepdims", keepdim)
    if names:
        raise TypeError(f"got an unexpected keyword argument '{next(iter(names))}'")
    return dim, keepdim


@op("torch.sum Tensor.sum", node="SumBackward0 SumBackward1", exact_out=False)
class sum:
    """Add up elements over `dim` (default: all). Integers and bools add up in int64."""

    def forward(input, dim=None, keepdim=False, *, dtype=None):
        return _cast(input, dtype, True).sum(_axes(dim), keepdims=keepdim)

    def grad_input(g, input_shape, dim, keepdim):
        return restore(g, input_shape, dim, keepdim).expand(input_shape)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 1
        yield make(2, 3, 4), (0, -1), True
        yield (make(),)


@op("torch.mean Tensor.mean", node="MeanBackward0 MeanBackward1", exact_out=False)
class mean:
    """Average over `dim` (default: all)."""

    def forward(input, dim=None, keepdim=False, *, dtype=None):
        return _cast(input, dtype).mean(_axes(dim), keepdims=keepdim)

    def grad_input(g, input_shape, dim, keepdim):
        count = numel_of(input_shape, dim)
        if _C.is_grad_enabled():  # programs detach such a gradient in place: it must be no view
            g = restore(g, input_shape, dim, keepdim).expand(input_shape)
            return g / count if count else g * float("nan")
        g = g / count if count else g * float("nan")
        return restore(g, input_shape, dim, keepdim).expand(input_shape)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 0
        yield make(2, 3, 4), (1, 2), True


@op("torch.nansum Tensor.nansum", exact_out=False)
class nansum:
    """Add up elements over `dim` (default: all), counting NaN as zero."""

    def forward(input, dim=None, keepdim=False, *, dtype=None):
        return np.nansum(_cast(input, dtype, True), _axes(dim), keepdims=keepdim)

    def grad_input(g, input, dim, keepdim):
        return restore(g, input.shape, dim, keepdim) * input.isnan().logical_not()

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 1, True


@public("torch.nanmean Tensor.nanmean")
def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Average over `dim` (default: all) of the elements that are not NaN."""
    count = sum(input.isnan().logical_not(), dim, keepdim)
    result = nansum(input, dim, keepdim, dtype=dtype) / count
    return deliver(result, out, castable=True)


def _exclusive_products(x, dim):
    """For each element, the product of all the others along `dim`; zeros are harmless."""
    from .. import cat, ones_like

    one = ones_like(x.narrow(dim, 0, 1))
    n = x.shape[dim]
    before = cat([one, x.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    after = cat([one, x.flip(dim).narrow(dim, 0, n - 1)], dim).cumprod(dim).flip(dim)
    return before * after


def _prod_gradient(g, input, out, dim, keepdim):
    if input.ndim == 0:
        return g
    shape = input.shape
    if not _C.differentiates() and not some(input == 0):
        return restore(g * out.conj(), shape, dim, keepdim) / input.conj()
    if dim is None:
        flat = input.reshape(-1)
        return (g * _exclusive_products(flat, 0).conj()).reshape(shape)
    return restore(g, shape, dim, keepdim) * _exclusive_products(input, dim).conj()


@op("torch.prod Tensor.prod", node="ProdBackward0 ProdBackward1", exact_out=False)
class prod:
    """Multiply elements over `dim` (default: all). Integers and bools multiply in int64."""

    def forward(input, dim=None, keepdim=False, *, dtype=None):
        return _cast(input, dtype, True).prod(_axes(dim), keepdims=keepdim)

    def grad_input(g, input, out, dim, keepdim):
        if input.numel() == 0:
            return input * 0
        return _prod_gradient(g, input, out, dim, keepdim)

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 4), 1
        yield make(3, 4), 0, True


@op("torch.count_nonzero Tensor.count_nonzero")
class count_nonzero:
    """Count the elements over `dim` (default: all) that are not zero."""

    def forward(input, dim=None):
        return np.asarray(np.count_nonzero(input, _axes(dim)), "int64")

    def samples(make):
        yield (make(3, 5, grad=False),)
        yield make(3, 5, grad=False), 1


def _truth(x, result):
    return result.astype("uint8") if x.dtype == "uint8" else result


@op("torch.any Tensor.any")
class any:
    """Whether some element over `dim` (default: all) is not zero."""

    def forward(input, dim=None, keepdim=False):
        axes = dim if dim == () else _axes(dim)  # here () means no dim
        return _truth(input, np.any(input != 0, axes, keepdims=keepdim))

    def samples(make):
        yield (make(3, 5, high=1.9, grad=False),)
        yield make(3, 5, high=1.9, grad=False), 1, True


@op("torch.all Tensor.all")
class all:
    """Whether no element over `dim` (default: all) is zero."""

    def forward(input, dim=None, keepdim=False):
        axes = dim if dim == () else _axes(dim)  # here () means no dim
        return _truth(input, np.all(input != 0, axes, keepdims=keepdim))

    def samples(make):
        yield (make(3, 5, high=1.9, grad=False),)
        yield make(3, 5, high=1.9, grad=False), 0


# -- extremes --------------------------------------------------------------------------------


def share_evenly(g, input, out, dim, keepdim, nans=False):
    """The gradient of an extreme, shared equally between the elements that reach it.

    With `nans` those that are NaN take part; else a result of NaN makes every gradient NaN.
    """
    shape = input.shape
    top = restore(out, shape, dim, keepdim)
    mask = (input == top) | (input.isnan() & top.isnan()) if nans else input == top
    count = mask.sum(None if _axes(dim) is None else dim, True)
    return restore(g, shape, dim, keepdim) / count * mask


def _extreme_samples(make):
    yield (make(3, 5),)
    yield make(3, 5), 1
    yield make(2, 3, 4), (0, 2), True


@op("torch.amax Tensor.amax")
class amax:
    """The largest element over `dim` (default: all); ties share the gradient."""

    def forward(input, dim=(), keepdim=False):
        return input.max(_axes(dim), keepdims=keepdim)

    def grad_input(g, input, out, dim, keepdim):
        return share_evenly(g, input, out, dim or None if type(dim) is not int else dim, keepdim)

    samples = _extreme_samples


@op("torch.amin Tensor.amin")
class amin:
    """The smallest element over `dim` (default: all); ties share the gradient."""

    def forward(input, dim=(), keepdim=False):
        return input.min(_axes(dim), keepdims=keepdim)

    def grad_input(g, input, out, dim, keepdim):
        return share_evenly(g, input, out, dim or None if type(dim) is not int else dim, keepdim)

    samples = _extreme_samples


@op("torch.aminmax Tensor.aminmax", outputs=("min", "max"))
class aminmax:
    """The smallest and the largest element over `dim` (default: all), as (min, max)."""

    def forward(input, *, dim=None, keepdim=False):
        return input.min(dim, keepdims=keepdim), input.max(dim, keepdims=keepdim)

    def grad_input(g, input, min, max, dim, keepdim):
        parts = [
            share_evenly(gradient, input, value, dim, keepdim)
            for gradient, value in zip(g, (min, max), strict=True)
            if gradient is not None
        ]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), {"dim": 1}


@op("", name="max_all", node="MaxBackward1", exact_out=False)
class _max_all:
    """The largest of all elements."""

    def forward(input):
        return input.max()

    def grad_input(g, input, out):
        return share_evenly(g, input, out, None, False, True)

    def samples(make):
        yield (make(3, 5),)


@op("", name="min_all", node="MinBackward1", exact_out=False)
class _min_all:
    """The smallest of all elements."""

    def forward(input):
        return input.min()

    def grad_input(g, input, out):
        return share_evenly(g, input, out, None, False, True)

    def samples(make):
        yield (make(3, 5),)


def put_selected(g, indices, shape, dim, keepdim):
    """The gradient of elements selected along `dim`: g at `indices`, zeros elsewhere."""
    if not len(shape):
        return g
    if not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return g.new_zeros(shape).scatter(dim, indices, g)


def _pair(input, pick, dim, keepdim):
    dim = dim if input.ndim else None
    index = np.asarray(pick(input, axis=dim, keepdims=True))
    values = np.take_along_axis(input, index, dim) if input.ndim else input
    if not keepdim and input.ndim:
        values, index = values.squeeze(dim), index.squeeze(dim)
    return values, index.reshape(values.shape).astype("int64")


def _pair_samples(make):
    yield make(3, 5), 1
    yield make(2, 3, 4), 0, True


@op("", name="max", kernel="max_dim", outputs=("values", "indices"))
class _max_dim:
    """The largest elements along `dim` and where they first occur."""

    def forward(input, dim, keepdim=False):
        return _pair(input, np.argmax, dim, keepdim)

    def grad_input(g, input_shape, indices, dim, keepdim):
        return put_selected(g[0], indices, input_shape, dim, keepdim)

    samples = _pair_samples


@op("", name="min", kernel="min_dim", outputs=("values", "indices"))
class _min_dim:
    """The smallest elements along `dim` and where they first occur."""

    def forward(input, dim, keepdim=False):
        return _pair(input, np.argmin, dim, keepdim)

    def grad_input(g, input_shape, indices, dim, keepdim):
        return put_selected(g[0], indices, input_shape, dim, keepdim)

    samples = _pair_samples


@public("torch.max Tensor.max")
def max(input, dim=None, keepdim=False, *, other=None, out=None, **names):
    """The largest element; with `dim`, (values, indices); with a tensor, element by element."""
    if names:
        dim, keepdim = numpy_names(names, dim, keepdim)
    if dim is None and other is None:
        return _max_all(input) if out is None else _max_all(input, out=out)
    if other is not None or type(dim) is not int:
        from .. import Tensor, maximum

        if other is not None or isinstance(dim, Tensor):
            return maximum(input, dim if other is None else other, out=out)
    return _max_dim(input, dim, keepdim) if out is None else _max_dim(input, dim, keepdim, out=out)


@public("torch.min Tensor.min")
def min(input, dim=None, keepdim=False, *, other=None, out=None, **names):
    """The smallest element; with `dim`, (values, indices); with a tensor, element by element."""
    if names:
        dim, keepdim = numpy_names(names, dim, keepdim)
    if dim is None and other is None:
        return _min_all(input) if out is None else _min_all(input, out=out)
    if other is not None or type(dim) is not int:
        from .. import Tensor, minimum

        if other is not None or isinstance(dim, Tensor):
            return minimum(input, dim if other is None else other, out=out)
    return _min_dim(input, dim, keepdim) if out is None else _min_dim(input, dim, keepdim, out=out)


def _arg_samples(make):
    yield (make(3, 5, grad=False),)
    yield make(3, 5, grad=False), 1
    yield make(2, 3, 4, grad=False), 0, True


@op("torch.argmax Tensor.argmax")
class argmax:
    """The index of the first largest element along `dim` (default: in the flattened input)."""

    def forward(input, dim=None, keepdim=False):
        return np.asarray(np.argmax(input, dim if input.ndim else None, keepdims=keepdim))

    samples = _arg_samples


@op("torch.argmin Tensor.argmin")
class argmin:
    """The index of the first smallest element along `dim` (default: in the flattened input)."""

    def forward(input, dim=None, keepdim=False):
        return np.asarray(np.argmin(input, dim if input.ndim else None, keepdims=keepdim))

    samples = _arg_samples
