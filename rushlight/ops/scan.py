"""Running sums, products and extremes along one dim, and differences."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import conj, op, public
from ._lanes import some
from ._outputs import deliver
from .reduction import _cast


def _reversed_cumsum(x, dim):
    return x.flip(dim).cumsum(dim).flip(dim)


def _samples(make):
    yield make(3, 5), 1
    yield make(2, 3, 4), 0
    yield make(), 0


def _along(x, function, dim):
    return function(x, dim) if x.ndim else x


@op("torch.cumsum Tensor.cumsum Tensor.cumsum_", exact_out=False)
class cumsum:
    """Running sums along `dim`; integers and bools add up in int64."""

    def forward(input, dim, *, dtype=None):
        return _along(_cast(input, dtype, True), np.cumsum, dim)

    def grad_input(g, dim):
        return _reversed_cumsum(g, dim) if g.ndim else g

    samples = _samples


def _cumprod_gradient_by_parts(g, x, dim):
    """Element i: sum over j >= i of g[j] times the product of the others up to j."""
    from .. import cat, ones_like

    parts = []
    n = x.shape[dim]
    for i in range(n):
        rest = [ones_like(x.narrow(dim, 0, 1))]
        if i + 1 < n:
            rest.append(x.narrow(dim, i + 1, n - i - 1))
        products = cat(rest, dim).cumprod(dim)
        if i:
            products = products * x.narrow(dim, 0, i).prod(dim, keepdim=True)
        parts.append((g.narrow(dim, i, n - i) * products.conj()).sum(dim, True))
    return cat(parts, dim)


def _cumprod_gradient(g, x, out, dim):
    zero = x == 0
    if not some(zero):
        return _reversed_cumsum(g * out.conj(), dim) / x.conj()
    # Before the first zero of a slice as usual; at it, with 1 in its place; behind it nothing.
    count = zero.cumsum(dim)
    first = (count == 1) & zero
    without = x.masked_fill(first, 1).cumprod(dim)
    behind = (g * without.conj()).masked_fill(count == 0, 0)
    at_zero = _reversed_cumsum(behind, dim).masked_fill(first.logical_not(), 0)
    usual = _reversed_cumsum(g * out.conj(), dim) / x.masked_fill(zero, 1).conj()
    return usual.masked_fill(count > 0, 0) + at_zero


@op("torch.cumprod Tensor.cumprod Tensor.cumprod_", exact_out=False)
class cumprod:
    """Running products along `dim`; integers and bools multiply in int64."""

    def forward(input, dim, *, dtype=None):
        return _along(_cast(input, dtype, True), np.cumprod, dim)

    def grad_input(g, input, out, dim):
        if input.numel() <= 1:
            return g
        if _C.differentiates() and some(input == 0):
            # Differentiable once more at zeros too.
            return _cumprod_gradient_by_parts(g, input, dim)
        return _cumprod_gradient(g, input, out, dim)

    samples = _samples


def _running(x, better, dim):
    """Values and last positions of the running extreme; a NaN, once met, stays."""
    values, index = np.array(x), np.zeros(x.shape, "int64")
    if not x.ndim:
        return values, index
    v, k = np.moveaxis(values, dim, 0), np.moveaxis(index, dim, 0)
    for i in range(1, len(v)):
        take = np.isnan(v[i]) | (better(v[i], v[i - 1]) & ~np.isnan(v[i - 1]))
        v[i] = np.where(take, v[i], v[i - 1])
        k[i] = np.where(take, i, k[i - 1])
    return values, index


def _spread(g, indices, dim):
    if not g.ndim:
        return g
    from .. import zeros_like

    return zeros_like(g).scatter_add(dim, indices, g)


@op("torch.cummax Tensor.cummax", outputs=("values", "indices"))
class cummax:
    """The largest element so far along `dim`, and where it was last met."""

    def forward(input, dim):
        return _running(input, np.greater_equal, dim)

    def grad_input(g, indices, dim):
        return _spread(g[0], indices, dim)

    samples = _samples


@op("torch.cummin Tensor.cummin", outputs=("values", "indices"))
class cummin:
    """The smallest element so far along `dim`, and where it was last met."""

    def forward(input, dim):
        return _running(input, np.less_equal, dim)

    def grad_input(g, indices, dim):
        return _spread(g[0], indices, dim)

    samples = _samples


@op("torch.logcumsumexp Tensor.logcumsumexp")
class logcumsumexp:
    """log of the running sums of exp along `dim`, without overflow."""

    def forward(input, dim):
        return np.logaddexp.accumulate(input, dim) if input.ndim else input

    def grad_input(g, input, out, dim):
        if input.ndim == 0 or input.numel() == 0:
            return g

        if input.is_complex():
            back = (g.conj().log() - out).flip(dim).logcumsumexp(dim).flip(dim)
            return conj((back + input).exp())
        # exp(x) times the reversed sum of g exp(-out), in logarithms, for each sign of g apart.
        # The lowest finite number stands for log 0: infinities would make NaNs of differences.
        from .. import finfo

        lowest, logs = finfo(g.dtype).min, g.abs().log()
        parts = []
        for other in (g <= 0, g >= 0):
            back = (logs.masked_fill(other, lowest) - out).flip(dim)
            parts.append((back.logcumsumexp(dim).flip(dim) + input).exp())
        return parts[0] - parts[1]

    samples = _samples


@public("torch.diff Tensor.diff")
def diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None):
    """The n-th differences of neighbours along `dim`."""
    from .. import cat

    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    extra = [x for x in (prepend, input, append) if x is not None]
    x = input.clone() if n == 0 else cat(extra, dim) if len(extra) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        size = x.shape[dim]
        high = x.narrow(dim, 1, size - 1) if size else x
        low = x.narrow(dim, 0, size - 1) if size else x
        x = high.logical_xor(low) if x.dtype is _C.bool else high - low
    return deliver(x, out)


def _panels(y, x, dx, dim):
    """Areas of the trapezoids between neighbours along `dim`."""
    sums = y.narrow(dim, 1, y.shape[dim] - 1) + y.narrow(dim, 0, y.shape[dim] - 1)
    if x is None:
        return sums * (dx / 2)
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"trapezoid(): There must be one `x` value for each sample point: got "
                f"{x.shape[0]}, expected {y.shape[dim]}"
            )
        shape = [1] * y.ndim
        shape[dim] = x.shape[0]
        x = x.reshape(shape)
    elif x.ndim < y.ndim:
        x = x.reshape([1] * (y.ndim - x.ndim) + list(x.shape))
    steps = x.narrow(dim, 1, x.shape[dim] - 1) - x.narrow(dim, 0, x.shape[dim] - 1)
    return sums * steps / 2


@public("torch.trapezoid torch.trapz")
def trapezoid(y, x=None, *, dx=1, dim=-1):
    """The integral along `dim` by the trapezoid rule, over `x` or in steps of `dx`."""
    if y.shape[dim] == 0:
        return y.detach().new_zeros([n for d, n in enumerate(y.shape) if d != dim % y.ndim])
    if x is None:
        ends = y.select(dim, 0) + y.select(dim, -1)
        return (y.sum(dim) - ends * 0.5) * dx
    return _panels(y, x, dx, dim).sum(dim)


@public("torch.cumulative_trapezoid")
def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    """Running integrals along `dim` by the trapezoid rule."""
    if y.shape[dim] == 0:
        return y * 0.5  # nothing, in the dtype that areas have
    return _panels(y, x, dx, dim).cumsum(dim)
