"""Reading archives of compiled modules, from files that nobody has to trust.

Pickles are read by an unpickler that can only build data; source is parsed, and calls what our
registry of operators has. Whatever is malformed raises RuntimeError.
"""

from __future__ import annotations

import pickle
import sys
import zlib
from typing import Any

from .. import _C
from ..nn import Parameter
from ..serialization._load import StorageTable, _storage_reader
from ..serialization._names import data_unpickler
from ..serialization._unpickle import DataUnpickler
from ..serialization._zip import ArchiveReader, crc32
from . import _fast_paths
from . import _types as T
from ._import import Importer
from ._script import RecursiveScriptModule
from ._script_objects import ScriptObject, is_module
from ._values import checked

_MAX_CODE = 1 << 28  # bytes of source in one archive


class CodeArchive(ArchiveReader):
    """An archive whose source may be compressed, as PyTorch's is."""

    def __init__(self, file) -> None:
        self._packed: dict[str, int] = {}  # of compressed records, the size when they are not
        super().__init__(file)

    def _entry(self, path: str, fields, extra: bytes, limit: int):
        if fields[4] == 8 and not fields[3] & 1 and fields[9] < _MAX_CODE:
            self._packed[path] = fields[9]
            fields = (*fields[:4], 0, *fields[5:9], fields[8], *fields[10:])
        return super()._entry(path, fields, extra, limit)

    def read(self, path: str) -> bytes:
        """The bytes of a record; RuntimeError when they do not match their checksum."""
        size = self._packed.get(path)
        if size is None:
            return super().read(path)
        record = self._records[path]
        packed = self._at(record.start, record.end - record.start)
        try:
            data = zlib.decompressobj(-15).decompress(packed, size + 1)
        except zlib.error as error:
            raise RuntimeError(f"record {path!r} cannot be unpacked: {error}") from None
        if len(data) != size:
            raise RuntimeError(f"record {path!r} has another size than the directory says")
        self._check(path, crc32(data))
        return data


class _Stored:
    """An object of a class of the archive: what was pickled of it."""

    qualified_name = ""

    def __setstate__(self, state) -> None:
        self.__dict__["state"] = state


def read(file, map_location: Any, extra: dict | None):
    """The module of an open archive."""
    try:
        archive = CodeArchive(file)
    except RuntimeError as error:
        raise RuntimeError(f"PytorchStreamReader failed reading zip archive: {error}") from None
    prefix = _prefix(archive)
    for name in extra or {}:
        path = f"{prefix}extra/{name}"
        if path in set(archive.names()):
            extra[name] = bytes(archive.read(path))  # type: ignore[index]
    try:
        return _Reader(archive, prefix, map_location).module()
    except pickle.UnpicklingError as error:
        raise RuntimeError(f"torch.jit.load: malformed pickle: {error}") from None
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, SyntaxError) as error:
        raise RuntimeError(f"torch.jit.load: malformed archive: {error}") from None
    except RecursionError:
        raise RuntimeError("torch.jit.load: malformed archive: nested too deeply") from None


def _prefix(archive: ArchiveReader) -> str:
    names = archive.names()
    found = [n[: -len("constants.pkl")] for n in names if n.endswith("/constants.pkl")]
    found = [n for n in found if n.count("/") == 1]
    if len(found) != 1:
        raise RuntimeError(
            "PytorchStreamReader failed locating file constants.pkl: file not found: the archive "
            "is no TorchScript module (use torch.load for checkpoints)"
        )
    return found[0]


class _Reader:
    def __init__(self, archive: ArchiveReader, prefix: str, map_location) -> None:
        _fast_paths.add()
        self.archive, self.prefix, self.map_location = archive, prefix, map_location
        self.names = set(archive.names())
        self.importer = Importer(self._sources())
        self.memo: dict[int, Any] = {}

    def _sources(self) -> dict[str, str]:
        """The text of each package by its name."""
        start = self.prefix + "code/"
        files, total = {}, 0
        for name in self.names:
            if name.startswith(start) and name.endswith(".py"):
                data = bytes(self.archive.read(name))
                total += len(data)
                if total > _MAX_CODE:
                    raise RuntimeError("torch.jit.load: the archive holds too much source")
                files[name[len(start) : -3].replace("/", ".")] = data.decode()
        return files

    def module(self):
        """The module of `data.pkl`."""
        version = self._number("version")
        if version is not None and version > 10:
            raise RuntimeError(
                "Attempted to read a PyTorch file with version "
                f"{version}, but the maximum supported version for reading is 10. Your PyTorch "
                "installation may be too old."
            )
        constants = self._unpickle("constants", "constants.pkl")
        self.importer.constants = list(constants)
        stored = self._unpickle("data", "data.pkl")
        if not isinstance(stored, _Stored):
            raise RuntimeError("torch.jit.load: data.pkl holds no module")
        return self.built(stored)

    def _number(self, name: str) -> int | None:
        for path in (self.prefix + name, self.prefix + ".data/" + name):
            if path in self.names:
                return int(bytes(self.archive.read(path)))
        return None

    def _unpickle(self, folder: str, name: str):
        path = self.prefix + name
        if path not in self.names:
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        swap = False
        if self.prefix + "byteorder" in self.names:
            order = bytes(self.archive.read(self.prefix + "byteorder"))
            if order not in (b"little", b"big"):
                raise RuntimeError("torch.jit.load: unknown byte order")
            swap = order.decode() != sys.byteorder
        make = _storage_reader(self.archive, self.prefix, swap, False)
        if folder != "data":
            make = _from_folder(self.archive, self.prefix, folder, swap)
        table = StorageTable(make, self.map_location, True)
        reader = self._reader(table)
        return reader.load(self.archive.read(path))

    def _reader(self, table) -> DataUnpickler:
        """The unpickler of checkpoints, which also knows the classes of this archive."""
        plain = data_unpickler(table.persistent_load, file_size=self.archive.length)
        find, classes, makers = plain._find_global, plain._classes, plain._makers
        kinds: dict[str, Any] = {}

        def find_global(module: str, name: str):
            full = f"{module}.{name}"
            if module == "torch.jit._pickle" and name in _MAKERS:
                makers[_MAKERS[name]] = _MAKERS[name]
                return _MAKERS[name]
            if not full.startswith("__torch__"):
                return find(module, name)
            if full not in kinds:
                found = self.importer.type_of(full)
                if isinstance(found, T.EnumType):
                    made = _enum_maker(found)
                    makers[made] = made
                else:
                    made = type(name, (_Stored,), {"qualified_name": full})
                    classes.add(made)
                kinds[full] = made
            return kinds[full]

        return DataUnpickler(find_global, makers, classes, table.persistent_load)

    # -- objects -----------------------------------------------------------------------------

    def built(self, stored: _Stored):
        """The compiled module or object of what was pickled."""
        known = self.memo.get(id(stored))
        if known is not None:
            return known
        of = self.importer.type_of(stored.qualified_name)
        if not isinstance(of, T.ClassType):
            raise RuntimeError(f"torch.jit.load: {stored.qualified_name} is no class")
        state = stored.__dict__.get("state")
        if "__setstate__" in of.methods:
            made = self._from_state(of, state)
        elif not isinstance(state, dict) or set(of.attributes) - set(state):
            raise RuntimeError(f"torch.jit.load: the state of {stored.qualified_name} is malformed")
        else:
            values = {n: self._value(state[n], k, n in of.parameters) for n, k in
                      of.attributes.items()}  # fmt: skip
            made = self._made(of, values)
        self.memo[id(stored)] = made
        return made

    def _made(self, of, values: dict):
        if is_module(of):
            return RecursiveScriptModule._construct(of, values)
        made = ScriptObject(of)
        made.__dict__.update(values)
        return made

    def _from_state(self, of, state):
        made = self._made(of, dict.fromkeys(of.attributes))
        method = of.methods["__setstate__"]
        method(made, self._value(state, method.schema.arguments[1].type))
        return made

    def _value(self, item, of, parameter: bool = False):
        """A pickled value as an attribute of a type."""
        if isinstance(item, _Stored):
            item = self.built(item)
        elif type(item) in (list, tuple) and _holds_objects(of):
            inner = of.containedTypes()
            kinds = inner if isinstance(of, T.TupleType) else inner * len(item)
            item = type(item)(self._value(i, k) for i, k in zip(item, kinds, strict=True))
        elif type(item) is dict and _holds_objects(of):
            item = {k: self._value(v, of.getValueType()) for k, v in item.items()}
        item = checked(item, of)
        if parameter and isinstance(item, _C.Tensor) and type(item) is not Parameter:
            item = Parameter(item.detach(), item.requires_grad)
        return item


def _holds_objects(of) -> bool:
    return isinstance(of, T.ListType | T.TupleType | T.DictType) and any(
        isinstance(t, T.ClassType | T.InterfaceType) or _holds_objects(t)
        for t in of.containedTypes()
    )


def _enum_maker(of):
    """What gives a member of an enumeration for its value."""
    python = of.python_class

    def make(value):
        return python(value)

    return make


def _from_folder(archive: ArchiveReader, prefix: str, folder: str, swap: bool):
    """Storages that lie in another folder than `data/`."""

    class Moved:
        def __init__(self) -> None:
            self.length = archive.length

        def names(self):
            start = f"{prefix}{folder}/"
            return [
                f"{prefix}data/{n[len(start) :]}" for n in archive.names() if n.startswith(start)
            ]

        def _path(self, path: str) -> str:
            return f"{prefix}{folder}/{path[len(prefix) + 5 :]}"

        def size(self, path: str) -> int:
            return archive.size(self._path(path))

        def read_into(self, path: str, view) -> None:
            archive.read_into(self._path(path), view)

    return _storage_reader(Moved(), prefix, swap, False)  # type: ignore[arg-type]


def _build_list(items):
    if type(items) is not list:
        raise pickle.UnpicklingError("a list is built from a list")
    return items


def _restore(item, type_name):
    return item


_MAKERS = {
    "build_intlist": _build_list,
    "build_tensorlist": lambda items: _build_list(items),
    "build_doublelist": lambda items: _build_list(items),
    "build_boollist": lambda items: _build_list(items),
    "build_tensor_from_id": None,
    "restore_type_tag": _restore,
}
del _MAKERS["build_tensor_from_id"]
