"""Methods of Tensor that are written in Python, and what the core asks of Python rarely."""

from __future__ import annotations

from . import _C
from ._device import check_device, device
from ._lazy import np
from .op import from_array, operators

Tensor = _C.Tensor
Tensor.__module__ = "torch"

preserve_format = contiguous_format = channels_last = channels_last_3d = None  # set below


class memory_format:  # noqa: N801 (torch.memory_format is spelt so)
    """How the elements of a tensor are ordered in memory."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return _format_by_name, (self.name,)


class layout:  # noqa: N801
    """How a tensor is stored: strided, or one of the sparse layouts."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return _layout_by_name, (self.name,)


for _class in (memory_format, layout):
    _class.__module__ = "torch"
FORMATS = {
    n: memory_format(n)
    for n in ("preserve_format", "contiguous_format", "channels_last", "channels_last_3d")
}
LAYOUTS = {
    n: layout(n)
    for n in ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged")
}
preserve_format, contiguous_format = FORMATS["preserve_format"], FORMATS["contiguous_format"]
channels_last, channels_last_3d = FORMATS["channels_last"], FORMATS["channels_last_3d"]
strided = LAYOUTS["strided"]


def _format_by_name(name):
    return FORMATS[name]


def _layout_by_name(name):
    return LAYOUTS[name]


_clone, _to_copy, _contiguous = operators["clone"], operators["to_copy"], operators["contiguous"]


def method(function):
    """Attach `function` to Tensor under its own name."""
    setattr(Tensor, function.__name__, function)
    return function


def attribute(function):
    """Attach `function` to Tensor as a read-only property."""
    setattr(Tensor, function.__name__, property(function))
    return function


# -- making ------------------------------------------------------------------------------------


def make_tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor that copies `data`: numbers, nested sequences, an ndarray or a tensor.

    The dtype is inferred (bool, int64, default float, default complex) unless given.
    """
    check_device(device)
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), "
            "rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        out = data.detach().clone()
        out = out if dtype is None else out.to(dtype)
    elif hasattr(data, "__array_interface__") and not isinstance(data, (int, float, complex)):
        out = from_numpy(np.asarray(data)).clone()
        out = out if dtype is None else out.to(dtype)
    else:
        out = _C.from_data(data, dtype)
    if requires_grad:
        out.requires_grad_(True)
    return out


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory with a tensor or ndarray when nothing must change."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if hasattr(data, "__array_interface__") and not isinstance(data, (int, float, complex)):
        out = from_numpy(np.asarray(data))
        return out if dtype is None else out.to(dtype)
    return _C.from_data(data, dtype)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """`obj` as a tensor; `copy` True always copies, False never does (ValueError if it must)."""
    out = as_tensor(obj, dtype, device)
    shared = isinstance(obj, Tensor) or hasattr(obj, "__array_interface__")
    if copy and shared:
        out = out.clone()
    if copy is False and not (shared and out.data_ptr() == as_tensor(obj).data_ptr()):
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    return out.requires_grad_(True) if requires_grad else out.detach() if shared else out


def from_numpy(ndarray):
    """A tensor over an ndarray's memory: writes are seen by both. Its dtype is kept."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    name = ndarray.dtype.name
    if not hasattr(_C, name) or not ndarray.dtype.isnative:
        raise TypeError(
            f"can't convert np.ndarray of type {ndarray.dtype}. The only supported types are: "
            "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, "
            "and bool."
        )
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array with array.copy().)"
        )
    if any(s % ndarray.itemsize for s in ndarray.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory."
        )
    if not ndarray.flags.writeable:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable "
            "tensors. This means writing to this tensor will result in undefined behavior. You may "
            "want to copy the array to protect its data or make it writable before converting it "
            "to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    dtype = getattr(_C, name)
    if ndarray.size == 0:
        return _C.from_data([], dtype).reshape(ndarray.shape)
    strides = tuple(s // ndarray.itemsize for s in ndarray.strides)
    return _C.from_buffer(ndarray, dtype, ndarray.shape, strides, 0)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor over an object with the buffer protocol: `count` elements from byte `offset`."""
    view = memoryview(buffer).cast("B") if not isinstance(buffer, memoryview) else buffer
    length, size = view.nbytes, dtype.itemsize
    if offset < 0 or offset >= length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0:
        if (length - offset) % size:
            raise ValueError(
                f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a "
                f"multiple of element size ({size})"
            )
        count = (length - offset) // size
    if offset + count * size > length or count == 0:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({length} bytes)"
        )
    out = _C.from_buffer(view, dtype, (count,), None, offset)
    return out.requires_grad_(True) if requires_grad else out


def _legacy_tensor(*args, device=None):
    """`torch.Tensor(2, 3)`, `torch.Tensor([1, 2])`: the old constructor, default dtype."""
    from . import empty

    check_device(device)
    if len(args) == 1 and not isinstance(args[0], int):
        if isinstance(args[0], Tensor):
            return args[0].detach()
        if isinstance(args[0], _C.Size):
            return empty(args[0])
        return _C.from_data(args[0], _C.get_default_dtype())
    return empty(tuple(args))


_C.set_helper("legacy_tensor", _legacy_tensor)


# -- to Python and NumPy -------------------------------------------------------------------------


@method
def numpy(self, *, force=False):
    """An ndarray over the same memory; `force=True` detaches and copies where needed."""
    if self.requires_grad:
        if not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        self = self.detach()
    if self.dtype is _C.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    from .op import numpy_dtype

    if self.numel() == 0:
        return np.empty(tuple(self.shape), numpy_dtype(self.dtype))
    return np.asarray(_C.buffer(self))


@method
def __array__(self, dtype=None, copy=None):
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method
def __array_wrap__(self, array, context=None, return_scalar=False):
    return from_array(array)


Tensor.__array_priority__ = 1000


@method
def __repr__(self, *, tensor_contents=None):
    from ._tensor_str import tensor_repr

    return tensor_repr(self, tensor_contents=tensor_contents)


@method
def __format__(self, spec):
    if self.ndim == 0 and type(self) is Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


@method
def __iter__(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@method
def __contains__(self, element):
    if isinstance(element, (Tensor, int, float, complex, bool)):
        return bool((element == self).any().item())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


@method
def __complex__(self):
    return complex(self.item())


@method
def __dir__(self):
    return sorted({*dir(type(self)), *self.__dict__})


@method
def __reversed__(self):
    return self if self.ndim == 0 else self.flip(0)


# -- facts -------------------------------------------------------------------------------------


@method
def is_contiguous(self, memory_format=contiguous_format):
    """Whether the elements lie in memory in the given order without gaps."""
    if memory_format is contiguous_format:
        return self._is_row_major()
    if memory_format is channels_last:
        return self.ndim == 4 and self._is_channels_last()
    if memory_format is channels_last_3d:
        return self.ndim == 5 and self._is_channels_last()
    raise RuntimeError(f"unsupported memory format option {memory_format}")


for _name, _value in {
    "layout": strided, "is_cpu": True, "is_cuda": False, "is_sparse": False, "is_quantized": False,
    "is_meta": False, "is_mps": False, "is_xpu": False, "is_mkldnn": False, "is_nested": False,
    "is_sparse_csr": False, "is_ipu": False, "is_maia": False, "is_mtia": False, "is_vulkan": False,
    "is_xla": False, "names": property(lambda self: (None,) * self.ndim),
    "name": None, "volatile": False, "grad_dtype": property(lambda self: self.dtype),
}.items():
    setattr(Tensor, _name, _value)  # fmt: skip


@method
def share_memory_(self):
    """Move the memory to where other processes can map it; a no-op when it is there."""
    _C.share_storage(self)
    return self


@method
def is_shared(self):
    """Whether the memory is shared between processes."""
    return _C.is_shared(self)


@method
def get_device(self):
    """The device's index; -1 for the CPU."""
    return -1


def _constant(name, value, doc):
    function = lambda self: value  # noqa: E731
    function.__name__, function.__doc__ = name, doc
    method(function)


_constant("is_shared_", None, None)
del Tensor.is_shared_
for _name in ("is_conj", "is_neg", "is_pinned", "_is_zerotensor", "is_distributed", "has_names"):
    _constant(_name, False, "False: this never applies to a CPU tensor of rushlight.")


@method
def is_signed(self):
    """Whether the dtype has negative numbers."""
    return self.dtype.is_signed


@method
def is_nonzero(self):
    """Whether the single element is not zero."""
    if self.numel() != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no values' if not self.numel() else 'more than one value'} is ambiguous"
        )
    return bool(self)


@method
def is_same_size(self, other):
    """Whether the shapes are equal."""
    return self.shape == other.shape


@method
def is_set_to(self, tensor):
    """Whether both show the same storage in the same way."""
    return (
        self._storage_id() == tensor._storage_id()
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
        and self.storage_offset() == tensor.storage_offset()
    )


@method
def dim_order(self):
    """Dims from the outermost in memory to the innermost."""
    strides = self.stride()
    return tuple(sorted(range(self.ndim), key=lambda d: -strides[d]))


@attribute
def itemsize(self):
    """Bytes of one element."""
    return self.element_size()


@attribute
def nbytes(self):
    """Bytes of all elements."""
    return self.numel() * self.element_size()


@attribute
def T(self):  # noqa: N802
    """All dims reversed."""
    if self.ndim == 2:
        return self.transpose(0, 1)
    if self.ndim != 0:
        import warnings

        if self.ndim > 2:
            warnings.warn(
                "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
                "deprecated and it will throw an error in a future release. Consider `x.mT` to "
                "transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` "
                "to reverse the dimensions of a tensor.",
                UserWarning,
                stacklevel=2,
            )
    return self.permute(tuple(range(self.ndim - 1, -1, -1)))


@attribute
def mT(self):  # noqa: N802
    """The last two dims exchanged."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return self.transpose(-2, -1)


@attribute
def H(self):  # noqa: N802
    """The conjugate transpose of a matrix."""
    if self.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor."
        )
    return _C.conj(self.transpose(0, 1) if self.ndim else self)


@attribute
def mH(self):  # noqa: N802
    """The conjugate transpose of the last two dims."""
    if self.ndim < 2:
        raise RuntimeError(
            f"tensor.mH is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor."
        )
    return _C.conj(self.transpose(-2, -1))


# -- copies and conversions ----------------------------------------------------------------------


def _channels_last_copy(self, dims):
    """A copy whose memory order is channels last."""
    from . import empty_strided

    if self.ndim != dims:
        raise RuntimeError(f"required rank {dims} tensor to use channels_last format")
    shape = self.shape
    strides, step = [0] * dims, 1
    for d in (1, *range(dims - 1, 1, -1), 0):
        strides[d] = step
        step *= max(shape[d], 1)
    out = empty_strided(tuple(shape), tuple(strides), dtype=self.dtype)
    return out.copy_(self)


@method
def contiguous(self, memory_format=contiguous_format):
    """The tensor itself when it lies in the wanted order, else a copy that does."""
    if memory_format is contiguous_format:
        return _contiguous(self)
    if self.is_contiguous(memory_format=memory_format):
        return self
    return _channels_last_copy(self, 4 if memory_format is channels_last else 5)


@method
def clone(self, *, memory_format=preserve_format):
    """A copy with history; dense tensors keep their memory order."""
    if memory_format is preserve_format:
        return _clone(self)
    if memory_format is contiguous_format:
        return _clone(self, True)
    return _channels_last_copy(self, 4 if memory_format is channels_last else 5)


@method
def to(self, *args, **kwargs):
    """The tensor with another dtype, device or memory format; itself when nothing changes.

    Forms: to(dtype), to(device, dtype=None), to(other), each with non_blocking, copy, memory_format.
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
    if where is not None:
        check_device(where)
    if other is not None:
        dtype = other.dtype
    if dtype is not None and dtype is not self.dtype:
        self, copy = _to_copy(self, dtype), False
    if form is not None and form is not preserve_format and (copy or not self.is_contiguous(memory_format=form)):
        return self.clone(memory_format=form)
    return _clone(self) if copy else self


def _cast(name, dtype):
    def convert(self, memory_format=preserve_format):
        return self if self.dtype is dtype else _to_copy(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"The tensor as {dtype!r}; itself when it is already."
    setattr(Tensor, name, convert)


for _name, _dtype in {
    "float": _C.float32, "double": _C.float64, "half": _C.float16, "bfloat16": _C.bfloat16,
    "long": _C.int64, "int": _C.int32, "short": _C.int16, "char": _C.int8, "byte": _C.uint8,
    "bool": _C.bool, "cfloat": _C.complex64, "cdouble": _C.complex128,
}.items():
    _cast(_name, _dtype)  # fmt: skip


@method
def type_as(self, other):
    """The tensor with the dtype of `other`."""
    return self if self.dtype is other.dtype else _to_copy(self, other.dtype)


def _type(self, dtype=None, non_blocking=False, **kwargs):
    """The name of the tensor's type ("torch.FloatTensor"), or the tensor cast to `dtype`."""
    if dtype is None:
        return "torch." + TYPE_NAMES[self.dtype]
    if isinstance(dtype, str):
        wanted = dtype.rpartition(".")[2]
        for candidate, text in TYPE_NAMES.items():
            if text == wanted:
                return self.to(candidate)
        raise ValueError(f"invalid type: '{dtype}'")
    return self.to(getattr(dtype, "dtype", dtype))


Tensor.type = _type


TYPE_NAMES = {
    _C.bool: "BoolTensor", _C.uint8: "ByteTensor", _C.int8: "CharTensor", _C.int16: "ShortTensor",
    _C.int32: "IntTensor", _C.int64: "LongTensor", _C.float16: "HalfTensor",
    _C.bfloat16: "BFloat16Tensor", _C.float32: "FloatTensor", _C.float64: "DoubleTensor",
    _C.complex64: "ComplexFloatTensor", _C.complex128: "ComplexDoubleTensor",
}  # fmt: skip


@method
def cpu(self, memory_format=preserve_format):
    """The tensor on the CPU: itself."""
    return self


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
    dims = [*range(lead), *(lead + i for i, s in enumerate(size) if s == 1 and shape[lead + i] != 1)]
    out = self.sum(dims, keepdim=True) if dims else self
    return out.reshape(size) if lead else out


@method
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Show another tensor's (or storage's) memory from now on."""
    if source is None:
        from . import empty

        source = empty((0,), dtype=self.dtype)
    origin = source if isinstance(source, Tensor) else source._tensor_of(self.dtype)
    if size is None:
        if isinstance(source, Tensor):
            size, stride, storage_offset = source.shape, source.stride(), source.storage_offset()
        else:
            size, stride = (_C.storage_nbytes(origin) // self.element_size(),), (1,)
    size = (size,) if isinstance(size, int) else tuple(size)
    if stride is None or (size and not stride):
        stride = row_major(size)
    if isinstance(source, Tensor) and source.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {source.dtype} to a tensor of type {self.dtype}"
        )
    _C.set_storage(self, origin, storage_offset, size, tuple(stride))
    _C.bump_version(self)
    return self


def row_major(size):
    """Strides of a row-major tensor of that shape."""
    strides, step = [], 1
    for s in reversed(size):
        strides.append(step)
        step *= max(s, 1)
    return tuple(reversed(strides))


@method
def resize_(self, *size, memory_format=contiguous_format):
    """Change the shape in place; the storage grows when needed, its new part uninitialised."""
    if len(size) == 1 and not isinstance(size[0], int):
        size = tuple(size[0])
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    need = self.storage_offset()
    count = 1
    for s in size:
        if s < 0:
            raise RuntimeError(f"resize_: got a negative dimension: {list(size)}")
        count *= s
    need = (need + count) * self.element_size()
    if need > _C.storage_nbytes(self):
        _C.resize_storage(self, need)
    _C.set_storage(self, self, self.storage_offset(), tuple(size), row_major(size))
    return self


_C.set_helper("resize_", lambda t, size: t.resize_(size))


@method
def resize_as_(self, tensor, memory_format=contiguous_format):
    """Resize in place to the shape of another tensor."""
    return self.resize_(tensor.shape)


def _inplace_view(name, make):
    def apply(self, *args, **kwargs):
        seen = make(self.detach(), *args, **kwargs)
        if self.requires_grad and not self.is_leaf or self.requires_grad and self.is_leaf:
            raise RuntimeError(f"{name}: in-place views of tensors that require grad are not supported; use the out-of-place form")
        _C.set_storage(self, seen, seen.storage_offset(), seen.shape, seen.stride())
        return self

    apply.__name__ = name
    apply.__doc__ = f"`{name[:-1]}` in place: the tensor's own shape changes."
    setattr(Tensor, name, apply)


for _name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims", "as_strided"):
    _inplace_view(_name + "_", getattr(Tensor, _name))


# -- autograd ------------------------------------------------------------------------------------


@method
def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Accumulate into the leaves' `.grad` the gradient of this tensor (times `gradient`)."""
    from .autograd import backward as run

    run(self, gradient, retain_graph, create_graph, inputs=inputs)


class RemovableHandle:
    """Removes a hook: by `remove()`, or at the end of a `with` block."""

    next_id = 0

    def __init__(self, hooks, *, extra_dict=None):
        import weakref

        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        try:
            self.hooks_ref = weakref.ref(hooks)
        except TypeError:  # a plain dict cannot be weakly referenced
            self.hooks_ref = lambda: hooks
        extras = extra_dict if isinstance(extra_dict, list) else [extra_dict] if extra_dict is not None else []
        self.extras = extras

    def remove(self):
        """Take the hook away; a second call does nothing."""
        hooks = self.hooks_ref()
        if hooks is not None:
            hooks.pop(self.id, None)
        for extra in self.extras:
            extra.pop(self.id, None)

    def __getstate__(self):
        # The dictionaries themselves, so that a deep copy removes from the copied ones.
        return self.hooks_ref(), self.id, self.extras

    def __setstate__(self, state):
        hooks, self.id, self.extras = state
        self.hooks_ref = lambda: hooks
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


@method
def register_hook(self, hook):
    """Call `hook(grad)` when this tensor's gradient is known; a returned tensor replaces it."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self.grad_fn
    if node is None:
        hooks = self._hook_dict()
    else:
        hooks = node._sub_dict("tensor_hooks").setdefault(self.output_nr, {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


@method
def register_post_accumulate_grad_hook(self, hook):
    """Call `hook(tensor)` after this leaf's gradient was accumulated."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooks = self._post_hook_dict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _retain_grad(tensor):
    import weakref

    keeper = weakref.ref(tensor)

    def keep(g):
        kept = keeper()
        if kept is not None:
            kept.grad = g.clone() if kept._grad_quiet() is None else kept._grad_quiet() + g

    tensor.grad_fn._sub_dict("retains")[tensor.output_nr] = keep


@method
def _grad_quiet(self):
    """`.grad` without the warning about non-leaf tensors."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return self.grad


_C.set_helper("retain_grad", _retain_grad)


def _node_hook(kind):
    def register(self, hook):
        hooks = self._sub_dict(kind)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    return register


_C.Node.register_hook = _node_hook("hooks")
_C.Node.register_prehook = _node_hook("prehooks")
_C.Node.__module__ = "torch.autograd.graph"


def _detach(t):
    return wrap_subclass(Tensor._raw_detach(t), type(t))


def wrap_subclass(result, cls):
    """A result of a call on a subclass: the same subclass, as PyTorch does."""
    if isinstance(result, Tensor) and type(result) is Tensor:
        out = result.as_subclass(cls)
        return out
    if isinstance(result, (tuple, list)):
        made = [wrap_subclass(r, cls) for r in result]
        if hasattr(result, "_fields"):
            return type(result)(made)
        return type(result)(made)
    return result


@method
def as_subclass(self, cls):
    """The same data, history and storage, as an instance of a subclass of Tensor."""
    alias = operators["alias"]
    seen = alias(self) if self.requires_grad and _C.is_grad_enabled() else self._raw_detach()
    out = Tensor._make_subclass(cls, seen)
    if seen.requires_grad:
        node = _Identity()
        _C.connect(node, (seen,), (out,))
    return out


class _Identity(_C.Node):
    """Passes a gradient on: ties a subclass instance to the tensor it shows."""

    def apply(self, g):
        return (g,)


_Identity.__name__ = "AliasBackward0"
_C.set_helper("detach", _detach)


def _torch_function(operator, args, kwargs):
    """Find the most derived `__torch_function__` among the arguments and call it."""
    found = []
    stack = [*args, *kwargs.values()]
    for a in stack:
        if isinstance(a, (list, tuple)):
            stack_items = a
        else:
            stack_items = (a,)
        for item in stack_items:
            kind = type(item)
            if isinstance(item, Tensor) and kind not in found and kind is not Tensor:
                found.append(kind)
    found.sort(key=lambda k: -len(k.__mro__))
    for kind in found:
        handler = kind.__torch_function__
        if getattr(handler, "__func__", handler) is _disabled:
            continue
        result = handler(operator, tuple(found), args, kwargs)
        if result is not NotImplemented:
            return result
    return _C.call_plain(operator, args, kwargs)


def _default_torch_function(cls, func, types, args=(), kwargs=None):
    kwargs = kwargs or {}
    if isinstance(func, _C.Op):
        result = _C.call_plain(func, tuple(args), kwargs)
    else:
        result = func(*args, **kwargs)
    subclass = cls if cls is not Tensor and not getattr(cls, "_plain_results", False) else Tensor
    return result if subclass is Tensor or func in _PLAIN_RESULTS else wrap_subclass(result, subclass)


def _disabled(func, types, args=(), kwargs=None):
    return _C.call_plain(func, tuple(args), kwargs or {})


_PLAIN_RESULTS: set = set()
Tensor.__torch_function__ = classmethod(_default_torch_function)
_C.set_helper("torch_function", _torch_function)
_C.set_helper("getitem_subclass", lambda t, index: NotImplemented)


def _cast_gradient(g, dtype):
    if g.is_complex() and not dtype.is_complex:
        g = g.real
    return g if g.dtype is dtype else _to_copy(g, dtype)


_C.set_helper("sum_to_size", lambda g, size: g.sum_to_size(size))
_C.set_helper("cast_gradient", _cast_gradient)


def _copy_slices_backward(g, geometry):
    """(gradient of the base before the write, gradient of what was written)."""
    from . import empty_strided

    sizes, strides, offset, view_sizes, view_strides, view_offset = geometry
    at = view_offset - offset
    if g is None:
        return None, None
    if any(s == 0 for s in strides) or g.stride() == strides:
        kept = g.clone()
        steps = kept.stride()
    else:
        kept = empty_strided(sizes, strides, dtype=g.dtype).copy_(g)
        steps = strides
    if steps != strides:
        kept = empty_strided(sizes, strides, dtype=g.dtype).copy_(g)
    written = kept.as_strided(view_sizes, view_strides, at).clone()
    kept.as_strided(view_sizes, view_strides, at).zero_()
    return kept, written


def _as_strided_gradient(g, geometry):
    from .ops.shape import _as_strided_backward

    sizes, strides, offset, view_sizes, view_strides, view_offset = geometry
    if g is None:
        return None
    return _as_strided_backward(g, sizes, strides, offset, view_sizes, view_strides, view_offset)


_C.set_helper("copy_slices_backward", _copy_slices_backward)
_C.set_helper("as_strided_backward", _as_strided_gradient)
_C.set_helper("has_nan", lambda g: bool(g.isnan().any()) if g.dtype.is_floating_point or g.dtype.is_complex else False)


def _forward_trace():
    import traceback

    return "".join(traceback.format_stack()[:-1])


def _report_anomaly(name, trace):
    import warnings

    if trace is None:
        warnings.warn(
            f"Error detected in {name}. No forward pass information available. Enable detect "
            "anomaly during forward pass for more information.",
            UserWarning,
            stacklevel=2,
        )
    else:
        warnings.warn(
            f"Error detected in {name}. Traceback of forward call that caused the error:\n{trace}",
            UserWarning,
            stacklevel=2,
        )


_C.set_helper("forward_trace", _forward_trace)
_C.set_helper("report_anomaly", _report_anomaly)


# -- indexing ------------------------------------------------------------------------------------


def _as_index(index):
    """A list, ndarray or the like in an index: a tensor."""
    if isinstance(index, (list, tuple)) and not index:
        return _C.from_data([], _C.int64)
    try:
        return as_tensor(index)
    except (TypeError, ValueError) as error:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            f"valid indices (got {type(index).__name__})"
        ) from error


def _value_for(target, value):
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (int, float, complex)):
        return _C.from_data(value, target.dtype)
    return as_tensor(value).to(target.dtype)


def _assign(target, value):
    if isinstance(value, (bool, int, float)) :
        target.fill_(value)
        return
    value = _value_for(target, value)
    # Leading dims of size 1 may be dropped: x[0] = values of shape (1, n).
    while value.ndim > target.ndim and value.shape[0] == 1:
        value = value.squeeze(0)
    target.copy_(value)


def _assign_indexed(target, indices, value):
    value = _value_for(target, value)
    if value.dtype is not target.dtype:
        value = value.to(target.dtype)
    target.index_put_(indices, value)


_C.set_helper("as_index", _as_index)
_C.set_helper("assign", _assign)
_C.set_helper("assign_indexed", _assign_indexed)


# -- storages, pickling, DLPack: in modules that load on first use ---------------------------------


@method
def untyped_storage(self):
    """The memory behind this tensor, as bytes; views give the same object."""
    from ._storage import UntypedStorage

    return UntypedStorage._of(self)


@method
def storage(self):
    """The memory behind this tensor, as numbers of its dtype."""
    from ._storage import TypedStorage

    return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)


@method
def __reduce_ex__(self, protocol):
    from ._utils import tensor_reduce_ex

    return tensor_reduce_ex(self, protocol)


@method
def __deepcopy__(self, memo):
    from ._utils import tensor_deepcopy

    return tensor_deepcopy(self, memo)


@method
def __dlpack__(self, *, stream=-1, max_version=None, dl_device=None, copy=None):
    from .utils.dlpack import tensor_dlpack

    return tensor_dlpack(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


@method
def __dlpack_device__(self):
    from .utils.dlpack import tensor_dlpack_device

    return tensor_dlpack_device(self)
