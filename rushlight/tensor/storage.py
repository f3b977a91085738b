"""Changing what memory a tensor shows; storages, pickling and DLPack."""

from __future__ import annotations

from .. import _C
from ..ops._integers import integers
from .common import Tensor, contiguous_format, method


@method
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Show another tensor's (or storage's) memory from now on."""
    if source is None:
        from .. import empty

        source = empty((0,), dtype=self.dtype)
    if isinstance(source, Tensor) and size is None and storage_offset:
        raise TypeError("set_() received an invalid combination of arguments - got (Tensor, int)")
    origin = source if isinstance(source, Tensor) else source.untyped()._bytes
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
    if len(size) == 1:
        size = integers(size[0])
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
        _C.check_inplace(self)
        return _C.assume(self, make(self, *args, **kwargs))

    apply.__name__ = name
    apply.__doc__ = f"`{name[:-1]}` in place: the tensor's own shape changes."
    setattr(Tensor, name, apply)


for _name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims", "as_strided"):
    _inplace_view(_name + "_", getattr(Tensor, _name))


@method
def untyped_storage(self):
    """The memory behind this tensor, as bytes; views give the same object."""
    from .._storage import UntypedStorage

    return UntypedStorage._of(self)


@method
def storage(self):
    """The memory behind this tensor, as numbers of its dtype."""
    from .._storage import TypedStorage

    return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)


@method
def __reduce_ex__(self, protocol):
    from .._utils import tensor_reduce_ex

    return tensor_reduce_ex(self, protocol)


@method
def __deepcopy__(self, memo):
    from .._utils import tensor_deepcopy

    return tensor_deepcopy(self, memo)


@method
def __dlpack__(self, *, stream=-1, max_version=None, dl_device=None, copy=None):
    from ..utils.dlpack import tensor_dlpack

    return tensor_dlpack(
        self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
    )


@method
def __dlpack_device__(self):
    from ..utils.dlpack import tensor_dlpack_device

    return tensor_dlpack_device(self)
