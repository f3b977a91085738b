"""Making tensors from sizes.

The work is in csrc/cpu/creation.cpp; these functions give it PyTorch's signatures. `device` is
settled before they run (csrc/core/front.cpp); `pin_memory` has nothing to do here. Of the sparse
layouts (rushlight/sparse) only zeros and empty make tensors.
"""

from __future__ import annotations

from .. import _C
from .._device import make_on, placed
from .._warn import warn
from ..op import public
from ._lanes import made_like

Tensor = _C.Tensor
_full, _full_like, _level_of = _C.full, _C.full_like, _C.level_of


def _into(out, made, dtype=None):
    """Write what was made into the tensor the caller gave."""
    if dtype is not None and out.dtype is not dtype:
        raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    return out.resize_(made.shape).copy_(made)


def _sized(name, args, size, value, out, dtype, device, requires_grad):
    """zeros, ones and empty in their rarer forms: size=, out= or a device."""
    if size is None:
        if not args:
            raise TypeError(f"{name}() received an invalid combination of arguments - got ()")
        size = args
    if out is None:
        return _full(size, value, dtype, requires_grad)
    if dtype is not None and out.dtype is not dtype:
        raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    sizes = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    out.resize_(tuple(sizes))
    return out if value is None else out.fill_(value)


@public("torch.zeros")
def zeros(
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A tensor of zeros: zeros(2, 3), zeros((2, 3)) or zeros(size=(2, 3))."""
    if device is None and out is None and layout is None and args:
        return _full(args, 0.0, dtype, requires_grad)
    if _is_sparse_layout(layout):
        return _empty_sparse(args if size is None else size, dtype, layout, requires_grad)
    return _sized("zeros", args, size, 0.0, out, dtype, device, requires_grad)


@public("torch.ones")
def ones(
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A tensor of ones: ones(2, 3), ones((2, 3)) or ones(size=(2, 3))."""
    if device is None and out is None and args:
        return _full(args, 1.0, dtype, requires_grad)
    return _sized("ones", args, size, 1.0, out, dtype, device, requires_grad)


@public("torch.empty")
def empty(
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
) -> Tensor:
    """A tensor whose elements are whatever the memory held."""
    if device is None and out is None and layout is None and args and memory_format is None:
        return _full(args, None, dtype, requires_grad)
    if _is_sparse_layout(layout):
        return _empty_sparse(args if size is None else size, dtype, layout, requires_grad)
    made = _sized("empty", args, size, None, out, dtype, device, False)
    if memory_format is not None:
        made = _in_format(made, memory_format)
    return made.requires_grad_() if requires_grad else made


def _is_sparse_layout(layout):
    return layout is not None and layout.name != "strided"


def _empty_sparse(size, dtype, layout, requires_grad):
    """zeros and empty of a sparse layout: nothing is stored."""
    from ..sparse.making import empty_sparse

    if isinstance(size, (tuple, list)) and len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    size = (size,) if isinstance(size, int) else tuple(size)
    return empty_sparse(size, dtype, layout, requires_grad)


def _in_format(tensor, memory_format):
    if memory_format.name in ("preserve_format", "contiguous_format"):
        return tensor
    return tensor.contiguous(memory_format=memory_format)


@public("torch.full")
def full(
    size,
    fill_value,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A tensor filled with one value; its dtype is the value's unless given."""
    if isinstance(size, int):
        raise TypeError("full(): argument 'size' (position 1) must be tuple of ints, not int")
    if isinstance(fill_value, Tensor) and fill_value.dim():
        raise TypeError("full(): argument 'fill_value' must be a number or a 0-d tensor")
    if isinstance(fill_value, (str, list, tuple, type(None))):
        raise TypeError(
            "full(): argument 'fill_value' (position 2) must be Number, not "
            f"{type(fill_value).__name__}"
        )
    made = _full(tuple(size), fill_value, dtype if out is None else out.dtype, requires_grad)
    return made if out is None else _into(out, made, dtype)


def _new(like, size, value, dtype, requires_grad):
    """A tensor of that size: with values of its own in every lane that `like` has."""
    if _level_of(like) is None:
        return _C.full_beside(like, size, value, dtype, requires_grad)
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    given = None if isinstance(value, Tensor) else value
    made = made_like(like, lambda t, lead: _C.full_beside(t, (*lead, *size), given, dtype, False))
    if isinstance(value, Tensor):
        made.fill_(value)
    return made.requires_grad_() if requires_grad else made


def _like(input, value, dtype, device, requires_grad, memory_format):
    if _level_of(input) is not None:
        made = made_like(input, lambda t, lead: _like(t, None, dtype, None, False, memory_format))
        made = made if value is None else made.fill_(value)
        return made.requires_grad_() if requires_grad else made
    if memory_format is None or memory_format.name == "preserve_format":
        return _full_like(input, value, dtype, requires_grad)
    made = _C.full_beside(input, tuple(input.shape), value, dtype, False)
    made = _in_format(made, memory_format)
    return made.requires_grad_() if requires_grad else made


@public("torch.zeros_like")
def zeros_like(
    input: Tensor,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
    out=None,
) -> Tensor:
    """Zeros in the shape, dtype and memory order of `input`."""
    if _is_sparse_layout(layout) or _C.is_sparse(input):
        from ..sparse.making import empty_sparse_like

        return empty_sparse_like(input, dtype, layout, requires_grad)
    made = _like(input, 0.0, dtype, device, requires_grad, memory_format)
    return made if out is None else _into(out, made)


@public("torch.ones_like")
def ones_like(
    input: Tensor,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
    out=None,
) -> Tensor:
    """Ones in the shape, dtype and memory order of `input`."""
    made = _like(input, 1.0, dtype, device, requires_grad, memory_format)
    return made if out is None else _into(out, made)


@public("torch.empty_like")
def empty_like(
    input: Tensor,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
) -> Tensor:
    """Uninitialised memory in the shape, dtype and memory order of `input`."""
    if _is_sparse_layout(layout) or _C.is_sparse(input):
        from ..sparse.making import empty_sparse_like

        return empty_sparse_like(input, dtype, layout, requires_grad)
    return _like(input, None, dtype, device, requires_grad, memory_format)


@public("torch.full_like")
def full_like(
    input: Tensor,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
) -> Tensor:
    """One value in the shape, dtype and memory order of `input`."""
    return _like(input, fill_value, dtype, device, requires_grad, memory_format)


@public("Tensor.new_zeros")
def new_zeros(
    self,
    *args,
    size=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """Zeros of the given size with the dtype of this tensor."""
    return _new(self, args if size is None else size, 0.0, dtype, requires_grad)


@public("Tensor.new_ones")
def new_ones(
    self,
    *args,
    size=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """Ones of the given size with the dtype of this tensor."""
    return _new(self, args if size is None else size, 1.0, dtype, requires_grad)


@public("Tensor.new_empty")
def new_empty(
    self,
    *args,
    size=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """Uninitialised memory of the given size with the dtype of this tensor."""
    return _new(self, args if size is None else size, None, dtype, requires_grad)


@public("Tensor.new_full")
def new_full(
    self,
    size,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """One value in the given size with the dtype of this tensor."""
    return _new(self, tuple(size), fill_value, dtype, requires_grad)


@public("Tensor.new_tensor")
def new_tensor(
    self, data, *, dtype=None, device=None, layout=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """A copy of `data` with the dtype of this tensor unless given."""
    from ..tensor import as_tensor

    dtype = dtype or self.dtype
    if _C.making() == (not self.is_meta, False):  # new tensors go elsewhere
        rest = {"dtype": dtype, "device": self.device, "requires_grad": requires_grad}
        return make_on(new_tensor, (self, data), rest)
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True), "
            "rather than tensor.new_tensor(sourceTensor)."
        )
        made = placed(data.detach(), None).to(dtype, copy=True)
    elif hasattr(data, "__array_interface__"):
        made = as_tensor(data).to(dtype, copy=True)
    else:
        made = _C.from_data(data, dtype)
    return made.requires_grad_() if requires_grad else made


@public("torch.empty_strided")
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
) -> Tensor:
    """Uninitialised memory with the given strides, in elements."""
    return _C.new_strided(tuple(size), tuple(stride), dtype, requires_grad, None)


def _strided(like, lead, size, stride, dtype):
    """Memory with the given strides in every lane, the lanes one after another."""
    strides, step = [], 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True) if n)
    for n in reversed(lead):
        strides.insert(0, step)
        step *= n
    return empty_strided((*lead, *size), (*strides, *stride), dtype=dtype or like.dtype)


@public("Tensor.new_empty_strided")
def new_empty_strided(
    self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """Uninitialised memory with the given strides and the dtype of this tensor."""
    if _level_of(self) is not None:
        made = made_like(self, lambda t, lead: _strided(t, lead, size, stride, dtype))
        return made.requires_grad_() if requires_grad else made
    return _C.new_strided(tuple(size), tuple(stride), dtype or self.dtype, requires_grad, self)


@public("torch.empty_permuted")
def empty_permuted(
    size,
    physical_layout,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
) -> Tensor:
    """Uninitialised memory whose dims lie in memory in the given order, outermost first."""
    size, order = tuple(size), tuple(physical_layout)
    if len(size) != len(order):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; "
            f"i.e. len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for i, d in enumerate(order):
        if not 0 <= d < len(size):
            raise RuntimeError(
                "Dimension out of range (expected to be in range of "
                f"[0, {len(size) - 1}], but got {d} at index {i})."
            )
        if d in order[:i]:
            raise RuntimeError(f"empty_permuted: Duplicate dim not allowed: got {order}")
    strides, step = [0] * len(size), 1
    for d in reversed(order):
        strides[d] = step
        step *= max(size[d], 1)
    return empty_strided(size, strides, dtype=dtype, device=device, requires_grad=requires_grad)


@public("torch.scalar_tensor")
def scalar_tensor(
    s, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
) -> Tensor:
    """A 0-d tensor of one number, of the default dtype unless given."""
    return _full((), s, dtype or _C.get_default_dtype(), requires_grad)
