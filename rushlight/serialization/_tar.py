"""Files of PyTorch 0.1: a tar archive of four members.

`storages`: a pickled count; for each a pickled (key, place, storage class), a count of elements and
the elements; then the pickled parts of storages (key, whole's key, first element, size).
`tensors`: a pickled count; for each a pickled (key, storage's key, class), then as little-endian
numbers the rank (4 bytes and 4 unused), sizes, strides and offset. `pickle`: the object, naming
tensors by key. `sys_info`: facts about the machine.
"""

from __future__ import annotations

import pickle
import tarfile

from .._storage import TypedStorage
from ._load import StoragePart, _restore_function, _trusted_unpickler, new_storage
from ._names import StorageType, data_unpickler
from ._unpickle import brief

_MARK = slice(257, 262)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so is a tar archive."""
    return head[_MARK] == b"ustar"


def _wrong(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"load: the tar archive is malformed: {what}")


class _Member:
    """The bytes of one member: pickles and little-endian numbers in a row."""

    def __init__(self, archive: tarfile.TarFile, name: str):
        try:
            content = archive.extractfile(name)
        except KeyError:
            content = None
        if content is None:
            raise _wrong(f"it has no file {name!r}")
        self.data = content.read()
        self._position = 0
        self._reader = data_unpickler(self._no_storage)

    @staticmethod
    def _no_storage(saved_id):
        raise _wrong("a storage is named where none can be")

    def unpickle(self):
        found = self._reader.load(self.data, self._position)
        self._position = self._reader.position
        return found

    def count(self) -> int:
        found = self.unpickle()
        if type(found) is not int or not 0 <= found <= len(self.data):
            raise _wrong(f"{brief(found)} is not a count")
        return found

    def take(self, size: int) -> bytes:
        begin, self._position = self._position, self._position + size
        if self._position > len(self.data):
            raise _wrong("it is cut off")
        return self.data[begin : self._position]

    def numbers(self, count: int) -> list[int]:
        data = self.take(8 * count)
        parts = range(0, len(data), 8)
        return [int.from_bytes(data[i : i + 8], "little", signed=True) for i in parts]


def _storages(member: _Member, restore) -> dict:
    found: dict = {}
    for _ in range(member.count()):
        key, place, kind = member.unpickle()
        if type(kind) is not StorageType or kind.dtype is None or type(key) is not int:
            raise _wrong("a storage's class is unknown")
        (count,) = member.numbers(1)
        data = member.take(max(count, 0) * kind.dtype.itemsize)
        storage, view = new_storage(len(data))
        view[:] = data
        found[key] = TypedStorage(wrap_storage=restore(storage, place), dtype=kind.dtype)
    for key, whole, first, size in member.unpickle():
        storage = found[whole]
        found[key] = StoragePart.of(storage.untyped(), storage.dtype, (key, first, size))
    return found


def _tensors(member: _Member, storages: dict) -> dict:
    found: dict = {}
    for _ in range(member.count()):
        key, storage_key, _ = member.unpickle()
        rank = int.from_bytes(member.take(8)[:4], "little")
        sizes, strides = member.numbers(rank), member.numbers(rank)
        (offset,) = member.numbers(1)
        storage = storages[storage_key]
        place = (storage.dtype, offset, sizes, strides)
        found[key] = storage._untyped_storage._tensor(*place)
    return found


def load_tar(file, map_location, pickle_module, load_args):
    """Read the object of a tar archive that can be trusted."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            storages = _storages(_Member(archive, "storages"), _restore_function(map_location))
            objects = _tensors(_Member(archive, "tensors"), storages) | storages
            data = _Member(archive, "pickle").data
    except (tarfile.TarError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong(str(error)) from error

    def persistent_load(saved_id):
        # Classes of modules come with their source, which nothing here reads.
        return saved_id[0] if isinstance(saved_id, tuple) else objects[int(saved_id)]

    from io import BytesIO

    return _trusted_unpickler(pickle_module, persistent_load)(BytesIO(data), **load_args).load()
