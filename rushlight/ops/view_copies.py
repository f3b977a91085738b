"""`<view>_copy`: what a view shows, as new memory; and splits that promise not to be views."""

from __future__ import annotations

from .. import _C
from ..op import public, publish
from ._outputs import deliver

Tensor = _C.Tensor


def _copies(name, method):
    def copy(input, *args, out=None, **kwargs):
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}"
            )
        seen = getattr(input, method)(*args, **kwargs)
        if isinstance(seen, tuple):
            made = deliver(tuple(_fresh(t) for t in seen), out)
            return made if out is None else None
        return deliver(_fresh(seen), out)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"What `{method}` shows of the input, as new memory."
    return copy


def _fresh(t):
    from ..tensor import contiguous_format

    return t.clone(memory_format=contiguous_format)


_COPIED = (
    "alias",
    "as_strided",
    "detach",
    "diagonal",
    "permute",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unfold",
    "unsqueeze",
    "view",
)
_narrow_copy = _copies("narrow_copy", "narrow")
for _name in _COPIED:
    publish(_copies(_name + "_copy", _name), f"torch.{_name}_copy")


@public("torch.narrow_copy Tensor.narrow_copy")
def narrow_copy(input, dim, start, length, *, out=None):
    """`length` elements from `start` along `dim`, as new memory."""
    if dim >= input.dim() > 0:
        raise RuntimeError(
            f"narrow_copy: Expected dim < static_cast<int64_t>(self_sizes.size()): got {dim} of a "
            f"tensor with {input.dim()} dims"
        )
    return _narrow_copy(input, dim, start, length, out=out)


def _parts(name, method):
    def parts(input, *args, **kwargs):
        return tuple(t.alias() for t in getattr(input, method)(*args, **kwargs))

    parts.__name__ = parts.__qualname__ = name
    parts.__doc__ = f"`{method}` whose parts may be written to in place."
    return parts


for _name in ("chunk", "split", "split_with_sizes"):
    publish(_parts("unsafe_" + _name, _name), f"torch.unsafe_{_name} Tensor.unsafe_{_name}")


@public("torch.unravel_index")
def unravel_index(indices: Tensor, shape) -> tuple:
    """Positions in a flattened array as one index tensor for every dim of `shape`."""
    if indices.is_floating_point() or indices.is_complex() or indices.dtype is _C.bool:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if isinstance(shape, int):
        shape = (shape,)
    for n in shape:
        if not isinstance(n, int):
            raise TypeError(
                f"expected 'shape' to be int or sequence of ints, but got {type(n).__name__}"
            )
        if n < 0:
            raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    found = []
    for n in reversed(tuple(shape)):
        found.append(indices % n)
        indices = indices // n
    return tuple(reversed(found))


@public("torch.fill_diagonal_ Tensor.fill_diagonal_")
def fill_diagonal_(self, fill_value, wrap=False):
    """Set the main diagonal in place; `wrap` starts it again below a tall matrix's square."""
    if self.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.dim() > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step, length = sum(self.stride()), min(self.shape)
    self.as_strided((length,), (step,), self.storage_offset()).fill_(fill_value)
    if wrap and self.dim() == 2 and self.size(0) > self.size(1) + 1:
        rows, cols = self.shape
        for start in range(cols + 1, rows, cols + 1):
            self[start:].diagonal().fill_(fill_value)
    return self


@public("torch.expand_copy")
def expand_copy(input, size, *, implicit=False, out=None):
    """A copy of `input` expanded to `size`."""
    return deliver(_fresh(input.expand(size)), out)
