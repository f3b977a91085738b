"""Arrays made from nothing, from numbers, and from other arrays' shapes."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .dtypes import result_type

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    """Numbers from `start` (or 0) below `stop` by `step`."""
    if stop is None:
        start, stop = 0, start
    if (step > 0 and stop <= start) or (step < 0 and stop >= start):
        if dtype is None:
            whole = all(isinstance(n, int) for n in (start, stop, step))
            dtype = torch.int64 if whole else torch.get_default_dtype()
        return torch.empty(0, dtype=dtype, device=device)
    return torch.arange(start, stop, step, dtype=dtype, device=device)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """An array of numbers, nested sequences, another array or a buffer."""
    if isinstance(obj, Tensor) and copy is False and dtype not in (None, obj.dtype):
        raise ValueError(f"asarray: {dtype} needs a copy of {obj.dtype}, but copy=False")
    return torch.asarray(obj, dtype=dtype, device=device, copy=copy)


def from_dlpack(x, /, *, device=None, copy=None):
    """An array over the memory of another library's."""
    return torch.from_dlpack(x, device=device, copy=copy)


def empty(shape, *, dtype=None, device=None):
    """An array whose elements are not set."""
    return torch.empty(shape, dtype=dtype, device=device)


def zeros(shape, *, dtype=None, device=None):
    """An array of zeros."""
    return torch.zeros(shape, dtype=dtype, device=device)


def ones(shape, *, dtype=None, device=None):
    """An array of ones."""
    return torch.ones(shape, dtype=dtype, device=device)


def full(shape, fill_value, *, dtype=None, device=None):
    """An array of one number, in the default dtype of its kind."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return torch.full(shape, fill_value, dtype=dtype, device=device)


def empty_like(x, /, *, dtype=None, device=None):
    """An array like `x` whose elements are not set."""
    return torch.empty_like(x, dtype=dtype, device=device)


def zeros_like(x, /, *, dtype=None, device=None):
    """Zeros in the shape of `x`."""
    return torch.zeros_like(x, dtype=dtype, device=device)


def ones_like(x, /, *, dtype=None, device=None):
    """Ones in the shape of `x`."""
    return torch.ones_like(x, dtype=dtype, device=device)


def full_like(x, /, fill_value, *, dtype=None, device=None):
    """One number in the shape of `x`."""
    return torch.full_like(x, fill_value, dtype=dtype, device=device)


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    """Ones on the diagonal `k`, zeros elsewhere."""
    n_cols = n_rows if n_cols is None else n_cols
    out = torch.zeros(n_rows, n_cols, dtype=dtype, device=device)
    if -n_rows < k < n_cols:
        out.diagonal(k).fill_(1)
    return out


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    """`num` numbers from `start` to `stop`, which is the last one unless `endpoint=False`."""
    if not endpoint and num > 0:
        return torch.linspace(start, stop, num + 1, dtype=dtype, device=device)[:-1]
    return torch.linspace(start, stop, num, dtype=dtype, device=device)


def meshgrid(*arrays, indexing="xy"):
    """Coordinates of a grid, one array per axis."""
    if not arrays:
        return []
    if len({a.dtype for a in arrays}) > 1:
        dtype = result_type(*arrays)
        arrays = tuple(a.to(dtype) for a in arrays)
    return list(torch.meshgrid(*arrays, indexing=indexing))


def tril(x, /, *, k=0):
    """What lies on and below the diagonal `k`; zeros above."""
    return torch.tril(x, k)


def triu(x, /, *, k=0):
    """What lies on and above the diagonal `k`; zeros below."""
    return torch.triu(x, k)
