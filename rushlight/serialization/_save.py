"""Writing checkpoints that PyTorch reads: its zip layout, its names, its tensor encoding."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections import OrderedDict
from contextlib import contextmanager
from itertools import count

import rushlight as torch

from .. import _C, _utils
from .._storage import LEGACY_NAMES, TypedStorage, UntypedStorage, legacy_storage_class
from ._names import _get_layout, file_name
from ._zip import ALIGNMENT, ArchiveWriter

DEFAULT_PROTOCOL = 2


# What PyTorch's modules hold besides their parameters; ours make most of it only when used.
_HOOK_FIELDS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_FIRST_FIELDS = ("training", "_parameters", "_buffers", "_non_persistent_buffers_set")


def _complete_module_state(module, state: dict) -> dict:
    """The state of a module with every field that PyTorch's modules need, in its order."""
    complete = {name: state[name] for name in _FIRST_FIELDS if name in state}
    for name in _HOOK_FIELDS:
        empty = None if name == "_is_full_backward_hook" else OrderedDict()
        complete[name] = state.get(name, empty)
    complete["_modules"] = state["_modules"]
    complete.update(state)
    complete.pop("_unhooked", None)
    if "_flat_weights_names" in state:  # recurrent layers list their weights a second time
        complete["_flat_weights"] = module._flat_weights
    return complete


class _Naming:
    """Mixin for a pure-Python Pickler: PyTorch's names, and storages as records of the archive."""

    def __init__(self, file, protocol: int):
        super().__init__(file, protocol)
        self.storages: list[torch.Tensor] = []  # any tensor over each storage, in main memory
        self._keys: dict[int, str] = {}
        self._own_names = {
            torch.Tensor: ("torch", "Tensor"),
            torch.Size: ("torch", "Size"),
            torch.device: ("torch", "device"),
            UntypedStorage: ("torch.storage", "UntypedStorage"),
            TypedStorage: ("torch.storage", "TypedStorage"),
            _utils._rebuild_from_type_v2: ("torch._tensor", "_rebuild_from_type_v2"),
        }

    def _write_global(self, obj, module: str, name: str) -> None:
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(f"c{module}\n{name}\n".encode())
        self.memoize(obj)

    def save_global(self, obj, name=None):
        found = self._own_names.get(obj)
        if found is None:
            module = getattr(obj, "__module__", None) or ""
            qualified = name or getattr(obj, "__qualname__", "")
            found = file_name(module, qualified)
            if found == (module, qualified):
                return super().save_global(obj, name)
        return self._write_global(obj, *found)

    def save_reduce(self, func, args, state=None, *rest, **keywords):
        if type(state) is dict and "_modules" in state and "_parameters" in state:
            state = _complete_module_state(keywords.get("obj"), state)
        return super().save_reduce(func, args, state, *rest, **keywords)

    def save_dtype(self, dtype) -> None:
        module, _, name = str(dtype).partition(".")
        self._write_global(dtype, module, name)

    def save_size(self, size) -> None:
        self.save_reduce(torch.Size, (tuple(size),), obj=size)

    def save_layout(self, layout) -> None:
        """A layout is rebuilt from its name by a function that PyTorch calls so."""
        rebuild = "torch.serialization", "_get_layout"
        if id(_get_layout) in self.memo:
            self.write(self.get(self.memo[id(_get_layout)][0]))
        else:
            self._write_global(_get_layout, *rebuild)
        self.save((f"torch.{layout.name}",))
        self.write(pickle.REDUCE)
        self.memoize(layout)

    def save_device(self, device) -> None:
        args = (device.type,) if device.index is None else (device.type, device.index)
        self.save_reduce(torch.device, args, obj=device)

    def save_tensor(self, tensor) -> None:
        if not self._save_like_others(tensor):
            self.save_reduce(*_utils.tensor_reduce_ex(tensor, self.proto), obj=tensor)

    def _save_like_others(self, tensor) -> bool:
        """Write the opcodes of a plain tensor at once, when all names in it were written before.

        The bytes are those that `save_reduce` would write, sooner.
        """
        kind = _storage_classes.get(tensor.dtype)
        if self.proto > 3 or kind is None or tensor.is_cuda or _utils.has_state(tensor):
            return False
        memo = self.memo
        names = (_utils._rebuild_tensor_v2, "storage", kind, "cpu", OrderedDict)
        try:
            rebuild, storage, kind, place, hooks = [self.get(memo[id(n)][0]) for n in names]
        except KeyError:
            return False
        nbytes = _C.storage_nbytes(tensor)
        place += _int_code(nbytes // tensor.dtype.itemsize)
        head = [rebuild, b"((", storage, kind, self._key_code(tensor), place, b"t"]
        head += [self._memo_code(), b"Q", _int_code(tensor.storage_offset())]
        for numbers in (tensor.shape, tensor.stride()):
            head.append(_tuple_code(numbers))
            if numbers:
                head.append(self._memo_code())
        head += [b"\x88" if tensor.requires_grad else b"\x89", hooks, b")R", self._memo_code()]
        head += [b"t", self._memo_code(), b"R", self._memo_code(tensor)]
        self.write(b"".join(head))
        return True

    def _memo_code(self, obj=None) -> bytes:
        """Remember `obj`, or something that nothing will refer to."""
        obj = object() if obj is None else obj
        index = len(self.memo)
        self.memo[id(obj)] = index, obj
        return self.put(index)

    def _key_code(self, tensor) -> bytes:
        identity = tensor._storage_id()
        key = self._keys.get(identity)
        if key is not None:
            return self.get(self.memo[id(key)][0])
        key = self._keys[identity] = str(len(self.storages))
        self.storages.append(tensor)
        return b"X" + len(key).to_bytes(4, "little") + key.encode() + self._memo_code(key)

    def save_typed_storage(self, storage: TypedStorage) -> None:
        kind = legacy_storage_class(storage.pickle_storage_type())
        self._save_record(storage.untyped(), kind, storage.size())

    def save_untyped_storage(self, storage: UntypedStorage) -> None:
        self._save_record(storage, UntypedStorage, storage.nbytes())

    def _save_record(self, storage: UntypedStorage, kind, numel: int) -> None:
        identity = storage._cdata
        key = self._keys.get(identity)
        if key is None:
            key = self._keys[identity] = str(len(self.storages))
            self.storages.append(storage.cpu()._bytes)
        self.save_pers(("storage", kind, key, sys.intern(location_tag(storage)), numel))


# Storage classes that name a dtype in files, by dtype.
_storage_classes = {
    getattr(torch, dtype): legacy_storage_class(name) for dtype, name in LEGACY_NAMES.items()
}


def _int_code(value: int) -> bytes:
    if value < 256:
        return b"K" + value.to_bytes(1, "little")
    if value < 65536:
        return b"M" + value.to_bytes(2, "little")
    if value < 1 << 31:
        return b"J" + value.to_bytes(4, "little")
    data = pickle.encode_long(value)
    return b"\x8a" + len(data).to_bytes(1, "little") + data


def _tuple_code(numbers) -> bytes:
    codes = b"".join([_int_code(n) for n in numbers])
    count = len(numbers)
    if count > 3:
        return b"(" + codes + b"t"
    return codes + (b")", b"\x85", b"\x86", b"\x87")[count]


def location_tag(storage) -> str:
    """Where a storage lives, as files say it: "cpu", "cuda:0"."""
    device = storage.device
    return device.type if device.index is None or device.type == "cpu" else str(device)


def _pickler_class(pickle_module):
    """A Pickler of `pickle_module` that knows tensors; other modules need a pure-Python Pickler."""
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler
    if not issubclass(base, pickle._Pickler):
        raise TypeError(
            f"save: {pickle_module.__name__}.Pickler must derive from pickle._Pickler, as dill's "
            "does"
        )
    functions = {
        type(torch.float32): _Naming.save_dtype,
        torch.Size: _Naming.save_size,
        torch.device: _Naming.save_device,
        torch.layout: _Naming.save_layout,
        torch.Tensor: _Naming.save_tensor,
        TypedStorage: _Naming.save_typed_storage,
        UntypedStorage: _Naming.save_untyped_storage,
        type(location_tag): _Naming.save_global,
    }
    return type("Pickler", (_Naming, base), {"dispatch": {**base.dispatch, **functions}})


_options = {"crc32": True}


def get_crc32_options() -> bool:
    """Whether `save` computes checksums."""
    return _options["crc32"]


def set_crc32_options(compute_crc32: bool) -> None:
    """Whether `save` computes checksums; without them damage to a file goes unnoticed."""
    _options["crc32"] = bool(compute_crc32)


def _write_archive(file, prefix: str, data: bytes, storages: list[torch.Tensor]) -> None:
    archive = ArchiveWriter(file, prefix, _options["crc32"])
    archive.add("data.pkl", data)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    archive.add("byteorder", sys.byteorder.encode())
    for key, tensor in enumerate(storages):
        content = _C.storage_bytes(tensor) if _C.storage_nbytes(tensor) else b""
        archive.add(f"data/{key}", content)
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", _content_id(prefix, archive.checksums))
    archive.finish()


def _content_id(prefix: str, checksums: list[int]) -> bytes:
    """Forty digits that differ between contents."""
    mixed = 0
    for checksum in checksums:
        mixed = (mixed * 0x100000001B3 ^ checksum) % (1 << 64)
    return f"{len(checksums):020d}{mixed:020d}".encode()


_attempts = count()


@contextmanager
def atomic_file(path):
    """A binary file that takes the place of `path` only when the block ends without an error.

    It is written beside `path` and synced first, so that at any moment, even after a power failure,
    `path` is either the old file or the whole new one.
    """
    path = os.path.realpath(os.fspath(path))
    parent, name = os.path.split(path)
    if not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {os.fsdecode(parent)} does not exist.")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:  # a pipe or device cannot be replaced
            yield file
        return
    unique = f".{os.fsdecode(name)[:200]}.{os.getpid()}-{next(_attempts)}.tmp"
    temporary = os.path.join(os.fsdecode(parent), unique)
    try:
        with open(temporary, "xb", buffering=0) as file:
            if os.path.exists(path):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            yield file
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


class _WholeWrites:
    """Repeats short writes of a raw file and gathers small ones."""

    def __init__(self, file):
        self._file = file
        self._pending = bytearray()

    def write(self, data) -> None:
        view = memoryview(data)
        if view.nbytes < 1 << 16:
            self._pending += view
            if len(self._pending) < 1 << 18:
                return
            view = None
        self.flush()
        if view is not None:
            self._write_all(view)

    def flush(self) -> None:
        if self._pending:
            self._write_all(memoryview(self._pending))
            self._pending = bytearray()

    def _write_all(self, view) -> None:
        while view.nbytes:
            view = view[self._file.write(view) :]


def save(
    obj: object,
    f,
    pickle_module=pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file (a path, or anything with `write`) that `load` and PyTorch read.

    A path is replaced only after everything has been written: a failed save leaves the old file.
    """
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            "save: expected 'f' to be string, path, or a file-like object with a 'write' "
            "attribute, "
            f"got {type(f).__name__}"
        )
    buffer = io.BytesIO()
    pickler = _pickler_class(pickle_module)(buffer, pickle_protocol)
    pickler.dump(obj)
    data = buffer.getbuffer()
    if not is_path:
        _write_archive(f, "archive", data, pickler.storages)
        return
    prefix = os.path.splitext(os.path.basename(os.fsdecode(f)))[0] or "archive"
    with atomic_file(f) as file:
        whole = _WholeWrites(file)
        _write_archive(whole, prefix, data, pickler.storages)
        whole.flush()
