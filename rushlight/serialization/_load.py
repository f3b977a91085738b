"""Reading checkpoints of PyTorch and rushlight, from files that nobody has to trust."""

from __future__ import annotations

import io
import os
import pickle
import sys
import warnings

import rushlight as torch

from .. import _C
from .._storage import TypedStorage, UntypedStorage
from . import _config as config
from ._names import StorageType, data_unpickler, find_object, is_allowed
from ._settings import (
    assumed_byte_order,
    default_restore_location,
    get_default_mmap_options,
    skips_data,
)
from ._unpickle import Passed, brief
from ._zip import ArchiveReader


def _restore_function(map_location):
    """A function (storage, location) -> storage for every form of `map_location`."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, location: default_restore_location(
            storage, map_location.get(location, location)
        )
    if isinstance(map_location, (str, bytes, torch.device)):
        if isinstance(map_location, bytes):
            map_location = map_location.decode("ascii")
        target = str(map_location)
        return lambda storage, location: default_restore_location(storage, target)
    if not callable(map_location):
        raise TypeError(
            f"'{type(map_location).__name__}' object is not callable: map_location must be a "
            "device, a dict from places to places, or a function (storage, location) -> storage"
        )

    def restore(storage, location):
        moved = map_location(storage, location)
        if moved is None:
            return default_restore_location(storage, location)
        return moved.untyped()

    return restore


class StorageTable:
    """The storages of a file by key: each is made once, and views share it."""

    def __init__(self, make, map_location, passes_errors: bool = False):
        self._make = make
        self._passes_errors = passes_errors
        self._restore = _restore_function(map_location)
        self.loaded: dict[str, UntypedStorage] = {}

    def persistent_load(self, saved_id):
        """The storage that a persistent id stands for, with the dtype it names."""
        if type(saved_id) is not tuple or not saved_id:
            raise pickle.UnpicklingError(f"a persistent id must be a tuple, got {brief(saved_id)}")
        if saved_id[0] == "module" and len(saved_id) > 1:
            return saved_id[1]
        if saved_id[0] != "storage" or len(saved_id) not in (5, 6):
            raise pickle.UnpicklingError(f"unknown persistent id {brief(saved_id[0])}")
        _, kind, key, location, numel = saved_id[:5]
        location = _ascii(location)
        key = _ascii(key)
        if type(kind) is not StorageType or type(numel) is not int or numel < 0:
            raise pickle.UnpicklingError("a storage's persistent id is malformed")
        dtype = kind.dtype or torch.uint8
        nbytes = numel * dtype.itemsize
        storage = self.loaded.get(key)
        if storage is None:
            storage = self._moved(self._make(key, nbytes, dtype), location)
            self.loaded[key] = storage
        elif storage.nbytes() < nbytes:
            raise pickle.UnpicklingError(f"storage {key!r} is named again with another size")
        if len(saved_id) == 6 and saved_id[5] is not None:
            return StoragePart.of(storage, dtype, saved_id[5])
        if kind.dtype is None:
            return storage
        return TypedStorage(wrap_storage=storage, dtype=kind.dtype)

    def _moved(self, storage: UntypedStorage, location: str) -> UntypedStorage:
        try:
            return self._restore(storage, location)
        except Exception as error:
            if self._passes_errors:
                raise Passed(error) from None
            raise


class StoragePart:
    """A range of a storage under a storage's name, as files from before PyTorch 0.4 have them."""

    __slots__ = ("_first", "_size", "_untyped_storage", "_whole", "dtype")

    @classmethod
    def of(cls, storage: UntypedStorage, dtype, place) -> StoragePart:
        """The part that (key, first element, number of elements) describes."""
        if type(place) is not tuple or len(place) != 3:
            raise pickle.UnpicklingError("a view of a storage is malformed")
        _, first, size = place
        count = storage.nbytes() // dtype.itemsize
        if (
            type(first) is not int
            or type(size) is not int
            or not 0 <= first <= first + size <= count
        ):
            raise pickle.UnpicklingError("a view of a storage reaches outside of it")
        part = cls()
        part._untyped_storage, part.dtype = part, dtype
        part._whole, part._first, part._size = storage, first, size
        return part

    def _tensor(self, dtype, offset: int, size, stride):
        return self._whole._tensor(dtype, self._first + offset, size, stride)


def _ascii(text) -> str:
    text = text.decode("ascii") if isinstance(text, bytes) else text
    if type(text) is not str:
        raise pickle.UnpicklingError(f"expected text, got {type(text).__name__}")
    return text


def _swap_bytes(view: memoryview, dtype) -> None:
    """Reverse the bytes of every number in place."""
    from array import array

    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    if width > 1:
        numbers = array({2: "H", 4: "I", 8: "Q"}[width], view.tobytes())
        numbers.byteswap()
        view[:] = memoryview(numbers).cast("B")


def new_storage(nbytes: int) -> tuple[UntypedStorage, memoryview]:
    """A storage in main memory and a view that writes into it."""
    storage = UntypedStorage(nbytes)
    if not nbytes:
        return storage, memoryview(bytearray())
    return storage, memoryview(_C.storage_bytes(storage._bytes)).cast("B")


def _trusted_unpickler(pickle_module, persistent_load):
    """An Unpickler class for trusted files: any name may be imported."""

    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module, name):
            root, _, rest = module.partition(".")
            if root == torch.__package__:  # written by a Pickler that does not know PyTorch's names
                root, module = "torch", f"torch.{rest}" if rest else "torch"
            if root == "torch":
                return find_object(module, name)
            return super().find_class(module, name)

    Unpickler.persistent_load = staticmethod(persistent_load)
    return Unpickler


def unpickle(data, size, persistent_load, pickle_module, weights_only: bool, load_args: dict):
    """The object pickled in `data`, a part of a file of `size` bytes."""
    if weights_only:
        encoding = load_args.get("encoding", "utf-8")
        return data_unpickler(persistent_load, encoding, size).load(data)
    return _trusted_unpickler(pickle_module, persistent_load)(io.BytesIO(data), **load_args).load()


def _archive_prefix(archive: ArchiveReader) -> str:
    pickles = [name for name in archive.names() if name.endswith("/data.pkl")]
    pickles = [name for name in pickles if name.count("/") == 1]
    if len(pickles) != 1:
        raise RuntimeError(
            "load: the zip archive holds no checkpoint: expected one record <name>/data.pkl, "
            f"got {len(pickles)}"
        )
    return pickles[0][: -len("data.pkl")]


def _load_zip(file, map_location, pickle_module, weights_only, mmap, load_args):
    start = file.tell()
    try:
        archive = ArchiveReader(file)
    except RuntimeError:
        file.seek(start)
        if not _holds_program(file):  # its source may be compressed
            raise
        return _load_program(file, map_location, weights_only)
    prefix = _archive_prefix(archive)
    names = set(archive.names())
    if prefix + "constants.pkl" in names:
        file.seek(start)
        return _load_program(file, map_location, weights_only)
    order = assumed_byte_order().encode()
    if prefix + "byteorder" in names:
        order = archive.read(prefix + "byteorder")
        if order not in (b"little", b"big"):
            raise ValueError(f"Unknown endianness type: {brief(order)}")
    make = _storage_reader(archive, prefix, order != sys.byteorder.encode(), mmap)
    if str(map_location) == "meta":  # then no bytes are read
        make = _storage_measurer(archive, prefix)
    table = StorageTable(make, map_location, weights_only)
    data = archive.read(prefix + "data.pkl")
    where = (table.persistent_load, pickle_module, weights_only, load_args)
    return unpickle(data, archive.length, *where)


def _holds_program(file) -> bool:
    """Whether a zip file is an archive of a compiled module: it has constants of its own."""
    from zipfile import BadZipFile, ZipFile

    start = file.tell()
    try:
        with ZipFile(file) as archive:
            names = archive.namelist()
    except (BadZipFile, ValueError, NotImplementedError):
        return False  # the reader says what is wrong with it
    finally:
        file.seek(start)
    return any(n.endswith("/constants.pkl") and n.count("/") == 1 for n in names)


def _load_program(file, map_location, weights_only: bool):
    """What torch.jit.load gives, for those who did not call it."""
    if weights_only:
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``: "
            "call torch.jit.load, which runs nothing but operators, or pass weights_only=False"
        )
    warnings.warn(
        "'torch.load' received a zip file that looks like a TorchScript archive dispatching to "
        "'torch.jit.load' (call 'torch.jit.load' directly to silence this warning)",
        UserWarning,
        stacklevel=4,
    )
    from ..jit import load

    return load(file, map_location)


def _storage_reader(archive: ArchiveReader, prefix: str, swap: bool, mmap: bool):
    """A function (key, size, dtype) -> storage that reads or maps records of an archive."""
    names = set(archive.names())
    skip = skips_data()
    shared = mmap and _is_shared(get_default_mmap_options())

    def make(key: str, nbytes: int, dtype) -> UntypedStorage:
        path = f"{prefix}data/{key}"
        if path not in names:
            raise RuntimeError(f"load: the file has no record {brief(path)}")
        if archive.size(path) != nbytes:
            raise RuntimeError(
                f"load: record {path!r} has {archive.size(path)} bytes, expected {nbytes}"
            )
        if mmap and nbytes and not swap and archive.offset(path) % 16 == 0:
            tensor = _C.from_buffer(archive.mapped(path, shared), torch.uint8, (nbytes,), (1,), 0)
            return UntypedStorage._of(tensor)
        storage, view = new_storage(nbytes)
        if not skip:
            archive.read_into(path, view)
            if swap:
                _swap_bytes(view, dtype)
        return storage

    return make


def _storage_measurer(archive: ArchiveReader, prefix: str):
    """A function (key, size, dtype) -> storage without memory."""
    names = set(archive.names())

    def make(key: str, nbytes: int, dtype) -> UntypedStorage:
        path = f"{prefix}data/{key}"
        if path not in names or archive.size(path) != nbytes:
            raise RuntimeError(f"load: the file has no record {brief(path)} of {nbytes} bytes")
        return UntypedStorage(nbytes, device="meta")

    return make


def _is_shared(flags: int) -> bool:
    from mmap import MAP_SHARED

    return flags == MAP_SHARED


def _failed(error: Exception) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(
        "Weights only load failed. With `weights_only=True`, the default, `torch.load` builds "
        "tensors and plain containers only. If you trust where the file comes from, call "
        "`torch.load` with `weights_only` set to `False` (`weights_only=False`), which can run any "
        "code that the file contains, or allow the classes it names.\n\tWeightsUnpickler error: "
        f"{error}"
    )


def _load_old(file, map_location, pickle_module, weights_only, load_args):
    """Read a file from before PyTorch 1.6, which is no zip archive."""
    from ._legacy import load_legacy
    from ._tar import is_tar, load_tar

    start = file.tell()
    head = file.read(512)
    file.seek(start)
    if not is_tar(head):
        return load_legacy(file, map_location, pickle_module, weights_only, load_args)
    if weights_only:
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with files saved in the legacy .tar format: if you "
            "trust where the file comes from, call `torch.load` with `weights_only` set to `False`"
        )
    return load_tar(file, map_location, pickle_module, load_args)


def _load_opened(file, map_location, pickle_module, weights_only, mmap, load_args):
    for name in ("seek", "tell", "read"):
        if not hasattr(file, name):
            raise AttributeError(
                f"'{type(file).__name__}' object has no attribute '{name}'. You can only "
                "torch.load from a file that is seekable. Please pre-load the data into a buffer "
                "like io.BytesIO and try to load from it instead."
            )
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    if not magic:
        raise EOFError("Ran out of input")
    arguments = (map_location, pickle_module, weights_only)
    try:
        if magic == b"PK\x03\x04":
            return _load_zip(file, *arguments, mmap, load_args)
        if mmap:
            raise RuntimeError(
                "mmap can only be used with files saved with `torch.save(_use_new_zipfile_"
                "serialization=True)`: save the file again to map it"
            )
        return _load_old(file, *arguments, load_args)
    except pickle.UnpicklingError as error:
        if weights_only:
            raise _failed(error) from None
        raise


def _wants_weights_only(weights_only: bool | None, pickle_module) -> bool:
    """What `weights_only` means, after PyTorch's two environment variables."""

    def switched_on(name: str) -> bool:
        return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")

    force, forbid = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    if switched_on(force) and switched_on(forbid):
        raise RuntimeError(
            f"Only one of {force} or {forbid} should be set, but both were set: unset one"
        )
    if switched_on(force):
        return True
    if weights_only is None:
        return pickle_module is None and not switched_on(forbid)
    return bool(weights_only)


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args,
):
    """Read an object that `save` or PyTorch wrote, from a path or a seekable binary file.

    By default only data is built, and classes outside the allow-list raise UnpicklingError;
    `weights_only=False` runs what the file asks for, so only for files you trust. `map_location` is
    a device, a dict from saved to wanted locations, or a function (storage, location) -> storage.
    `mmap=True` maps the file: memory is used for the pages that are touched, and writes stay
    private.
    """
    weights_only = _wants_weights_only(weights_only, pickle_module)
    if weights_only and pickle_module is not None:
        raise RuntimeError(
            "Can not safely load weights when explicit pickle_module is specified: leave out "
            "pickle_module, or pass weights_only=False for a file you trust"
        )
    is_path = isinstance(f, (str, os.PathLike))
    if mmap is None:
        mmap = config.load.mmap and is_path
    if mmap and not is_path:
        raise ValueError("f must be a file path in order to use the mmap argument")
    arguments = (map_location, pickle_module or pickle, weights_only, bool(mmap), pickle_load_args)
    if is_path:
        with open(f, "rb") as file:
            return _load_opened(file, *arguments)
    return _load_opened(f, *arguments)


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """Names in a checkpoint that `load` would refuse, without loading anything."""
    from ._scan import named_globals

    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return get_unsafe_globals_in_checkpoint(file)
    start = f.tell()
    magic = f.read(4)
    f.seek(start)
    if magic != b"PK\x03\x04":
        raise ValueError(
            "get_unsafe_globals_in_checkpoint: expected a checkpoint of torch.save in zip format"
        )
    archive = ArchiveReader(f)
    named = named_globals(archive.read(_archive_prefix(archive) + "data.pkl"))
    return sorted(name for name in named if not is_allowed(name))
