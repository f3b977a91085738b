"""Distances between all pairs of rows of two matrices."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public

_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


_LARGE = 1 << 16  # numbers from which matrix products are quicker than the differences


def _differences(x1, x2):
    return x1[..., :, None, :] - x2[..., None, :, :]


@op("", name="cdist")
class cdist_op:
    """The p-norm of every row of x1 less every row of x2; the batches have the same shape."""

    def forward(x1, x2, p):
        size = np.abs(_differences(x1, x2))
        if p == 0:
            return (size != 0).sum(-1).astype(x1.dtype)
        if np.isinf(p):
            return size.max(-1, initial=0)
        return ((size**p).sum(-1) ** (1 / p)).astype(x1.dtype)

    def grad_x1(g, x1, x2, p, out):
        return _gradient(g, x1, x2, p, out)

    def grad_x2(g, x1, x2, p, out):
        return _gradient(g.mT, x2, x1, p, out.mT)

    def samples(make):
        for p in (0.5, 1.0, 1.5, 2.0, 3.0, float("inf")):
            yield make(5, 3), make(4, 3), p
        yield make(2, 7, 5), make(2, 40, 5), 2.0


@op("")
class cdist_backward:
    """The gradient of `cdist` for x1, where the distances are d."""

    def forward(gs, x1, x2, p, d):
        z, g, d = _differences(x1, x2), gs[..., None], d[..., None]
        if p == 1:
            return (g * np.sign(z)).sum(-2)
        if np.isinf(p):
            return (g * np.sign(z) * (np.abs(z) == d)).sum(-2)
        none = (d == 0) | (z == 0)
        ratio = np.abs(np.where(none, 1, z)) / np.where(none, 1, d)
        return np.where(none, 0, g * np.sign(z) * ratio ** (p - 1)).sum(-2).astype(x1.dtype)

    def samples(make):
        for p in (1.0, 2.0, 3.0):
            yield make(4, 3), make(4, 5), make(3, 5), p, make(4, 3, low=0.5, high=2)


@op("", node="Pdist")
class above_diagonal:
    """The elements above the diagonals of square matrices, row by row."""

    def forward(square):
        return square[(..., *np.triu_indices(square.shape[-1], 1))]

    def grad_square(g, square_shape):
        return from_above_diagonal(g, square_shape[-1])

    def samples(make):
        yield (make(4, 4),)
        yield (make(2, 3, 3),)
        yield (make(1, 1),)


@op("")
class from_above_diagonal:
    """The square matrices of n rows whose `above_diagonal` is `runs`; zeros elsewhere."""

    def forward(runs, n):
        square = np.zeros((*runs.shape[:-1], n, n), runs.dtype)
        square[(..., *np.triu_indices(n, 1))] = runs
        return square

    def grad_runs(g):
        return above_diagonal(g)

    def samples(make):
        yield make(6), 4
        yield make(2, 3), 3


def _gradient(g, x1, x2, p, d):
    """The kernel's gradient, or tensor operators where a second derivative is wanted."""
    if p == 0:
        return x1 * 0
    if p == 2 and d.numel() * x1.shape[-1] > _LARGE:
        # sum_j w (x1 - x2) as products; around a common centre, where less cancels.
        centre = x2.detach().mean(-2, keepdim=True)
        weight = g / d.where(d != 0, float("inf"))
        return (x1 - centre) * weight.sum(-1, keepdim=True) - weight @ (x2 - centre)
    if not _C.differentiates():
        return cdist_backward(g, x1, x2, p, d)
    z, g, d = x1.unsqueeze(-2) - x2.unsqueeze(-3), g.unsqueeze(-1), d.unsqueeze(-1)
    if p == 1:
        return (g * z.sign()).sum(-2)
    if p == float("inf"):
        return (g * z.sign() * (z.abs() == d)).sum(-2)
    none = (d == 0) | (z == 0)
    ratio = z.where(~none, 1.0).abs() / d.where(d != 0, 1.0)
    return (g * z.sign() * ratio ** (p - 1)).where(~none, 0.0).sum(-2)


@public("torch.cdist")
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances (*, P, R) of the rows of x1 (*, P, M) and of x2 (*, R, M).

    Near points keep their digits in every mode: products stand for differences only where nothing
    cancels.
    """
    from .. import broadcast_shapes, float32, float64

    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}")
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if not p >= 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if x1.dtype != x2.dtype:
        raise RuntimeError(f"cdist: expected scalar type {x1.dtype} but found {x2.dtype}")
    if x1.dtype not in (float32, float64):
        raise NotImplementedError(f"\"cdist\" not implemented for '{x1.dtype}'")
    batch = tuple(broadcast_shapes(x1.shape[:-2], x2.shape[:-2]))
    x1 = x1.expand(*batch, *x1.shape[-2:])
    return cdist_op(x1, x2.expand(*batch, *x2.shape[-2:]), float(p))
