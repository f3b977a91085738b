"""Files of `torch.save` before PyTorch 1.6: pickles in a row, then the bytes of every storage."""

from __future__ import annotations

import io
import pickle

from .._storage import UntypedStorage
from ._load import StorageTable, _trusted_unpickler, new_storage
from ._names import data_unpickler

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class _Pickles:
    """Reads pickles one after the other from bytes."""

    def __init__(self, data: bytes, persistent_load, pickle_module, weights_only, load_args):
        self._data = data
        self.position = 0
        if weights_only:
            self._reader = data_unpickler(persistent_load, load_args.get("encoding", "utf-8"))
        else:
            self._reader = None
            self._file = io.BytesIO(data)
            self._class = _trusted_unpickler(pickle_module, persistent_load)
            self._load_args = load_args

    def next(self):
        """The next object; `position` moves behind it."""
        if self._reader is not None:
            found = self._reader.load(self._data, self.position)
            self.position = self._reader.position
            return found
        self._file.seek(self.position)
        found = self._class(self._file, **self._load_args).load()
        self.position = self._file.tell()
        return found


def load_legacy(file, map_location, pickle_module, weights_only, load_args):
    """Read a file in the old format; UnpicklingError for anything else."""
    data = file.read()
    pending: dict[str, tuple[memoryview, int]] = {}
    claimed = 0

    def make(key: str, nbytes: int, dtype) -> UntypedStorage:
        nonlocal claimed
        claimed += nbytes
        if claimed > len(data):
            raise pickle.UnpicklingError(
                f"the storages claim more than the {len(data)} bytes there are"
            )
        storage, view = new_storage(nbytes)
        pending[key] = (view, dtype.itemsize)
        return storage

    places = set()

    def stay(storage: UntypedStorage, location: str) -> UntypedStorage:
        places.add(location)
        return storage

    # The bytes follow the pickles, so storages can be moved only in a second pass, once filled.
    table = StorageTable(make, stay)
    arguments = (pickle_module, weights_only, load_args)
    pickles = _Pickles(data, table.persistent_load, *arguments)
    _check_header(pickles)
    start = pickles.position
    result = pickles.next()
    keys = pickles.next()
    _fill(data, pickles.position, keys, pending)
    if map_location is None and places <= {"cpu"}:
        return result
    filled = table.loaded
    table = StorageTable(lambda key, nbytes, dtype: filled[key], map_location)
    pickles = _Pickles(data, table.persistent_load, *arguments)
    pickles.position = start
    return pickles.next()


def _check_header(pickles: _Pickles) -> None:
    if pickles.next() != _MAGIC:
        raise pickle.UnpicklingError("Invalid magic number; corrupt file?")
    if pickles.next() != _PROTOCOL:
        raise pickle.UnpicklingError("Invalid protocol version")
    info = pickles.next()
    if not isinstance(info, dict) or info.get("little_endian", True) is not True:
        raise pickle.UnpicklingError("only files written on little-endian machines are read")


def _fill(data: bytes, position: int, keys, pending: dict) -> None:
    if type(keys) is not list or set(map(str, keys)) != set(pending):
        raise pickle.UnpicklingError("the storages of the file do not match those its object names")
    for key in keys:
        view, itemsize = pending[key]
        count = int.from_bytes(data[position : position + 8], "little")
        position += 8
        if count * itemsize != view.nbytes or position + view.nbytes > len(data):
            raise pickle.UnpicklingError(f"storage {key!r} is cut off or has another size")
        view[:] = data[position : position + view.nbytes]
        position += view.nbytes
