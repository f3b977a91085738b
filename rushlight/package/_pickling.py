"""Objects of packages: pickles that name modules as the importer does, storages beside them."""

from __future__ import annotations

import io
import pickle
from types import FunctionType
from typing import Any

from ..serialization._load import StorageTable, new_storage
from ..serialization._names import file_name, find_object
from ..serialization._save import _contents, _pickler_class
from ._mangling import demangle
from .importer import ObjMismatchError, ObjNotFoundError


class Pickled:
    """The storages that the pickles of one package share."""

    def __init__(self):
        self.storages: list = []
        self.kinds: list = []
        self.keys: dict[int, str] = {}
        self._done = 0

    def fresh(self):
        """(key, bytes) of the storages that are new since the last time."""
        start, self._done = self._done, len(self.storages)
        yield from enumerate(_contents(self.storages[start:]), start)


_Base: Any = _pickler_class(pickle)


class _PackagePickler(_Base):
    """Writes names as an importer finds them, and notes the modules."""

    def __init__(self, file, exporter, shared: Pickled, protocol: int):
        super().__init__(file, protocol)
        self.exporter = exporter
        self.storages, self.kinds, self._keys = shared.storages, shared.kinds, shared.keys
        self._plain_place = False  # keys are shared by several pickles
        self.used: dict[str, list[str]] = {}
        self._reduces: dict[int, str] = {}

    def _write_global(self, obj, module: str, name: str) -> None:
        objects = self.used.setdefault(module, [])
        if name not in objects:
            objects.append(name)
        super()._write_global(obj, module, name)

    def save_global(self, obj, name=None):
        """An object by the name under which the importer finds it."""
        known = self._own_names.get(obj)
        if known is None:
            module = getattr(obj, "__module__", None) or ""
            known = file_name(module, name or getattr(obj, "__qualname__", ""))
        if known[0].partition(".")[0] == "torch":
            return self._write_global(obj, *known)
        try:
            module, qualified = self.exporter.importer.get_name(obj, name)
        except (ObjNotFoundError, ObjMismatchError) as error:
            raise pickle.PicklingError(f"Can't pickle {obj}: {error}") from None
        if self.proto < 4 and "." in qualified:
            # Older protocols reach what is inside a class by getattr.
            outer, _, leaf = qualified.rpartition(".")
            owner = self.exporter.importer.import_module(module)
            for part in outer.split("."):
                owner = getattr(owner, part)
            return self.save_reduce(getattr, (owner, leaf), obj=obj)
        return self._write_global(obj, demangle(module), qualified)

    def persistent_id(self, obj):
        """What an object that packs itself is: (how, number, function, arguments)."""
        if isinstance(obj, type) or not hasattr(obj, "__reduce_package__"):
            return None
        made = self.exporter.serialized_reduces
        if id(obj) not in made:
            made[id(obj)] = ("reduce_package", id(obj), *obj.__reduce_package__(self.exporter))
        return made[id(obj)]

    dispatch = {
        **_Base.dispatch,
        FunctionType: save_global,
        type(len): save_global,
    }


def pickled(obj: Any, exporter: Any, shared: Pickled, protocol: int) -> tuple[bytes, dict]:
    """(the pickle, the names used of each module) of an object."""
    file = io.BytesIO()
    pickler = _PackagePickler(file, exporter, shared, protocol)
    pickler.dispatch = {**pickler.dispatch, type: _PackagePickler.save_type}
    pickler.dump(obj)
    return file.getvalue(), pickler.used


def unpickled(data: bytes, importer: Any, map_location: Any) -> Any:
    """The object of a pickle; the importer runs the code that it names."""
    reader = importer.zip_reader

    def make(key: str, nbytes: int, dtype):
        content = reader.get_record(f".data/{key}.storage")
        if len(content) != nbytes:
            raise RuntimeError(
                f"load_pickle: storage {key} has {len(content)} bytes, expected {nbytes}"
            )
        storage, view = new_storage(nbytes)
        if nbytes:
            view[:] = content
        return storage

    table = StorageTable(make, map_location)
    reduces: dict[Any, Any] = {}

    class Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
        def find_class(self, module, name):
            if module.partition(".")[0] == "torch":
                return find_object(module, name)
            found = importer.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
            return found

        def persistent_load(self, saved):
            if isinstance(saved, tuple) and saved and saved[0] == "reduce_package":
                _, number, function, args = saved
                if number not in reduces:
                    reduces[number] = function(importer, *args)
                return reduces[number]
            if isinstance(saved, tuple) and len(saved) > 2:  # PyTorch numbers storages
                saved = (*saved[:2], str(saved[2]), *saved[3:])
            return table.persistent_load(saved)

    return Unpickler(io.BytesIO(data)).load()
