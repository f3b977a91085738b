"""The container of a checkpoint: an uncompressed zip file whose records are aligned in memory.

The writer lays records out exactly as PyTorch does, so that its readers can map them; the reader
trusts nothing: every offset and size is checked against the file before it is used.
"""

from __future__ import annotations

import os
import zlib
from itertools import pairwise
from struct import Struct
from struct import error as StructError

from .. import _C

_LOCAL = Struct("<4s5H3I2H")  # signature, 5 fields, crc, packed size, size, name and extra lengths
_CENTRAL = Struct("<4s6H3I5H2I")
_END = Struct("<4s4H2IH")
_END64 = Struct("<4sQ2H2I4Q")
_END64_LOCATOR = Struct("<4sIQI")
_WIDE = 0xFFFFFFFF  # in a 32-bit field: the value stands in a 64-bit one
_LIMIT32 = _WIDE
_UTF8_NAMES = 0x0800
_SIZES_FOLLOW = 0x0008  # in a descriptor behind the data; empty records have none
_CHUNK = 1 << 20  # what is checked and copied while it is in the cache
crc32 = getattr(_C, "crc32", zlib.crc32)


def _flags(size: int) -> int:
    return _UTF8_NAMES | _SIZES_FOLLOW if size else _UTF8_NAMES


class ArchiveWriter:
    """Writes records to an open binary file, one after the other, without seeking."""

    def __init__(self, file, prefix: str, checksums: bool = True, alignment: int = 64):
        self._checksums = checksums
        self._alignment = alignment
        self._write = file.write
        self._prefix = prefix
        self._position = 0
        self._directory: list[bytes] = []
        self.checksums: list[int] = []

    def _put(self, data) -> None:
        written = self._write(data)
        size = memoryview(data).nbytes
        if written is not None and written != size:
            raise OSError(f"save: short write: got {written} of {size} bytes")
        self._position += size

    def add(self, name: str, data) -> None:
        """Append a record: any object with the buffer protocol."""
        view = memoryview(data)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        self._record(name, view.nbytes, view)

    def add_hole(self, name: str, data) -> None:
        """Append a record of zeros in place of `data`, without a checksum."""
        self._record(name, memoryview(data).nbytes, None)

    def _record(self, name: str, size: int, view: memoryview | None) -> None:
        path = f"{self._prefix}/{name}".encode()
        start = self._position
        big = size >= _LIMIT32 or start >= _LIMIT32
        self._put(self._local_header(path, start, size, big))
        crc = 0
        for at in range(0, size, _CHUNK):
            length = min(_CHUNK, size - at)
            chunk = bytes(length) if view is None else view[at : at + length]
            if self._checksums and view is not None:
                crc = crc32(chunk, crc)
            self._put(chunk)
        if size:
            descriptor = Struct("<4sI2Q" if big else "<4s3I")
            self._put(descriptor.pack(b"PK\x07\x08", crc, size, size))
        self.checksums.append(crc)
        self._directory.append(self._central_header(path, start, size, crc))

    def _local_header(self, path: bytes, start: int, size: int, big: bool) -> bytes:
        sizes = Struct("<2H2Q").pack(1, 16, size, size) if big else b""
        filled = start + _LOCAL.size + len(path) + len(sizes) + 4
        padding = -filled % self._alignment
        extra = sizes + b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
        short = _WIDE if big else 0
        fixed = (b"PK\x03\x04", 0, _flags(size), 0, 0, 0, 0, short, short, len(path), len(extra))
        return _LOCAL.pack(*fixed) + path + extra

    @staticmethod
    def _central_header(path: bytes, start: int, size: int, crc: int) -> bytes:
        wide = [value for value in (size, size, start) if value >= _LIMIT32]
        extra = Struct(f"<2H{len(wide)}Q").pack(1, 8 * len(wide), *wide) if wide else b""
        size32, start32 = _short(size), _short(start)
        fixed = (b"PK\x01\x02", 0, 0, _flags(size), 0, 0, 0, crc, size32, size32)
        return _CENTRAL.pack(*fixed, len(path), len(extra), 0, 0, 0, 0, start32) + path + extra

    def finish(self) -> None:
        """Write the directory; no record can follow."""
        start, count = self._position, len(self._directory)
        for entry in self._directory:
            self._put(entry)
        size = self._position - start
        # PyTorch writes the 64-bit directory whatever the size.
        end64 = self._position
        self._put(
            _END64.pack(b"PK\x06\x06", 44, 0x031E, 45, 0, 0, count, count, size, start)
            + _END64_LOCATOR.pack(b"PK\x06\x07", 0, end64, 1)
        )
        count = min(count, 0xFFFF)
        self._put(_END.pack(b"PK\x05\x06", 0, 0, count, count, _short(size), _short(start), 0))


def _short(value: int) -> int:
    return value if value < _LIMIT32 else _WIDE


class _Record:
    __slots__ = ("crc", "end", "header", "start")

    def __init__(self, header: int, start: int, end: int, crc: int):
        self.header = header
        self.start = start
        self.end = end
        self.crc = crc


def _corrupt(what: str) -> RuntimeError:
    return RuntimeError(
        f"PytorchStreamReader failed reading zip archive: {what}; the file is corrupted or "
        "incomplete (was it saved or copied only in part?)"
    )


class ArchiveReader:
    """Reads records of an open, seekable binary file; RuntimeError for anything malformed."""

    def __init__(self, file):
        self._file = file
        self._begin = file.tell()
        file.seek(0, os.SEEK_END)
        self.length = file.tell() - self._begin
        self._records: dict[str, _Record] = {}
        self._mapped = None
        try:
            self._read_directory()
        except (StructError, UnicodeDecodeError) as error:
            raise _corrupt(str(error)) from None

    def _at(self, offset: int, size: int) -> bytes:
        if offset < 0 or size < 0 or offset + size > self.length:
            raise _corrupt(f"{size} bytes at offset {offset} of a file of {self.length} bytes")
        self._file.seek(self._begin + offset)
        data = self._file.read(size)
        while len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        if len(data) != size:
            raise _corrupt(f"expected {size} bytes at offset {offset}, got {len(data)}")
        return data

    def _directory_place(self) -> tuple[int, int, int]:
        """Entry count, size and offset of the central directory."""
        tail_at = max(0, self.length - _END.size - 0xFFFF)
        tail = self._at(tail_at, self.length - tail_at)
        found = tail.rfind(b"PK\x05\x06")
        if found < 0 or len(tail) - found < _END.size:
            raise _corrupt("failed finding central directory")
        fields = _END.unpack_from(tail, found)
        count, size, start = fields[4], fields[5], fields[6]
        end = tail_at + found
        if count == 0xFFFF or size == _WIDE or start == _WIDE:
            locator_at = end - _END64_LOCATOR.size
            locator = _END64_LOCATOR.unpack(self._at(locator_at, _END64_LOCATOR.size))
            if locator[0] != b"PK\x06\x07":
                raise _corrupt("failed finding the 64-bit central directory")
            fields = _END64.unpack(self._at(locator[2], _END64.size))
            if fields[0] != b"PK\x06\x06":
                raise _corrupt("failed finding the 64-bit central directory")
            count, size, start = fields[7], fields[8], fields[9]
            end = locator[2]
        if start + size > end or count * _CENTRAL.size > size:
            raise _corrupt("the central directory lies outside the file")
        return count, size, start

    def _read_directory(self) -> None:
        count, size, start = self._directory_place()
        directory = self._at(start, size)
        at = 0
        spans = []
        for _ in range(count):
            fields = _CENTRAL.unpack_from(directory, at)
            if fields[0] != b"PK\x01\x02":
                raise _corrupt("a directory entry is malformed")
            names = at + _CENTRAL.size
            extras = names + fields[10]
            at = extras + fields[11] + fields[12]
            if at > size:
                raise _corrupt("a directory entry is cut off")
            path = directory[names:extras].decode()
            record = self._entry(path, fields, directory[extras : extras + fields[11]], start)
            if path in self._records:
                raise _corrupt(f"record {path!r} appears twice")
            self._records[path] = record
            spans.append((record.start, record.end, path))
        spans.sort()
        for (_, end, path), (begin, _, other) in pairwise(spans):
            if begin < end:
                raise _corrupt(f"records {path!r} and {other!r} overlap")

    def _entry(self, path: str, fields, extra: bytes, limit: int) -> _Record:
        flags, method, crc, packed, size, start = (fields[i] for i in (3, 4, 7, 8, 9, 16))
        wide = _wide_fields(extra)
        if size == _WIDE:
            size = next(wide)
        if packed == _WIDE:
            packed = next(wide)
        if start == _WIDE:
            start = next(wide)
        if method != 0 or flags & 1 or packed != size:
            raise RuntimeError(
                f"load: record {path!r} is compressed or encrypted; checkpoints are stored "
                "uncompressed (unpack the file and pack it again without compression)"
            )
        local = _LOCAL.unpack(self._at(start, _LOCAL.size))
        data = start + _LOCAL.size + local[9] + local[10]
        if local[0] != b"PK\x03\x04" or data + size > limit:
            raise _corrupt(f"record {path!r} lies outside the file")
        if self._at(start + _LOCAL.size, local[9]) != path.encode():
            raise _corrupt(f"record {path!r} has another name in front of its data")
        return _Record(start, data, data + size, crc)

    def names(self) -> list[str]:
        """Paths of all records."""
        return list(self._records)

    def size(self, path: str) -> int:
        """Size in bytes; KeyError for an unknown record."""
        record = self._records[path]
        return record.end - record.start

    def offset(self, path: str) -> int:
        """Where the data of a record begins in the file."""
        return self._begin + self._records[path].start

    def header_offset(self, path: str) -> int:
        """Where the header of a record begins in the file."""
        return self._begin + self._records[path].header

    def read(self, path: str) -> bytes:
        """The bytes of a record; RuntimeError when they do not match their checksum."""
        record = self._records[path]
        data = self._at(record.start, record.end - record.start)
        self._check(path, crc32(data))
        return data

    def _check(self, path: str, crc: int) -> None:
        expected = self._records[path].crc
        # A zero stands for a checksum that was not computed (`set_crc32_options(False)`).
        if crc != expected and expected:
            raise _corrupt(f"record {path!r} does not match its checksum")

    def read_into(self, path: str, target: memoryview) -> None:
        """Fill `target`, exactly as long as the record, without a further copy."""
        record = self._records[path]
        self._file.seek(self._begin + record.start)
        readinto = getattr(self._file, "readinto", None)
        crc = 0
        for at in range(0, target.nbytes, _CHUNK):
            chunk = target[at : at + _CHUNK]
            filled = 0
            while filled < chunk.nbytes:
                if readinto is not None:
                    got = readinto(chunk[filled:])
                else:
                    data = self._file.read(chunk.nbytes - filled)
                    got = len(data)
                    chunk[filled : filled + got] = data
                if not got:
                    raise _corrupt(f"record {path!r} is cut off")
                filled += got
            crc = crc32(chunk, crc)
        self._check(path, crc)

    def _map(self, shared: bool):
        from mmap import ACCESS_COPY, ACCESS_WRITE, mmap

        if not shared:
            return mmap(self._file.fileno(), 0, access=ACCESS_COPY)
        with open(self._file.name, "r+b") as writable:
            return mmap(writable.fileno(), 0, access=ACCESS_WRITE)

    def mapped(self, path: str, shared: bool = False) -> memoryview:
        """The record as a writable mapping of the file: pages load when touched.

        Writes are private, or reach the file if `shared`.
        """
        if self._mapped is None:
            self._mapped = memoryview(self._map(shared))
        record = self._records[path]
        return self._mapped[self._begin + record.start : self._begin + record.end]


def _wide_fields(extra: bytes):
    """The 64-bit values of a zip64 extra field, in order; an error when one is missing."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = (
            int.from_bytes(extra[at : at + 2], "little"),
            extra[at + 2] | extra[at + 3] << 8,
        )
        if kind == 1:
            for word in range(at + 4, min(at + 4 + size, len(extra)) - 7, 8):
                yield int.from_bytes(extra[word : word + 8], "little")
            break
        at += 4 + size
    raise _corrupt("a 64-bit size is missing")
