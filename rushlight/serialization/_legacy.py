"""Files of `torch.save` before PyTorch 1.6: pickles in a row, then the bytes of every storage.

The pickles are: a magic number, the format's number, facts about the machine, the object, and the
keys of its storages; behind them, in the order of the keys, a count of elements (8 bytes) and the
elements of each, little-endian.
"""

from __future__ import annotations

import pickle
import sys

from .._storage import UntypedStorage
from ._load import StorageTable, _trusted_unpickler, new_storage
from ._names import data_unpickler
from ._scan import Scanner
from ._settings import skips_data
from ._unpickle import brief

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


def system_information() -> dict:
    """Facts about the machine, as files state them."""
    sizes = {"short": 2, "int": 4, "long": 4}
    little = sys.byteorder == "little"
    return {"protocol_version": PROTOCOL_VERSION, "little_endian": little, "type_sizes": sizes}


class _Pickles:
    """The pickles of a file, read one after the other as plain data."""

    def __init__(self, data: bytes):
        self._data = data
        self.position = 0

    def next(self, reader):
        """The next object; `position` moves behind it."""
        found = reader.load(self._data, self.position)
        self.position = reader.position
        return found

    def plain(self):
        """The next object, which must be made of numbers and text."""
        return self.next(data_unpickler(_no_storage))


def _no_storage(saved_id):
    raise pickle.UnpicklingError("a storage is named where none can be")


class _Claims:
    """What the object of a file says of its storages, found without building it."""

    def __init__(self):
        self.sizes: dict[str, tuple[int, object]] = {}
        self._table = StorageTable(self._note, lambda storage, location: storage)

    def _note(self, key: str, nbytes: int, dtype) -> _Claim:
        self.sizes[key] = nbytes, dtype
        return _Claim(nbytes)

    def persistent_load(self, saved_id):
        if type(saved_id) is tuple and saved_id[:1] == ("module",):
            return saved_id[1]
        return self._table.persistent_load(saved_id)


class _Claim:
    """A storage of which only the size is known."""

    __slots__ = ("_nbytes",)

    def __init__(self, nbytes: int):
        self._nbytes = nbytes

    def nbytes(self) -> int:
        return self._nbytes

    def untyped(self) -> _Claim:
        return self


def load_legacy(file, map_location, pickle_module, weights_only, load_args):
    """Read a file in the old format; UnpicklingError for anything else."""
    begin = file.tell()
    data = file.read()
    length = len(data)
    pickles = _Pickles(data)
    _check_header(pickles, weights_only)
    start = pickles.position
    claims = _Claims()
    pickles.next(Scanner(claims.persistent_load, load_args.get("encoding", "utf-8")))
    stop = pickles.position
    keys = pickles.plain()
    first = pickles.position
    body = data[start:stop]
    del data, pickles  # so that the file's bytes and the tensors do not both stay in memory
    filled = _read_storages(file, begin + first, begin + length, keys, claims.sizes)
    table = StorageTable(lambda key, nbytes, dtype: filled[key], map_location, weights_only)
    if weights_only:
        encoding = load_args.get("encoding", "utf-8")
        return data_unpickler(table.persistent_load, encoding, length).load(body)
    from io import BytesIO

    reader = _trusted_unpickler(pickle_module, table.persistent_load)
    return reader(BytesIO(body), **load_args).load()


def _check_header(pickles: _Pickles, weights_only: bool) -> None:
    wrong = pickle.UnpicklingError if weights_only else RuntimeError
    magic = pickles.plain()
    if type(magic) is not int or magic != MAGIC_NUMBER:
        raise wrong("Invalid magic number; corrupt file?")
    version = pickles.plain()
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise wrong(f"Invalid protocol version: {brief(version)}")
    if type(pickles.plain()) is not dict:
        raise pickle.UnpicklingError("the facts about the machine are malformed")


def _read_storages(file, position: int, end: int, keys, sizes: dict) -> dict:
    """The storages in the order of `keys`, each of the size that the object says it has."""
    if type(keys) is not list or not all(type(key) in (str, int) for key in keys):
        raise pickle.UnpicklingError("the keys of the storages are malformed")
    keys = [str(key) for key in keys]
    if len(set(keys)) != len(keys) or set(keys) != set(sizes):
        raise pickle.UnpicklingError("the storages of the file do not match those its object names")
    skip = skips_data()
    filled: dict[str, UntypedStorage] = {}
    for key in keys:
        nbytes, dtype = sizes[key]
        file.seek(position)
        count = int.from_bytes(file.read(8), "little")
        position += 8
        if count * dtype.itemsize != nbytes or position + nbytes > end:
            raise pickle.UnpicklingError(f"storage {brief(key)} is cut off or has another size")
        filled[key], view = new_storage(nbytes)
        if not skip:
            read_whole(file, view)
        position += nbytes
    return filled


def read_whole(file, view: memoryview) -> None:
    """Fill `view` from a file."""
    readinto = getattr(file, "readinto", None)
    done = 0
    while done < view.nbytes:
        if readinto is not None:
            got = readinto(view[done:])
        else:
            part = file.read(view.nbytes - done)
            got = len(part)
            view[done : done + got] = part
        if not got:
            raise pickle.UnpicklingError("the bytes of a storage are cut off")
        done += got
