"""Records of checkpoint files, one by one: PyTorchFileReader and PyTorchFileWriter."""

from __future__ import annotations

import os
import sys
from typing import Any

from .. import _C
from ._save import _content_id
from ._zip import ArchiveReader, ArchiveWriter


class PyTorchFileWriter:
    """Writes records to a path, to a file that is open, or through a function.

    The function is called with the bytes and their number. The file is whole only after
    `write_end_of_file`.
    """

    __module__ = "torch"

    def __init__(self, file: Any, compute_crc32: bool = True, storage_alignment: int = 64) -> None:
        self._name, self._opened = "archive", None
        if isinstance(file, str | os.PathLike):
            path = os.fspath(file)
            self._name = os.path.splitext(os.path.basename(path))[0] or "archive"
            file = self._opened = open(path, "wb")  # noqa: SIM115 (closed with the archive)
        elif callable(file) and not hasattr(file, "write"):
            file = _Through(file)
        self._archive = ArchiveWriter(file, self._name, compute_crc32, storage_alignment)
        self._records: list[str] = []
        self._version = 3
        self._finished = False
        self._id = ""

    def write_record(self, name: str, data: Any, size: int) -> None:
        """Add a record: the first `size` bytes of a text, of bytes or of a storage."""
        if self._finished:
            raise RuntimeError("PytorchStreamWriter failed writing: the archive is finished")
        if name in self._records:
            raise RuntimeError(f"Tried to serialize file twice: {name}")
        if isinstance(data, str):
            data = data.encode()
        elif not isinstance(data, bytes | bytearray | memoryview):
            data = memoryview(bytes(data)) if size else b""
        view = memoryview(data)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        if size > view.nbytes:
            raise RuntimeError(f"write_record: got {view.nbytes} bytes, expected at least {size}")
        self._archive.add(name, view[:size])
        self._records.append(name)

    def write_record_metadata(self, name: str, size: int) -> None:
        """Add a record of zeros: its content comes later, from elsewhere."""
        self._archive.add_hole(name, bytes(size))
        self._records.append(name)

    def set_min_version(self, version: int) -> None:
        """The version that the file says is at least this."""
        self._version = max(self._version, version)

    def write_end_of_file(self) -> None:
        """Write what stands at the end, and close what was opened; nothing can follow."""
        if self._finished:
            return
        archive = self._archive
        if not {"version", ".data/version"} & set(self._records):
            archive.add("version", f"{self._version}\n".encode())
        if "byteorder" not in self._records:
            archive.add("byteorder", sys.byteorder.encode())
        self._id = _content_id(self._name, archive.checksums).decode()
        archive.add(".data/serialization_id", self._id.encode())
        archive.finish()
        self._finished = True
        if self._opened is not None:
            self._opened.close()

    def archive_name(self) -> str:
        """What stands before the name of every record."""
        return self._name

    def get_all_written_records(self) -> set[str]:
        """The names of the records so far."""
        return set(self._records)

    def serialization_id(self) -> str:
        """Forty digits that differ between contents; empty before the end is written."""
        return self._id

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.write_end_of_file()

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None and not self._finished:
            self._opened.close()  # type: ignore[union-attr]


class _Through:
    """A file that hands what is written to a function."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._function(bytes(view), view.nbytes)
        return view.nbytes


class PyTorchFileReader:
    """Reads records from a path or from a file that is open."""

    __module__ = "torch"

    def __init__(self, file: Any) -> None:
        if isinstance(file, str | os.PathLike):
            try:
                file = open(file, "rb")  # noqa: SIM115 (closed with the reader)
            except OSError as error:
                raise RuntimeError(
                    f"open file failed because of errno {error.errno} on fopen: {error.strerror}, "
                    f"file path: {os.fspath(file)}"
                ) from None
            self._opened = file
        try:
            self._archive = ArchiveReader(file)
        except RuntimeError as error:
            raise RuntimeError(f"PytorchStreamReader failed reading zip archive: {error}") from None
        names = self._archive.names()
        if not names or "/" not in names[0]:
            raise RuntimeError(
                "PytorchStreamReader failed finding the archive: its records have no folder"
            )
        self._prefix = names[0].partition("/")[0] + "/"

    def _path(self, name: str) -> str:
        path = self._prefix + name
        if path not in self._archive.names():
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found.")
        return path

    def get_all_records(self) -> list[str]:
        """The names of all records."""
        return [n.removeprefix(self._prefix) for n in self._archive.names()]

    def has_record(self, name: str) -> bool:
        """Whether there is a record of this name."""
        return self._prefix + name in self._archive.names()

    def get_record(self, name: str) -> bytes:
        """The bytes of a record; RuntimeError if they do not match their checksum."""
        return self._archive.read(self._path(name))

    def get_record_size(self, name: str) -> int:
        """The size of a record in bytes."""
        return self._archive.size(self._path(name))

    def get_record_offset(self, name: str) -> int:
        """Where the bytes of a record begin in the file."""
        return self._archive.offset(self._path(name))

    def get_record_header_offset(self, name: str) -> int:
        """Where the header of a record begins in the file."""
        return self._archive.header_offset(self._path(name))

    def get_storage_from_record(self, name: str, numel: int, dtype: Any):
        """A record as a tensor of one dimension."""
        import rushlight as torch

        made = torch.empty(numel, dtype=dtype)
        size = self.get_record_size(name)
        if size < numel * made.element_size():
            raise RuntimeError(
                f"get_storage_from_record: got {size} bytes, expected "
                f"{numel * made.element_size()} for {numel} elements of {dtype}"
            )
        if numel:
            data = self.get_record(name)
            view = memoryview(_C.storage_bytes(made)).cast("B")
            view[:] = data[: view.nbytes]
        return made

    def serialization_id(self) -> str:
        """Forty digits that differ between contents; empty where the file does not say."""
        name = ".data/serialization_id"
        return self.get_record(name).decode() if self.has_record(name) else ""

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            self._opened.close()


class SerializationStorageContext:
    """The storages that have been written, and the number of each."""

    __module__ = "torch"

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # an identity is one only while its storage lives

    def has_storage(self, storage: Any) -> bool:
        """Whether a storage has been written."""
        return storage._cdata in self._numbers

    def get_or_add_storage(self, storage: Any) -> int:
        """The number of a storage, a new one if it has none."""
        if not self.has_storage(storage):
            self._kept.append(storage)
        return self._numbers.setdefault(storage._cdata, len(self._numbers))


class DeserializationStorageContext:
    """The storages that have been read, as tensors, by name."""

    __module__ = "torch"

    def __init__(self) -> None:
        self._tensors: dict[str, Any] = {}

    def add_storage(self, name: str, tensor: Any) -> None:
        """Keep a storage under a name; RuntimeError if the name is taken."""
        if name in self._tensors:
            raise RuntimeError(f"DeserializationStorageContext: {name} is there already")
        self._tensors[name] = tensor

    def has_storage(self, name: str) -> bool:
        """Whether there is a storage of this name."""
        return name in self._tensors

    def get_storage(self, name: str, dtype: Any):
        """The storage of a name, as a tensor."""
        if name not in self._tensors:
            raise RuntimeError(f"DeserializationStorageContext: there is no storage {name}")
        return self._tensors[name]
