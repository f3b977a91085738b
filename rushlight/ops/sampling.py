"""Sampling images at given places (Jaderberg et al. 2015): values and gradients.

`sampled` says what is meant, for arrays and for tensors alike: it is the specification of the
kernels, and, since it can be differentiated to any order, the derivative of their gradients.
"""

from __future__ import annotations

from itertools import product

from .. import _C
from .._lazy import np
from ..op import op

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def sampled(m, input, grid, mode, padding, corners):
    """Values of (N, C, sizes...) at places (N, ..., dims); m is NumPy or rushlight."""
    sizes = tuple(input.shape[2:])
    batch, channels = input.shape[:2]
    rows = input.reshape((batch, channels, -1)).swapaxes(1, 2)
    # The grid names x first; the sizes have it last.
    axes = [grid[..., i].reshape((batch, -1)) for i in reversed(range(len(sizes)))]
    nan_places = [0 if len(sizes) == 2 else size - 1 for size in sizes]
    how = mode, padding, corners
    taps = [_taps(m, x, *of, *how) for x, *of in zip(axes, sizes, nan_places, strict=True)]
    total = 0
    for corner in product(*taps):
        index, inside, weight = 0, True, 1
        for (place, factor), size in zip(corner, sizes, strict=True):
            valid = (place >= 0) & (place < size)
            index = index * size + m.where(valid, place, 0)
            inside, weight = inside & valid, weight * factor
        if len(sizes) == 3:  # in a plane a place that is NaN gives NaN, in a volume 0
            weight = m.where(inside, weight, 0)
        sample = m.arange(batch).reshape((-1, 1))
        places = index.long() if isinstance(index, _C.Tensor) else index.astype(np.int64)
        values = rows[sample, places]
        weight = weight * m.ones_like(index)
        total = total + m.where(inside[..., None], values, 0) * weight[..., None]
    return total.swapaxes(1, 2).reshape((batch, channels, *grid.shape[1:-1]))


def _taps(m, x, size, nan_place, mode, padding, corners):
    """(place, weight) of each element that counts along one axis."""
    x = (x + 1) / 2 * (size - 1) if corners else ((x + 1) * size - 1) / 2
    how = size, nan_place, padding, corners
    if mode == 2:
        low = m.floor(x)
        weights = cubic_weights(x - low)
        return [(_kept_inside(m, low + k - 1, *how), w) for k, w in enumerate(weights)]
    x = _kept_inside(m, x, *how)
    if mode == 1:
        return [(m.round(x), 1)]
    low = m.floor(x)
    return [(low, 1 - (x - low)), (low + 1, x - low)]


def cubic_weights(t, a=-0.75):
    """Keys' weights of the four neighbours at a fraction t past the second."""

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _kept_inside(m, x, size, nan_place, padding, corners):
    """Places outside brought back as the padding says; with zeros they stay outside."""
    if padding == 0:
        return x
    if padding == 2:
        x = _reflected(m, x, size, corners)
    x = m.where(x == x, x, nan_place)
    x = m.where(x > 0, x, 0)  # not clip: at the very border there is no slope
    return m.where(x < size - 1, x, size - 1)


def _reflected(m, x, size, corners):
    low, span = (0, size - 1) if corners else (-0.5, size)
    if span == 0:
        return m.zeros_like(x)
    distance = abs(x - low)
    flips = m.floor(distance / span)
    extra = distance - flips * span
    return m.where(flips - 2 * m.floor(flips / 2) == 0, extra + low, span - extra + low)


def _wide(*arrays):
    """Half precision is sampled in single."""
    return [a.astype(np.float32) if a.dtype == np.float16 else a for a in arrays]


def _differentiable(tensors, grad):
    """The values of a function of tensors with a graph behind it, whatever asks for it now."""
    before = _C.set_grad_enabled(True)
    try:
        return grad([_on_tape(t) for t in tensors])
    finally:
        _C.set_grad_enabled(before)


def _on_tape(t):
    return t if t.requires_grad and _C.on_tape(t) else _C.fresh_input(t, True, True)


def _second_gradient(g, tensors, how, needs):
    """The derivative of the gradients: those of `sampled`, differentiated once more."""
    import rushlight as torch

    create = _C.differentiates()

    def grad(leaves):
        upstream, *inputs = leaves
        out = sampled(torch, *inputs, *how)
        first = torch.autograd.grad(out, inputs, upstream, create_graph=True, allow_unused=True)
        pairs = [(a, b) for a, b in zip(first, g, strict=True) if a is not None and b is not None]
        found = (None,) * 3
        if pairs:
            outputs, weights = zip(*pairs, strict=True)
            found = torch.autograd.grad(
                outputs, leaves, weights, create_graph=create, allow_unused=True
            )
        return tuple(
            None if not needed else torch.zeros_like(t) if f is None else f
            for f, t, needed in zip(found, leaves, needs, strict=True)
        )

    return _differentiable(tensors, grad)


def _declare(dims):
    """The operator for planes or volumes, and its gradient."""
    name, node = f"grid_sampler_{dims}d", f"GridSampler{dims}D"

    @op("", name=f"{name}_backward", kernel="grid_sampler_backward", outputs="tuple",
        node=f"{node}Backward", differentiable=("grad", "input", "grid"))  # fmt: skip
    class backward_of:
        """The gradients of grid_sampler's input and grid; of no elements where not wanted."""

        def forward(
            grad, input, grid, interpolation_mode, padding_mode, align_corners, to_input, to_grid
        ):
            return _reference_gradients(
                grad,
                input,
                grid,
                interpolation_mode,
                padding_mode,
                align_corners,
                to_input,
                to_grid,
            )

        def backward(g, grad, input, grid, interpolation_mode, padding_mode, align_corners, needs):
            how = interpolation_mode, padding_mode, align_corners
            return _second_gradient(g, (grad, input, grid), how, needs)

        def samples(make):
            shape, places = _shapes(dims)
            for mode, padding, corners in _settings(dims):
                where = make(2, *places, dims, low=-1.4, high=1.4)
                how = mode, padding, corners, True, True
                yield make(2, 2, *places), make(2, 2, *shape), where, *how

    @op("", name=name, kernel="grid_sampler", node=node, differentiable=("input", "grid"))
    class sampler:
        """Values at places in [-1, 1]; modes and paddings by their numbers in MODES, PADDINGS."""

        def forward(input, grid, interpolation_mode, padding_mode, align_corners):
            x, places = _wide(input, grid)
            how = interpolation_mode, padding_mode, align_corners
            return sampled(np, x, places, *how).astype(input.dtype)

        def backward(g, input, grid, interpolation_mode, padding_mode, align_corners, needs):
            found = backward_of(
                g, input, grid, interpolation_mode, padding_mode, align_corners, *needs
            )
            return tuple(f if needed else None for f, needed in zip(found, needs, strict=True))

        def samples(make):
            shape, places = _shapes(dims)
            for how in _settings(dims):
                yield make(2, 2, *shape), make(2, *places, dims, low=-1.4, high=1.4), *how

    return sampler


def _shapes(dims):
    return ((3, 4), (5, 2)) if dims == 2 else ((3, 2, 4), (3, 1, 2))


def _settings(dims):
    """Every mode with every padding, by turns with corners aligned and not."""
    for i, (mode, padding) in enumerate(product(range(3 if dims == 2 else 2), range(3))):
        yield mode, padding, i % 2 == 0


def _reference_gradients(grad, input, grid, mode, padding, corners, to_input, to_grid):
    """`sampled` transposed, element by element, and its differences: slow, for checking."""
    g, x, places = (a.astype(np.float64) for a in (grad, input, grid))
    by_input, by_grid = np.zeros(0), np.zeros(0)
    if to_input:
        by_input = np.zeros(x.shape)
        for at in np.ndindex(x.shape):
            unit = np.zeros(x.shape)
            unit[at] = 1
            by_input[at] = (g * sampled(np, unit, places, mode, padding, corners)).sum()
    if to_grid:
        by_grid, step = np.zeros(places.shape), 1e-6
        for axis in range(places.shape[-1] if mode != 1 else 0):
            move = np.zeros(places.shape[-1])
            move[axis] = step
            up, down = (
                sampled(np, x, places + move * sign, mode, padding, corners) for sign in (1, -1)
            )
            by_grid[..., axis] = (g * (up - down)).sum(1) / (2 * step)
    return by_input.astype(input.dtype), by_grid.astype(input.dtype)


grid_sampler_2d, grid_sampler_3d = _declare(2), _declare(3)
