"""Counting: bincount and histograms."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public, return_type
from ._lanes import one_by_one, zeros_for
from ._outputs import deliver
from .sorting import searchsorted

Tensor = _C.Tensor


@op("torch.bincount Tensor.bincount")
class bincount:
    """How often each non-negative integer occurs, or the sum of its weights."""

    def forward(input, weights=None, minlength=0):
        if input.size == 0:  # the weights' dtype does not matter then
            return np.zeros(max(minlength, 0), np.int64)
        return np.bincount(input, weights, minlength)

    def samples(make):
        yield (make(8, dtype="int64", low=0, high=5),)
        yield make(8, dtype="int64", low=0, high=5), make(8, grad=False), 7


@op("torch.histc Tensor.histc")
class histc:
    """Counts of elements in equal bins between min and max (of the data when both are 0)."""

    def forward(input, bins=100, min=0, max=0):
        if min == max and input.size:
            min, max = input.min(), input.max()
        if min == max:
            min, max = min - 1, max + 1
        return np.histogram(input, bins, (min, max))[0].astype(input.dtype)

    def samples(make):
        yield make(20, grad=False), 5, -1, 1
        yield make(20, grad=False), 7


_histogram_type = return_type("histogram", ("hist", "bin_edges"))
_histogramdd_type = return_type("histogramdd", ("hist", "bin_edges"))


def _bin_edges(x, bins, range):
    """Edges of `bins` equal bins over the data, or over `range`."""
    if range is not None:
        low, high = range
    else:
        low, high = (x.min().item(), x.max().item()) if x.numel() else (0.0, 1.0)
    if not (low - low == 0 and high - high == 0):
        raise RuntimeError(f"torch.histogramdd(): range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histogramdd(): max must be larger than min")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return _C.linspace(low, high, bins + 1, x.dtype, False)


def _bin_of(x, edges):
    """(bin of each element, whether it lies in any): the last bin holds its upper edge."""
    at = searchsorted(edges, x.contiguous(), right=True) - 1
    inside = (x >= edges[0]) & (x <= edges[-1])
    return at.clamp_(0, edges.numel() - 2), inside


def _binned(x, bins, range, weight, density):
    """(hist, edges of each column) of points (n, columns)."""
    columns = x.size(1)
    if isinstance(bins, int):
        bins = [bins] * columns
    if len(bins) != columns:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension "
            f"of the input. Got {len(bins)} and {columns}."
        )
    edges, shape, flat, inside = [], [], 0, True
    for k, wanted in enumerate(bins):
        span = None if range is None else range[2 * k : 2 * k + 2]
        line = x[:, k]
        own = wanted if isinstance(wanted, Tensor) else _bin_edges(line, wanted, span)
        at, ok = _bin_of(line, own)
        flat, inside = flat * (own.numel() - 1) + at, ok & inside
        edges.append(own)
        shape.append(own.numel() - 1)
    share = x.new_ones(x.size(0)) if weight is None else weight.detach().reshape(-1).to(x.dtype)
    count = 1
    for n in shape:
        count *= n
    hist = zeros_for(x, count, flat).scatter_add_(0, flat, share * inside).reshape(shape)
    if density:
        hist = hist / hist.sum()
        for k, own in enumerate(edges):
            wide = [1] * columns
            wide[k] = -1
            hist = hist / (own[1:] - own[:-1]).reshape(wide)
    return hist, edges


def _check_real(name, input):
    if not input.is_floating_point():
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{input.dtype}'")


@public("torch.histogram Tensor.histogram")
def histogram(input: Tensor, bins, *, range=None, weight=None, density: bool = False, out=None):
    """(hist, bin_edges): counts (or weights) in equal bins, or between given edges."""
    _check_real("histogram", input)
    if _C.level_of(input) is not None and out is None:
        alone = lambda x, w: tuple(  # noqa: E731
            histogram(x, bins, range=range, weight=w, density=density)
        )
        return _histogram_type(one_by_one(alone, input, weight))
    hist, (edges,) = _binned(input.detach().reshape(-1, 1), [bins], range, weight, density)
    return deliver(_histogram_type((hist, edges)), out)


@public("torch.histogramdd")
def histogramdd(input: Tensor, bins, *, range=None, weight=None, density: bool = False):
    """(hist, bin_edges) of points (..., columns): a histogram with one dim for every column."""
    _check_real("histogramdd", input)
    if input.dim() < 2:
        raise RuntimeError("torch.histogramdd(): input tensor should have at least 2 dimensions")
    points = input.detach().reshape(-1, input.size(-1))
    hist, edges = _binned(points, bins, range, weight, density)
    return _histogramdd_type((hist, tuple(edges)))
