"""torch.gradient: finite differences over even or uneven points."""

from __future__ import annotations

from .. import _C
from ..op import public

Tensor = _C.Tensor


def _fail(what):
    raise RuntimeError(f"torch.gradient expected {what}")


def _steps(input, spacing, dims):
    """One step width (a number) or coordinate tensor per dim."""
    if spacing is None:
        spacing = 1
    if getattr(spacing, "shape", None) == ():  # a tensor or a number of NumPy's
        spacing = spacing.item()
    if isinstance(spacing, (int, float, complex)):
        return [spacing] * len(input.shape if dims is None else dims)
    if not isinstance(spacing, (list, tuple)) or not all(
        isinstance(s, (int, float, complex, Tensor)) for s in spacing
    ):
        raise TypeError(
            "gradient() received an invalid combination of arguments: spacing must be a number, "
            f"a list of numbers or a list of tensors, got {type(spacing).__name__}"
        )
    if dims is None and len(spacing) != input.dim():
        _fail(
            "spacing to be unspecified, a scalar, or a list of length equal to 'self.dim() = "
            f"{input.dim()}', since dim argument was not given, but got a list of length "
            f"{len(spacing)}"
        )
    if dims is not None and len(spacing) != len(dims):
        _fail(
            "spacing to be unspecified, a scalar or it's spacing and dim arguments to have the "
            f"same length, but got a spacing argument of length {len(spacing)} and a dim argument "
            f"of length {len(dims)}."
        )
    for s in spacing:
        if isinstance(s, Tensor) and s.dim() != 1:
            _fail(
                "each element of spacing to have one dimension, but got an element with "
                f"{s.dim()} dimensions!"
            )
    return list(spacing)


def _dims(input, dim):
    """The dims to differentiate along, checked."""
    dims = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    found = []
    for d in dims:
        if not -input.dim() <= d < input.dim():
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[{-input.dim()}, {input.dim() - 1}], but got {d})"
            )
        if d % input.dim() in found:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        found.append(d % input.dim())
    return found


def _even(x, dim, step, edge_order):
    """Central differences inside; differences of first or second order at both ends."""
    n = x.shape[dim]

    def at(i):
        return x.narrow(dim, i % n, 1)

    middle = (x.narrow(dim, 2, n - 2) - x.narrow(dim, 0, n - 2)) / (2 * step) if n > 2 else None
    if edge_order == 1:
        first, last = (at(1) - at(0)) / step, (at(-1) - at(-2)) / step
    else:
        first = (-1.5 * at(0) + 2 * at(1) - 0.5 * at(2)) / step
        last = (0.5 * at(-3) - 2 * at(-2) + 1.5 * at(-1)) / step
    return [p for p in (first, middle, last) if p is not None]


def _uneven(x, dim, points, edge_order):
    """Second-order differences from the Taylor expansion around each point."""
    n = x.shape[dim]
    if len(points) != n:
        _fail(f"as many coordinates as there are elements along dim {dim}: got {len(points)}, {n}")
    gaps = points.diff().reshape([-1] + [1] * (x.dim() - dim - 1))

    def at(i):
        return x.narrow(dim, i % n, 1)

    parts = []
    if n > 2:
        a, b = gaps[:-1], gaps[1:]
        left, here, right = (x.narrow(dim, i, n - 2) for i in range(3))
        inside = -b / (a * (a + b)) * left + (b - a) / (a * b) * here + a / (b * (a + b)) * right
        parts.append(inside)
    if edge_order == 1:
        first, last = (at(1) - at(0)) / gaps[0], (at(-1) - at(-2)) / gaps[-1]
    else:
        a, b = gaps[0], gaps[1]
        first = (
            -(2 * a + b) / (a * (a + b)) * at(0)
            + (a + b) / (a * b) * at(1)
            - a / (b * (a + b)) * at(2)
        )
        a, b = gaps[-2], gaps[-1]
        last = (
            b / (a * (a + b)) * at(-3)
            - (a + b) / (a * b) * at(-2)
            + (a + 2 * b) / (b * (a + b)) * at(-1)
        )
    return [first, *parts, last]


@public("torch.gradient")
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Estimates of the derivative along each dim, as a tuple of tensors.

    `spacing` is the distance of neighbours: one number, a number per dim, or per dim a tensor of
    coordinates. `edge_order` (1 or 2) is the order of the differences at the ends.
    """
    dims = _dims(input, dim)
    steps = _steps(input, spacing, None if dim is None else dims)
    if input.dtype is _C.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if any(input.shape[d] < edge_order + 1 for d in dims):
        _fail("each dimension size to be at least edge_order+1")
    from .. import cat

    found = []
    for d, step in zip(dims, steps, strict=True):
        parts = _uneven if isinstance(step, Tensor) else _even
        found.append(cat(parts(input, d, step, edge_order), d))
    return tuple(found)
