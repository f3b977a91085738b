"""Writing checkpoints that PyTorch reads: its zip layout, its names, its tensor encoding."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections import OrderedDict

import rushlight as torch

from .. import _C, _utils
from .._storage import LEGACY_NAMES, TypedStorage, UntypedStorage, legacy_storage_class
from . import _config as config
from ._files import WholeWrites, atomic_file
from ._names import _get_layout, file_name
from ._settings import is_customised, location_tag, skips_data
from ._zip import ArchiveWriter

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

    def __init__(self, file, protocol: int, legacy: bool = False):
        super().__init__(file, protocol)
        self.storages: list[torch.Tensor] = []  # any tensor over each storage, in main memory
        self.kinds: list[object] = []  # the dtypes under which the storages are known
        self._keys: dict[int, str] = {}
        self._legacy = legacy
        self._plain_place = not is_customised()
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
                if "<" in qualified:
                    pickle.dumps(obj)  # refuses what nobody can import, in the words people know
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

    def save_memory_format(self, memory_format) -> None:
        module, _, name = str(memory_format).partition(".")
        self._write_global(memory_format, module, name)

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
        if not self._plain_place:
            return False
        memo = self.memo
        names = (_utils._rebuild_tensor_v2, "storage", kind, "cpu", OrderedDict)
        try:
            rebuild, storage, kind, place, hooks = [self.get(memo[id(n)][0]) for n in names]
        except KeyError:
            return False
        nbytes = _C.storage_nbytes(tensor)
        place += _int_code(nbytes // tensor.dtype.itemsize)
        head = [
            rebuild,
            b"((",
            storage,
            kind,
            self._key_code(tensor),
            place,
            b"Nt" if self._legacy else b"t",
        ]
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
            self._check_kind(key, tensor.dtype)
            return self.get(self.memo[id(key)][0])
        key = self._keys[identity] = str(len(self.storages))
        self.storages.append(tensor)
        self.kinds.append(tensor.dtype)
        return b"X" + len(key).to_bytes(4, "little") + key.encode() + self._memo_code(key)

    def save_typed_storage(self, storage: TypedStorage) -> None:
        kind = legacy_storage_class(storage.pickle_storage_type())
        self._save_record(storage.untyped(), kind, storage.dtype)

    def save_untyped_storage(self, storage: UntypedStorage) -> None:
        kind = legacy_storage_class("ByteStorage") if self._legacy else UntypedStorage
        self._save_record(storage, kind, torch.uint8)

    def _check_kind(self, key: str, dtype) -> None:
        if self.kinds[int(key)] != dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types: got {dtype} and {self.kinds[int(key)]} (clone one of them)"
            )

    def record(self, storage: UntypedStorage, kind, dtype) -> tuple:
        """The persistent id of a storage, which becomes a record of the file."""
        identity = storage._cdata
        key = self._keys.get(identity)
        if key is None:
            key = self._keys[identity] = str(len(self.storages))
            self.storages.append(storage.cpu()._bytes)
            self.kinds.append(dtype)
        elif storage.nbytes():
            self._check_kind(key, dtype)
        place = sys.intern(location_tag(storage))
        found = ("storage", kind, key, place, storage.nbytes() // dtype.itemsize)
        return (*found, None) if self._legacy else found

    def _save_record(self, storage: UntypedStorage, kind, dtype) -> None:
        self.save_pers(self.record(storage, kind, dtype))


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


def _pickler_class(pickle_module):
    """A Pickler of `pickle_module` that knows tensors.

    One that is not derived from the pure-Python Pickler writes names as they are here: only
    rushlight reads what it wrote.
    """
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler
    if not issubclass(base, pickle._Pickler):
        return type("Pickler", (_Records, base), {})
    functions = {
        type(torch.float32): _Naming.save_dtype,
        torch.Size: _Naming.save_size,
        torch.device: _Naming.save_device,
        torch.layout: _Naming.save_layout,
        torch.memory_format: _Naming.save_memory_format,
        torch.Tensor: _Naming.save_tensor,
        TypedStorage: _Naming.save_typed_storage,
        UntypedStorage: _Naming.save_untyped_storage,
        type(location_tag): _Naming.save_global,
    }
    return type("Pickler", (_Naming, base), {"dispatch": {**base.dispatch, **functions}})


class _Records:
    """Mixin for any other Pickler: storages as records of the archive."""

    def __init__(self, file, protocol: int, legacy: bool = False):
        super().__init__(file, protocol)
        self.storages: list[torch.Tensor] = []
        self.kinds: list[object] = []
        self._keys: dict[int, str] = {}
        self._legacy = legacy

    record = _Naming.record
    _check_kind = _Naming._check_kind

    def persistent_id(self, obj):
        """A storage's place in the file; None for anything else."""
        if isinstance(obj, UntypedStorage):
            kind = legacy_storage_class("ByteStorage") if self._legacy else UntypedStorage
            return self.record(obj, kind, torch.uint8)
        if isinstance(obj, TypedStorage):
            kind = legacy_storage_class(obj.pickle_storage_type())
            return self.record(obj.untyped(), kind, obj.dtype)
        return None


def _contents(storages: list[torch.Tensor]):
    for tensor in storages:
        yield _C.storage_bytes(tensor) if _C.storage_nbytes(tensor) else b""


def _write_archive(file, prefix: str, data, pickler, byte_order: bool) -> None:
    options = config.save
    archive = ArchiveWriter(file, prefix, options.compute_crc32, options.storage_alignment)
    archive.add("data.pkl", data)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(options.storage_alignment).encode())
    if byte_order:
        archive.add("byteorder", sys.byteorder.encode())
    add = archive.add_hole if skips_data() else archive.add
    for key, content in enumerate(_contents(pickler.storages)):
        add(f"data/{key}", content)
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", _content_id(prefix, archive.checksums))
    archive.finish()


def _write_legacy(file, data, pickler) -> None:
    """The format before PyTorch 1.6; the keys of storages are sorted as text."""
    from ._legacy import MAGIC_NUMBER, PROTOCOL_VERSION, system_information

    protocol = pickler.proto if isinstance(pickler, _Naming) else DEFAULT_PROTOCOL
    for head in (MAGIC_NUMBER, PROTOCOL_VERSION, system_information()):
        file.write(pickle.dumps(head, protocol))
    file.write(data)
    keys = sorted(map(str, range(len(pickler.storages))))
    file.write(pickle.dumps(keys, protocol))
    contents = list(_contents(pickler.storages))
    for key in map(int, keys):
        size = memoryview(contents[key]).nbytes // pickler.kinds[key].itemsize
        file.write(size.to_bytes(8, "little"))
        if size:
            file.write(contents[key])


def _content_id(prefix: str, checksums: list[int]) -> bytes:
    """Forty digits that differ between contents."""
    mixed = 0
    for checksum in checksums:
        mixed = (mixed * 0x100000001B3 ^ checksum) % (1 << 64)
    return f"{len(checksums):020d}{mixed:020d}".encode()


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
    `_use_new_zipfile_serialization=False` writes the format that PyTorch had before 1.6.
    """
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute: "
            f"got {type(f).__name__}"
        )
    buffer = io.BytesIO()
    legacy = not _use_new_zipfile_serialization
    pickler = _pickler_class(pickle_module)(buffer, pickle_protocol, legacy)
    pickler.dump(obj)
    data = buffer.getbuffer()

    def write(file, prefix: str) -> None:
        if legacy:
            _write_legacy(file, data, pickler)
        else:
            _write_archive(file, prefix, data, pickler, not _disable_byteorder_record)

    if not is_path:
        write(f, "archive")
        return
    prefix = os.path.splitext(os.path.basename(os.fsdecode(f)))[0] or "archive"
    with atomic_file(f) as file:
        whole = WholeWrites(file)
        write(whole, prefix)
        whole.flush()
