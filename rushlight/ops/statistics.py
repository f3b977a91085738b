"""Variance and deviation, medians, quantiles and other order statistics."""

from __future__ import annotations

from .._lazy import np
from .._warn import warn
from ..op import op, public
from ._lanes import some
from ._outputs import deliver
from .reduction import _axes, numel_of, numpy_names, put_selected, restore, share_evenly

# -- variance --------------------------------------------------------------------------------


def _variance(x, dim, correction, keepdim):
    axes = _axes(dim)
    mean = x.mean(axes, keepdims=True)
    count = x.size / mean.size if mean.size else 0
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (np.abs(x - mean) ** 2).sum(axes, keepdims=keepdim)
        return squares / np.float64(max(count - correction, 0)).astype(squares.dtype)


def _var_gradient(g, input, dim, correction, keepdim):
    shape = input.shape
    freedom = numel_of(shape, dim) - correction
    scale = 2.0 / freedom if freedom > 0 else float("inf") if freedom < 0 else float("nan")
    every = None if _axes(dim) is None else dim
    return restore(g, shape, every, keepdim) * (scale * (input - input.mean(dim, True)))


def _std_gradient(g, input, out, dim, correction, keepdim):
    g = (g / (out * 2)).masked_fill(out == 0, 0)
    return _var_gradient(g, input, dim, correction, keepdim)


def _mean_gradient(g, shape, dim, keepdim):
    every = None if _axes(dim) is None else dim
    return restore(g / numel_of(shape, dim), shape, every, keepdim).expand(shape)


def _variance_samples(make):
    yield make(3, 5), None, 1, False
    yield make(3, 5), 1, 0, True
    yield make(2, 3, 4), (0, 2), 1, False


@op("", name="var", exact_out=False)
class _var:
    """Variance over `dim`: squared deviations divided by n - correction."""

    def forward(input, dim=None, correction=1, keepdim=False):
        return _variance(input, dim, correction, keepdim)

    def grad_input(g, input, dim, correction, keepdim):
        return _var_gradient(g, input, dim, correction, keepdim)

    samples = _variance_samples


@op("", name="std", exact_out=False)
class _std:
    """Standard deviation over `dim`."""

    def forward(input, dim=None, correction=1, keepdim=False):
        return np.sqrt(_variance(input, dim, correction, keepdim))

    def grad_input(g, input, out, dim, correction, keepdim):
        return _std_gradient(g, input, out, dim, correction, keepdim)

    samples = _variance_samples


@op("", name="var_mean", outputs="tuple")
class _var_mean:
    """(variance, mean) over `dim`."""

    def forward(input, dim=None, correction=1, keepdim=False):
        return (
            _variance(input, dim, correction, keepdim),
            input.mean(_axes(dim), keepdims=keepdim),
        )

    def grad_input(g, input, dim, correction, keepdim):
        first = g[0] is not None and _var_gradient(g[0], input, dim, correction, keepdim)
        if g[1] is None:
            return first
        second = _mean_gradient(g[1], input.shape, dim, keepdim)
        return second if first is False else first + second

    samples = _variance_samples


@op("", name="std_mean", outputs="tuple")
class _std_mean:
    """(standard deviation, mean) over `dim`."""

    def forward(input, dim=None, correction=1, keepdim=False):
        return (
            np.sqrt(_variance(input, dim, correction, keepdim)),
            input.mean(_axes(dim), keepdims=keepdim),
        )

    def grad_input(g, input, out, dim, correction, keepdim):
        first = g[0] is not None and _std_gradient(g[0], input, out, dim, correction, keepdim)
        if g[1] is None:
            return first
        second = _mean_gradient(g[1], input.shape, dim, keepdim)
        return second if first is False else first + second

    samples = _variance_samples


def _front(operator):
    """PyTorch's overloads: (unbiased), (dim, unbiased, keepdim), (dim, correction=, keepdim=)."""

    def call(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None, **names):
        if names:
            dim, keepdim = numpy_names(names, dim, keepdim)
        if dim is True or dim is False:
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        elif unbiased is not None:
            raise TypeError("give correction or unbiased, not both")
        if out is None:
            result = operator(input, dim, correction, keepdim)
        else:
            result = operator(input, dim, correction, keepdim, out=out)
        first = result[0] if type(result) is tuple else result
        if input.numel() <= correction * first.numel():
            warn(
                f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than "
                "the reduction factor (input numel divided by output numel)."
            )
        return result

    name = operator.__qualname__.lstrip("_")
    call.__name__ = call.__qualname__ = operator.__qualname__
    call.__doc__ = operator.__doc__
    return call


var = public("torch.var Tensor.var")(_front(_var))
std = public("torch.std Tensor.std")(_front(_std))
var_mean = public("torch.var_mean")(_front(_var_mean))
std_mean = public("torch.std_mean")(_front(_std_mean))


# -- order statistics -------------------------------------------------------------------------


def _pick(x, position, dim, keepdim, first=True):
    """Values at positions along `dim`, and where they stand (first, among equal ones)."""
    index = np.expand_dims(np.asarray(position), dim) if x.ndim else np.asarray(0)
    values = np.take_along_axis(x, index, dim) if x.ndim else x
    if first and x.ndim:
        index = ((x == values) | ((x != x) & (values != values))).argmax(dim, keepdims=True)
    if not keepdim and x.ndim:
        values, index = values.squeeze(dim), index.squeeze(dim)
    return values, index.astype("int64")


def _median_position(x, dim):
    """Where the lower median stands; the first NaN if there is one."""
    order = np.argsort(x, axis=dim, kind="stable")
    middle = np.take(order, (x.shape[dim] - 1) // 2, axis=dim)
    nan = np.isnan(x)
    return np.where(nan.any(dim), nan.argmax(dim), middle)


def _nanmedian_position(x, dim):
    order = np.argsort(x, axis=dim, kind="stable")
    count = np.expand_dims((~np.isnan(x)).sum(dim), dim)
    return np.take_along_axis(order, np.maximum(count - 1, 0) // 2, dim).squeeze(dim)


def _selected_gradient(g, indices, input_shape, dim, keepdim):
    return put_selected(g[0], indices, input_shape, dim, keepdim)


def _all_gradient(g, input, out):
    return share_evenly(g, input, out, None, False, True)


@op("", name="median_all", node="MedianBackward0")
class _median_all:
    """The lower median of all elements; NaN if there is one."""

    def forward(input):
        x = input.reshape(-1)
        return x[_median_position(x, 0)] if x.size else np.asarray(np.nan, x.dtype)

    grad_input = _all_gradient

    def samples(make):
        yield (make(3, 5),)


@op("", name="nanmedian_all", node="NanmedianBackward0")
class _nanmedian_all:
    """The lower median of all elements that are not NaN."""

    def forward(input):
        x = input.reshape(-1)
        return x[_nanmedian_position(x, 0)] if x.size else np.asarray(np.nan, x.dtype)

    grad_input = _all_gradient

    def samples(make):
        yield (make(3, 5),)


def _median_samples(make):
    yield make(3, 5), 1
    yield make(2, 3, 4), 0, True


@op("", name="median", kernel="median_dim", node="MedianBackward1", outputs=("values", "indices"))
class _median_dim:
    """The lower medians along `dim` and where they stand; NaN where a slice has one."""

    def forward(input, dim, keepdim=False):
        return _pick(input, _median_position(input, dim), dim, keepdim)

    grad_input = _selected_gradient
    samples = _median_samples


@op(
    "",
    name="nanmedian",
    kernel="nanmedian_dim",
    node="NanmedianBackward1",
    outputs=("values", "indices"),
)
class _nanmedian_dim:
    """The lower medians along `dim` of what is not NaN, and where they stand."""

    def forward(input, dim, keepdim=False):
        return _pick(input, _nanmedian_position(input, dim), dim, keepdim)

    grad_input = _selected_gradient
    samples = _median_samples


@public("torch.median Tensor.median")
def median(input, dim=None, keepdim=False, *, out=None, **names):
    """The lower median of all elements, or (values, indices) along `dim`."""
    if names:
        dim, keepdim = numpy_names(names, dim, keepdim)
    if dim is None:
        return _median_all(input, out=out)
    return _median_dim(input, dim, keepdim, out=out)


@public("torch.nanmedian Tensor.nanmedian")
def nanmedian(input, dim=None, keepdim=False, *, out=None, **names):
    """The lower median of what is not NaN, or (values, indices) along `dim`."""
    if names:
        dim, keepdim = numpy_names(names, dim, keepdim)
    if dim is None:
        return _nanmedian_all(input, out=out)
    return _nanmedian_dim(input, dim, keepdim, out=out)


@op("torch.kthvalue Tensor.kthvalue", outputs=("values", "indices"))
class kthvalue:
    """The k-th smallest element along `dim` (k counts from 1) and where it stands."""

    def forward(input, k, dim=-1, keepdim=False):
        if input.ndim == 0:
            return input, np.asarray(0)
        position = np.take(np.argsort(input, axis=dim, kind="stable"), k - 1, axis=dim)
        return _pick(input, position, dim, keepdim)

    grad_input = _selected_gradient

    def samples(make):
        yield make(3, 5), 2
        yield make(3, 5), 1, 0, True


def _mode_position(row):
    values, counts = np.unique(row, return_counts=True)
    return np.flatnonzero(row == values[counts.argmax()])[-1]


@op("torch.mode Tensor.mode", outputs=("values", "indices"))
class mode:
    """The most frequent element along `dim` (the smallest of several) and where it stands."""

    def forward(input, dim=-1, keepdim=False):
        if input.ndim == 0:
            return input, np.asarray(0)
        lines = np.moveaxis(input, dim, -1)
        if not lines.shape[-1]:
            raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
        found = [_mode_position(row) for row in lines.reshape(-1, lines.shape[-1])]
        position = np.asarray(found, np.int64).reshape(lines.shape[:-1])
        return _pick(input, position, dim, keepdim, False)

    grad_input = _selected_gradient

    def samples(make):
        yield (make(3, 5),)
        yield make(3, 5), 0, True


# -- quantiles -------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name, input, q, dim, interpolation):
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if not input.is_floating_point() or input.dtype.itemsize < 4:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if isinstance(q, (int, float)):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {q.ndim} dims")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if some(~((q >= 0) & (q <= 1))):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")


def _quantile(name, input, q, dim, keepdim, interpolation, skip_nan):
    from .. import Tensor, lerp, tensor

    _check_quantile(name, input, q, dim, interpolation)
    if not isinstance(q, Tensor):
        q = tensor(float(q), dtype=input.dtype, device=input.device)
    scalar = q.ndim == 0
    shape = [1] * input.ndim
    if dim is not None and input.ndim:
        shape = list(input.shape)
        shape[dim] = 1
        rows = input.movedim(dim, -1)
    else:
        rows = input.reshape(-1)
    ordered = rows.sort(-1).values  # NaN last
    last = ordered.shape[-1] - 1
    nan = ordered.isnan()
    if skip_nan:
        count = nan.logical_not().sum(-1, True).to(q.dtype)
        ranks = (q * (count - 1)).clamp(min=0)
    else:
        ranks = (q.reshape(-1) * last).expand(*ordered.shape[:-1], q.numel())
        ranks = ranks.masked_fill(nan.any(-1, True), last)  # a slice with NaN ends in NaN
    if interpolation in ("lower", "higher", "nearest"):
        round_to = {"lower": "floor", "higher": "ceil", "nearest": "round"}[interpolation]
        values = ordered.gather(-1, getattr(ranks, round_to)().long())
    else:
        below = ranks.floor()
        weight = (ranks - below) if interpolation == "linear" else (ranks > below) * 0.5
        low = ordered.gather(-1, below.long())
        high = ordered.gather(-1, ranks.ceil().long())
        values = lerp(low, high, weight.to(low.dtype))
    values = values.movedim(-1, 0)
    if keepdim:
        values = values.reshape([values.shape[0], *shape])
    return values.squeeze(0) if scalar else values


@public("torch.quantile Tensor.quantile")
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """The q-th quantiles (0 to 1) along `dim` (default: of all); a NaN makes its slice NaN."""
    result = _quantile("quantile", input, q, dim, keepdim, interpolation, False)
    return deliver(result, out)


@public("torch.nanquantile Tensor.nanquantile")
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """The q-th quantiles (0 to 1) along `dim` (default: of all) of what is not NaN."""
    result = _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
    return deliver(result, out)
