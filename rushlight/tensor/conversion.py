"""Copies, casts, devices and memory formats."""

from __future__ import annotations

from .. import _C
from .._device import check_device, device, meta
from ..op import operators
from .common import Tensor, channels_last, contiguous_format, method, preserve_format

_clone, _to_copy, _contiguous = operators["clone"], operators["to_copy"], operators["contiguous"]


def _channels_last_copy(self, dims):
    """A copy whose memory order is channels last."""
    from .. import empty_strided

    if self.ndim != dims:
        raise RuntimeError(f"required rank {dims} tensor to use channels_last format")
    shape = self.shape
    strides, step = [0] * dims, 1
    for d in (1, *range(dims - 1, 1, -1), 0):
        strides[d] = step
        step *= max(shape[d], 1)
    out = empty_strided(tuple(shape), tuple(strides), dtype=self.dtype, device=self.device)
    return out.copy_(self)


@method
def contiguous(self, memory_format=contiguous_format):
    """The tensor itself when it lies in the wanted order, else a copy that does."""
    if memory_format is contiguous_format:
        return _contiguous(self)
    if memory_format is None:
        raise TypeError(
            "contiguous(): argument 'memory_format' must be torch.memory_format, not NoneType"
        )
    if self.is_contiguous(memory_format=memory_format):
        return self
    return _channels_last_copy(self, 4 if memory_format is channels_last else 5)


@method
def clone(self, *, memory_format=preserve_format):
    """A copy with history; dense tensors keep their memory order."""
    if memory_format is preserve_format or memory_format is None:
        return _clone(self)
    if memory_format is contiguous_format:
        return _clone(self, True)
    return _channels_last_copy(self, 4 if memory_format is channels_last else 5)


def _to_meta(self, dtype, form):
    """Shape, dtype and strides of the tensor, without its elements."""
    from .. import empty_like

    if self.requires_grad and _C.is_grad_enabled():
        from ..autograd._to_meta import ToCopy

        return ToCopy.apply(self, dtype, form)
    return empty_like(self.detach(), dtype=dtype, device=meta, memory_format=form)


def _on_device(self, where, dtype, form):
    """The tensor on another device: nothing comes back from meta."""
    if where is meta:
        return _to_meta(self, dtype, form)
    raise NotImplementedError("Cannot copy out of meta tensor; no data!")


# Python's own types, where a dtype is asked for.
PYTHON_DTYPES = {
    bool: _C.bool,
    int: _C.int64,
    float: _C.float64,
    complex: _C.complex128,
}


@method
def to(self, *args, **kwargs):
    """The tensor with another dtype, device or memory format; itself when nothing changes.

    Forms: to(dtype), to(device, dtype=None), to(other); each takes non_blocking, copy and
    memory_format.
    """
    dtype = kwargs.pop("dtype", None)
    where = kwargs.pop("device", None)
    other = kwargs.pop("other", None)
    copy = kwargs.pop("copy", False)
    form = kwargs.pop("memory_format", None)
    kwargs.pop("non_blocking", None)
    if kwargs:
        raise TypeError(f"to() received an invalid combination of arguments - got {sorted(kwargs)}")
    rest = []
    for i, a in enumerate(args):
        if isinstance(a, _C.dtype):
            dtype = a
        elif type(a) is type and a in PYTHON_DTYPES:
            dtype = PYTHON_DTYPES[a]
        elif i == 0 and isinstance(a, Tensor):
            other = a
        elif isinstance(a, (str, device)) or (i == 0 and isinstance(a, int)):
            where = a
        elif a is not None:
            rest.append(a)
        elif i == 0:
            continue
    if rest:
        if not all(isinstance(a, bool) for a in rest) or len(rest) > 2:
            raise TypeError(
                "to() received an invalid combination of arguments - got "
                f"({', '.join(type(a).__name__ for a in args)})"
            )
        copy = rest[1] if len(rest) == 2 else copy
    if type(self) is not Tensor and _C.any_dispatching(self):
        return _of_wrapper(self, other, where, dtype, copy, form)
    if where is not None:
        where = check_device(where)
    if other is not None:
        dtype = other.dtype
        where = other.device
    if where is not None and where is not self.device:
        return _on_device(self, where, dtype, form)
    if dtype is not None and dtype is not self.dtype:
        self, copy = _to_copy(self, dtype), False
    if (
        form is not None
        and form is not preserve_format
        and (copy or not self.is_contiguous(memory_format=form))
    ):
        return self.clone(memory_format=form)
    return _clone(self) if copy else self


def _of_wrapper(self, other, where, dtype, copy, form):
    """`to` of a tensor that wraps others: its class knows what devices there are."""
    if other is not None:
        dtype, where = other.dtype, other.device
    where = None if where is None else device(where)
    dtype = None if dtype is self.dtype else dtype
    if (
        where is not None
        and where.type != self.device.type
        or (where is not None and where.index is not None and where != self.device)
    ):
        self, copy = operators["to_device"](self, dtype, where), False
    elif dtype is not None:
        self, copy = _to_copy(self, dtype), False
    if form is not None and form is not preserve_format:
        return self if self.is_contiguous(memory_format=form) else self.clone(memory_format=form)
    return _clone(self) if copy else self


def _cast(name, dtype):
    def convert(self, memory_format=preserve_format):
        if memory_format is not preserve_format:
            return self.to(dtype, memory_format=memory_format)
        return self if self.dtype is dtype else _to_copy(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"The tensor as {dtype!r}; itself when it is already."
    setattr(Tensor, name, convert)


for _name, _dtype in {
    "float": _C.float32,
    "double": _C.float64,
    "half": _C.float16,
    "bfloat16": _C.bfloat16,
    "long": _C.int64,
    "int": _C.int32,
    "short": _C.int16,
    "char": _C.int8,
    "byte": _C.uint8,
    "bool": _C.bool,
    "chalf": _C.complex32,
    "cfloat": _C.complex64,
    "cdouble": _C.complex128,
}.items():
    _cast(_name, _dtype)  # fmt: skip


@method
def type_as(self, other):
    """The tensor with the dtype of `other`."""
    return self if self.dtype is other.dtype else _to_copy(self, other.dtype)


def _type(self, dtype=None, non_blocking=False, **kwargs):
    """The name of the tensor's type ("torch.FloatTensor"), or the tensor cast to `dtype`."""
    if dtype is None:
        return ("torch.meta." if self.is_meta else "torch.") + TYPE_NAMES[self.dtype]
    if isinstance(dtype, str):
        wanted = dtype.rpartition(".")[2]
        for candidate, text in TYPE_NAMES.items():
            if text == wanted:
                return self.to(candidate)
        raise ValueError(f"invalid type: '{dtype}'")
    if type(dtype) is type and dtype in PYTHON_DTYPES:
        raise ValueError(f"invalid type: '{dtype.__name__}'")
    return self.to(getattr(dtype, "dtype", dtype))


Tensor.type = _type


TYPE_NAMES = {
    _C.bool: "BoolTensor", _C.uint8: "ByteTensor", _C.int8: "CharTensor", _C.int16: "ShortTensor",
    _C.int32: "IntTensor", _C.int64: "LongTensor", _C.float16: "HalfTensor",
    _C.bfloat16: "BFloat16Tensor", _C.float32: "FloatTensor", _C.float64: "DoubleTensor",
    _C.complex64: "ComplexFloatTensor", _C.complex128: "ComplexDoubleTensor",
}  # fmt: skip
TYPE_NAMES.update({d: f"{d._scalar_name}Tensor" for d in _C.dtypes if d not in TYPE_NAMES})


@method
def cpu(self, memory_format=preserve_format):
    """The tensor on the CPU: itself."""
    return self.to("cpu") if self.is_meta else self


@method
def cuda(self, device=None, non_blocking=False, memory_format=preserve_format):
    """The tensor on a CUDA device; an error here, where there is none."""
    check_device("cuda" if device is None else device)
    return self


@method
def pin_memory(self, device=None):
    """The tensor in page-locked memory: needs a CUDA device."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


@method
def resolve_conj(self):
    """The tensor with conjugation carried out: always so here."""
    return self


@method
def resolve_neg(self):
    """The tensor with negation carried out: always so here."""
    return self


@method
def view_as(self, other):
    """View with the shape of `other`."""
    return self.view(other.shape)


@method
def reshape_as(self, other):
    """Reshape to the shape of `other`."""
    return self.reshape(other.shape)


@method
def expand_as(self, other):
    """Expand to the shape of `other`."""
    return self.expand(other.shape)


@method
def sum_to_size(self, *size):
    """Sum over the dims that broadcasting from `size` would have made."""
    if len(size) == 1 and not isinstance(size[0], int):
        size = tuple(size[0])
    lead = self.ndim - len(size)
    shape = self.shape
    fits = lead >= 0 and all(s in (1, shape[lead + i]) for i, s in enumerate(size))
    if not fits:
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(shape)}}}.")
    dims = [
        *range(lead),
        *(lead + i for i, s in enumerate(size) if s == 1 and shape[lead + i] != 1),
    ]
    out = self.sum(dims, keepdim=True) if dims else self
    return out.reshape(size) if lead else out
