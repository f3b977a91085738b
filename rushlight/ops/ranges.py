"""Making tensors from ranges: arange, linspace, eye, triangle indices, powers.

The work is in csrc/cpu/creation.cpp; see creation.py for `device` and `layout`.
"""

from __future__ import annotations

from .. import _C
from .._device import check_device
from ..op import public
from .creation import _full, _into

Tensor = _C.Tensor


@public("torch.arange")
def arange(
    start=None,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
) -> Tensor:
    """start, start + step, ... up to but not including `end`: arange(end) or arange(start, end).

    int64 when all three are integers, else the default float type.
    """
    if device is not None:
        check_device(device)
    if end is None:
        if start is None:
            raise TypeError("arange() received an invalid combination of arguments - got ()")
        start, end = 0, start
    elif start is None:
        start = 0
    if out is None:
        return _C.arange(start, end, step, dtype, requires_grad)
    return _into(out, _C.arange(start, end, step, out.dtype, False), dtype)


@public("torch.range")
def range_(
    start=0,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
) -> Tensor:
    """start, start + step, ... up to and including `end`. Deprecated: use arange."""
    import warnings

    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its "
        "behavior is inconsistent with Python's range builtin. Instead, use "
        "torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = int((end - start) / step) + 1
    target = dtype or (_C.get_default_dtype() if out is None else out.dtype)
    steps = _C.arange(0, count, 1, _C.float64, False)
    made = (steps * step + start).to(target)
    made = made if out is None else _into(out, made)
    return made.requires_grad_() if requires_grad else made


def _in_lanes(*ends):
    return any(isinstance(x, Tensor) and _C.level_of(x) is not None for x in ends)


def _spaced(start, end, steps, dtype):
    """linspace by tensor operators, where its ends differ from lane to lane of a vmap."""
    dtype = dtype or _C.get_default_dtype()
    start, end = (x.to(dtype) if isinstance(x, Tensor) else x for x in (start, end))
    places = _C.linspace(0, steps - 1, steps, dtype, False)
    step = (end - start) / max(steps - 1, 1)
    from .indexing import where

    return where(places < steps // 2 + steps % 2, start + step * places,
                 end - step * (steps - 1 - places))  # fmt: skip


@public("torch.linspace")
def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    if device is not None:
        check_device(device)
    if _in_lanes(start, end):
        return _spaced(start, end, steps, dtype)
    if out is None:
        return _C.linspace(start, end, steps, dtype, requires_grad)
    return _into(out, _C.linspace(start, end, steps, out.dtype, False), dtype)


@public("torch.logspace")
def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
) -> Tensor:
    """`steps` numbers evenly spaced in the exponent, from base**start to base**end."""
    if device is not None:
        check_device(device)
    if _in_lanes(start, end):
        return base ** _spaced(start, end, steps, dtype)
    if out is None:
        return _C.logspace(start, end, steps, base, dtype, requires_grad)
    return _into(out, _C.logspace(start, end, steps, base, out.dtype, False), dtype)


@public("torch.eye")
def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
) -> Tensor:
    """Ones on the diagonal of an n x m matrix of zeros; m defaults to n."""
    if device is not None:
        check_device(device)
    made = _C.eye(n, n if m is None else m, dtype if out is None else out.dtype, requires_grad)
    return made if out is None else _into(out, made, dtype)


@public("torch.tril_indices")
def tril_indices(
    row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=False
) -> Tensor:
    """Positions of the lower triangle of a row x col matrix: (2, count)."""
    if device is not None:
        check_device(device)
    return _C.triangle_indices(row, col, offset, False, dtype)


@public("torch.triu_indices")
def triu_indices(
    row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=False
) -> Tensor:
    """Positions of the upper triangle of a row x col matrix: (2, count)."""
    if device is not None:
        check_device(device)
    return _C.triangle_indices(row, col, offset, True, dtype)


@public("torch.vander")
def vander(x: Tensor, N=None, increasing=False) -> Tensor:
    """Powers of a vector as columns, highest first unless `increasing`: (n, N)."""
    from .join import cat

    if x.dim() != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, but got {x.dim()} dimensions")
    n = x.numel() if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative")
    if n == 0:
        return x.new_empty(x.numel(), 0)
    first = _full((x.numel(), 1), 1.0, _C.result_type(x, 1), False)
    if n > 1:
        powers = x.unsqueeze(1).expand(x.numel(), n - 1).cumprod(1)
        first = cat([first, powers], 1)
    return first if increasing else first.flip(1)
