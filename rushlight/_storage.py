"""Storages seen from Python: the memory behind tensors, as bytes or as numbers of one dtype.

A storage object holds a uint8 tensor over its whole memory; every operation goes through that
tensor.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import rushlight as torch

from . import _C

# One Python object per live storage, so that `a.untyped_storage() is b.untyped_storage()` for views
# and one pickle of several views writes their memory once.
_live: WeakValueDictionary = WeakValueDictionary()

# Names of PyTorch's per-dtype storage classes, which the file format uses to spell a dtype.
LEGACY_NAMES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
DTYPE_OF_LEGACY_NAME = {storage: dtype for dtype, storage in LEGACY_NAMES.items()}


def dtype_name(dtype) -> str:
    """`dtype` without the leading `torch.`."""
    return str(dtype).partition(".")[2]


class UntypedStorage:
    """A block of bytes: `UntypedStorage(nbytes)`, `UntypedStorage(sequence of ints)` or empty."""

    __module__ = f"{torch.__package__}.storage"
    __slots__ = ("__weakref__", "_bytes")

    def __init__(self, *args, device=None):
        if len(args) > 1:
            raise TypeError(f"torch.UntypedStorage(): expected 1 argument at most, got {len(args)}")
        source = args[0] if args else 0
        if isinstance(source, int):
            self._bytes = torch.empty(source, dtype=torch.uint8, device=device)
            return
        try:
            items = list(source)
        except TypeError:
            raise TypeError(
                "torch.UntypedStorage(): expected a size or a sequence of ints, "
                f"got {type(source).__name__}"
            ) from None
        for item in items:
            if not isinstance(item, int):
                raise RuntimeError(
                    "torch.UntypedStorage(): tried to construct a storage from a sequence "
                    f"({type(source).__name__}), but one of the items was of type "
                    f"{type(item).__name__} instead of int"
                )
        self._bytes = torch.tensor([i & 255 for i in items], dtype=torch.uint8, device=device)

    @classmethod
    def from_file(cls, filename, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The first bytes of a file, mapped; with `shared` writes reach the file."""
        from ._mapped_file import map_file

        return cls._of(map_file(str(filename), shared, nbytes))

    @classmethod
    def _of(cls, tensor) -> UntypedStorage:
        """The storage of `tensor`."""
        key = tensor._storage_id()
        found = _live.get(key)
        # A storage may die and another take its address while the entry is being dropped.
        if found is not None and found._bytes.numel() == _C.storage_nbytes(tensor):
            return found
        storage = cls.__new__(cls)
        nbytes = _C.storage_nbytes(tensor)
        storage._bytes = _C.tensor_from_storage(tensor, torch.uint8, 0, (nbytes,), (1,))
        _live[key] = storage
        return storage

    def _tensor(self, dtype, offset: int, size, stride):
        """A tensor over this storage; RuntimeError when it would reach outside."""
        return _C.tensor_from_storage(self._bytes, dtype, offset, tuple(size), tuple(stride))

    def _read_as(self, dtype):
        """The tensor that torch.tensor and torch.as_tensor make of a storage: int64 at first."""
        dtype = torch.int64 if dtype is None else dtype
        return self._tensor(dtype, 0, (self.nbytes() // dtype.itemsize,), (1,))

    @property
    def device(self):
        """Where the bytes live."""
        return self._bytes.device

    @property
    def is_cuda(self) -> bool:
        """Whether the bytes live on a GPU."""
        return self.device.type == "cuda"

    @property
    def _cdata(self) -> int:
        return self._bytes._storage_id()

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._bytes.numel()

    size = nbytes
    __len__ = nbytes

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def element_size(self) -> int:
        """1: an untyped storage counts bytes."""
        return 1

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return self._bytes.data_ptr()

    def tolist(self) -> list[int]:
        """The bytes as Python ints."""
        return self._bytes.tolist()

    def untyped(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def _checked_index(self, index):
        if isinstance(index, slice):
            return index
        if not isinstance(index, int):
            raise TypeError(f"can't index a torch.UntypedStorage with {type(index).__name__}")
        if not -self.nbytes() <= index < self.nbytes():
            raise IndexError(f"index {index} out of range for storage of size {self.nbytes()}")
        return index

    def __getitem__(self, index):
        """One byte as an int, or a slice as a storage that shares no identity but its memory."""
        index = self._checked_index(index)
        part = self._bytes[index]
        if not isinstance(index, slice):
            return part.item()
        if part.is_meta:
            return torch.empty_like(part).untyped_storage()
        return UntypedStorage._of(torch.from_numpy(part.numpy()))

    def __setitem__(self, index, value):
        self._bytes[self._checked_index(index)] = value

    def __iter__(self):
        return iter(self.tolist())

    def fill_(self, value: int) -> UntypedStorage:
        """Set every byte."""
        self._bytes.fill_(value)
        return self

    def copy_(self, source, non_blocking: bool | None = None) -> UntypedStorage:
        """Copy the bytes of a storage of the same size."""
        other = source.untyped()
        if other.nbytes() != self.nbytes():
            raise RuntimeError(
                f"copy_: sizes differ: got {other.nbytes()} bytes, expected {self.nbytes()}"
            )
        self._bytes.copy_(other._bytes)
        return self

    def resize_(self, size: int) -> None:
        """Change the size in bytes, keeping the common beginning."""
        _C.resize_storage(self._bytes, size)
        _C.set_storage(self._bytes, self._bytes, 0, (size,), (1,))

    def resizable(self) -> bool:
        """Whether `resize_` can work: not on memory that is shared or foreign."""
        return not self.is_shared()

    def clone(self) -> UntypedStorage:
        """A copy of the bytes in new memory."""
        return self._bytes.clone().untyped_storage()

    def to(self, *, device, non_blocking: bool = False) -> UntypedStorage:
        """The storage on `device`: itself when already there."""
        moved = self._bytes.to(device)
        return self if moved is self._bytes else moved.untyped_storage()

    def cpu(self) -> UntypedStorage:
        """The storage in main memory."""
        return self.to(device="cpu")

    def cuda(self, device=None, non_blocking: bool = False) -> UntypedStorage:
        """The storage on a GPU."""
        return self.to(device="cuda" if device is None else device)

    def is_shared(self) -> bool:
        """Whether the memory is shared between processes."""
        return _C.is_shared(self._bytes)

    def share_memory_(self) -> UntypedStorage:
        """Move the bytes to memory shared between processes."""
        self._bytes.share_memory_()
        return self

    def _share_fd_cpu_(self) -> tuple[int, int]:
        """The descriptor of the bytes, shared now if they were not, and how many they are."""
        _C.share_storage(self._bytes)
        return _C.shared_descriptor(self._bytes)

    @classmethod
    def _new_shared_fd_cpu(cls, fd: int, nbytes: int) -> UntypedStorage:
        """The storage behind a descriptor, which stays open."""
        return cls._of(_C.attach_shared(fd))

    def is_pinned(self, device=None) -> bool:
        """Whether the memory is page-locked."""
        return self._bytes.is_pinned()

    def pin_memory(self, device=None) -> UntypedStorage:
        """A copy in page-locked memory."""
        return self._bytes.pin_memory().untyped_storage()

    def type(self, dtype=None, non_blocking: bool = False) -> str:
        """Name of the class."""
        return "torch.storage.UntypedStorage"

    def __copy__(self):
        return self.clone()

    def __deepcopy__(self, memo):
        copies = memo.setdefault("rushlight storages", {})
        key = self._cdata
        if key not in copies:
            # The original is kept alive too, so that its address stays unique during the copy.
            copies[key] = (self.clone(), self)
        return copies[key][0]

    def __reduce_ex__(self, protocol):
        if protocol >= 5 and not self.is_cuda:
            from pickle import PickleBuffer

            data = PickleBuffer(_C.storage_bytes(self._bytes))
        else:
            data = bytes(_C.storage_bytes(self._bytes.cpu())) if self.nbytes() else b""
        return _storage_from_bytes, (data, str(self.device))

    def __repr__(self) -> str:
        rows = _rows(self)
        return f"{rows}[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"


def _rows(storage) -> str:
    if storage.device.type == "meta":
        return "...\n"
    return "".join(f" {value}\n" for value in storage.tolist()) or " \n"


def _storage_from_bytes(data, device: str = "cpu") -> UntypedStorage:
    """Rebuild a pickled storage; `data` is copied unless it is a writable out-of-band buffer."""
    view = memoryview(data)
    if not view.nbytes:
        return UntypedStorage(0, device=device)
    if view.readonly:
        storage = UntypedStorage(view.nbytes)
        memoryview(_C.storage_bytes(storage._bytes)).cast("B")[:] = view.cast("B")
    else:
        tensor = _C.from_buffer(view, torch.uint8, (view.nbytes,), (1,), 0)
        storage = UntypedStorage._of(tensor)
    return storage if device == "cpu" else storage.to(device=device)


def _legacy_name(dtype) -> str:
    name = str(dtype).rpartition(".")[2]
    return LEGACY_NAMES.get(name, name).removesuffix("Storage")


class TypedStorage:
    """A storage read as numbers of one dtype: `TypedStorage(size or sequence, dtype=...)`."""

    __module__ = f"{torch.__package__}.storage"
    __slots__ = ("_untyped_storage", "dtype")

    def __init__(self, *args, wrap_storage=None, dtype=None, device=None, _internal=False):
        self.dtype = torch.get_default_dtype() if dtype is None else dtype
        if wrap_storage is not None:
            if args or dtype is None:
                raise RuntimeError(
                    "TypedStorage: wrap_storage needs dtype and no positional argument"
                )
            self._untyped_storage = wrap_storage
            return
        if len(args) > 1:
            raise RuntimeError(
                f"{type(self)}.__new__ received an invalid combination of arguments. "
                "Too many positional arguments"
            )
        source = args[0] if args else 0
        if isinstance(source, int):
            tensor = torch.empty(source, dtype=self.dtype, device=device)
        else:
            tensor = torch.tensor(list(source), dtype=self.dtype, device=device)
        self._untyped_storage = tensor.untyped_storage()

    def _as_tensor(self):
        count = self.size()
        return self._untyped_storage._tensor(self.dtype, 0, (count,), (1,))

    def _read_as(self, dtype):
        if dtype not in (None, self.dtype):
            raise RuntimeError(
                f"Expected a Storage of type {_legacy_name(dtype)} or an UntypedStorage, "
                f"but got {_legacy_name(self.dtype)}"
            )
        return self._as_tensor()

    @property
    def device(self):
        """Where the numbers live."""
        return self._untyped_storage.device

    @property
    def is_cuda(self) -> bool:
        """Whether the numbers live on a GPU."""
        return self._untyped_storage.is_cuda

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def size(self) -> int:
        """Number of elements."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    __len__ = size

    def nbytes(self) -> int:
        """Size in bytes."""
        return self._untyped_storage.nbytes()

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._untyped_storage.data_ptr()

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._as_tensor().tolist()

    def __iter__(self):
        return iter(self.tolist())

    def _checked_index(self, index):
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        if not isinstance(index, int):
            raise RuntimeError(f"can't index a {type(self)} with {type(index)}")
        if not -self.size() <= index < self.size():
            raise IndexError(f"index {index} out of range for storage of size {self.size()}")
        return index

    def __getitem__(self, index):
        return self._as_tensor()[self._checked_index(index)].item()

    def __setitem__(self, index, value):
        self._as_tensor()[self._checked_index(index)] = value

    def fill_(self, value) -> TypedStorage:
        """Set every element."""
        self._as_tensor().fill_(value)
        return self

    def copy_(self, source, non_blocking: bool | None = None) -> TypedStorage:
        """Copy from a storage with as many elements, converting the dtype."""
        self._as_tensor().copy_(source._as_tensor())
        return self

    def resize_(self, size: int) -> None:
        """Change the number of elements, keeping the common beginning."""
        self._untyped_storage.resize_(size * self.element_size())

    def clone(self) -> TypedStorage:
        """A copy in new memory."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def cpu(self) -> TypedStorage:
        """The storage in main memory."""
        return TypedStorage(wrap_storage=self._untyped_storage.cpu(), dtype=self.dtype)

    def cuda(self, device=None, non_blocking: bool = False) -> TypedStorage:
        """The storage on a GPU."""
        return TypedStorage(wrap_storage=self._untyped_storage.cuda(device), dtype=self.dtype)

    def is_shared(self) -> bool:
        """Whether the memory is shared between processes."""
        return self._untyped_storage.is_shared()

    def share_memory_(self) -> TypedStorage:
        """Move the numbers to memory shared between processes."""
        self._untyped_storage.share_memory_()
        return self

    def pickle_storage_type(self) -> str:
        """Name of the per-dtype class that stands for this dtype in files."""
        name = dtype_name(self.dtype)
        if name not in LEGACY_NAMES:
            raise KeyError(f"pickle_storage_type: no class stands for dtype {self.dtype}")
        return LEGACY_NAMES[name]

    def type(self, dtype=None, non_blocking: bool = False) -> str:
        """Name of the per-dtype class, such as `torch.FloatStorage`."""
        return f"torch.{self.pickle_storage_type()}"

    def __copy__(self):
        return self.clone()

    def __deepcopy__(self, memo):
        from copy import deepcopy

        return TypedStorage(wrap_storage=deepcopy(self._untyped_storage, memo), dtype=self.dtype)

    def __reduce_ex__(self, protocol):
        return _typed_storage, (self._untyped_storage, dtype_name(self.dtype))

    def __eq__(self, other) -> bool:
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self.dtype == other.dtype and self._cdata == other._cdata

    __hash__ = None

    def __repr__(self) -> str:
        rows = _rows(self)
        kind = f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{rows}[{kind} of size {len(self)}]"


def _typed_storage(untyped: UntypedStorage, dtype: str) -> TypedStorage:
    return TypedStorage(wrap_storage=untyped, dtype=getattr(torch, dtype))


class _LegacyStorage(TypedStorage):
    """Base of the per-dtype classes: the dtype is part of the class."""

    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        kwargs["dtype"] = getattr(torch, DTYPE_OF_LEGACY_NAME[cls.__name__])
        return TypedStorage(*args, **kwargs)


class _LegacyMeta(type):
    def __instancecheck__(cls, instance) -> bool:
        if type(instance) is not TypedStorage:
            return False
        return cls.__name__ == LEGACY_NAMES.get(dtype_name(instance.dtype))

    @property
    def dtype(cls):
        """The dtype of the class's elements."""
        return getattr(torch, DTYPE_OF_LEGACY_NAME[cls.__name__])


def legacy_storage_class(name: str):
    """The class `torch.<name>`, such as FloatStorage; made on first use."""
    if name not in _legacy_classes:
        namespace = {"__module__": "rushlight", "__slots__": ()}
        _legacy_classes[name] = _LegacyMeta(name, (_LegacyStorage,), namespace)
    return _legacy_classes[name]


_legacy_classes: dict = {}


def __getattr__(name: str):
    if name in DTYPE_OF_LEGACY_NAME:
        return legacy_storage_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
