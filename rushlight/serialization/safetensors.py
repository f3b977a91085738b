"""The safetensors format: a JSON table of tensors in front of their bytes, and nothing that runs.

Layout: 8 bytes little-endian length N, N bytes of JSON, then the data; every tensor states its
dtype, shape and [begin, end) within the data. Function names are those of `safetensors.torch`.
"""

from __future__ import annotations

import json
import os
from math import prod

import rushlight as torch

from .. import _C, Tensor
from .._storage import dtype_name
from ._files import WholeWrites, atomic_file
from ._load import new_storage

__all__ = ["load", "load_file", "save", "save_file"]

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}
_CODES = {name: code for code, name in _DTYPES.items()}
_MOST_HEADER = 100_000_000  # the limit of the reference implementation


class SafetensorError(RuntimeError):
    """A malformed file, or tensors that the format cannot hold."""


def _header(tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> tuple[bytes, list]:
    table: dict = {"__metadata__": metadata} if metadata else {}
    seen: dict[int, str] = {}
    position = 0
    ordered = []
    # Wide types first, so that every tensor is aligned to its items.
    for name, tensor in sorted(tensors.items(), key=lambda e: (-e[1].dtype.itemsize, e[0])):
        code = _CODES.get(dtype_name(tensor.dtype))
        if code is None:
            raise SafetensorError(f"save: {name!r} has dtype {tensor.dtype}, which has no code")
        place = tensor._storage_id()
        if tensor.numel() and seen.setdefault(place, name) != name:
            raise RuntimeError(
                f"save: {name!r} and {seen[place]!r} share memory, which the format cannot say "
                "(clone one of them)"
            )
        size = tensor.numel() * tensor.dtype.itemsize
        offsets = [position, position + size]
        table[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": offsets}
        position += size
        ordered.append(tensor)
    header = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    return header + b" " * (-len(header) % 8), ordered


def _write(write, tensors: dict[str, Tensor], metadata) -> None:
    for name, tensor in tensors.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise ValueError(
                f"save: expected a dict from names to tensors, got {type(name).__name__} to "
                f"{type(tensor).__name__}"
            )
    header, ordered = _header(tensors, metadata)
    write(len(header).to_bytes(8, "little"))
    write(header)
    for tensor in ordered:
        if tensor.numel():
            whole = tensor.detach().cpu().contiguous().reshape(-1)
            nbytes = whole.numel() * whole.dtype.itemsize
            view = memoryview(_C.storage_bytes(whole)).cast("B")
            begin = whole.storage_offset() * whole.dtype.itemsize
            write(view[begin : begin + nbytes])


def save_file(
    tensors: dict[str, Tensor], filename: str | os.PathLike, metadata: dict[str, str] | None = None
) -> None:
    """Write named tensors to a file, which replaces an old one only when complete."""
    with atomic_file(filename) as file:
        whole = WholeWrites(file)
        _write(whole.write, tensors, metadata)
        whole.flush()


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Named tensors as the bytes of a file."""
    parts = bytearray()
    _write(parts.extend, tensors, metadata)
    return bytes(parts)


def _no_duplicates(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SafetensorError("load: a name appears twice")
    return found


def _table(header: bytes, available: int) -> dict:
    """The checked table: name to (dtype, shape, begin, end); the data must be covered exactly."""
    try:
        table = json.loads(header, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise SafetensorError(f"load: the header is no JSON: {error}") from None
    if type(table) is not dict:
        raise SafetensorError("load: the header must be an object")
    table.pop("__metadata__", None)
    checked = {}
    for name, entry in table.items():
        try:
            code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            dtype = getattr(torch, _DTYPES[code])
        except (KeyError, TypeError, ValueError):
            raise SafetensorError(f"load: the entry of {name!r} is malformed") from None
        numbers = [*shape, begin, end] if type(shape) is list else [None]
        if any(type(n) is not int or not 0 <= n < 1 << 62 for n in numbers):
            raise SafetensorError(f"load: the entry of {name!r} is malformed")
        if end - begin != prod(shape) * dtype.itemsize or end > available:
            raise SafetensorError(
                f"load: {name!r} is {shape} of {code}, but bytes {begin} to {end} of {available}"
            )
        checked[name] = (dtype, shape, begin, end)
    position = 0
    for _, _, begin, end in sorted(checked.values(), key=lambda e: e[2:]):
        if begin != position:
            raise SafetensorError("load: tensors overlap, or leave a gap")
        position = end
    if position != available:
        raise SafetensorError(f"load: {available - position} bytes belong to no tensor")
    return checked


def _read_header(read, length: int) -> tuple[dict, int]:
    if length < 8:
        raise SafetensorError("load: the file is too short")
    size = int.from_bytes(read(0, 8), "little")
    if size > min(length - 8, _MOST_HEADER):
        raise SafetensorError(f"load: a header of {size} bytes in a file of {length}")
    return _table(read(8, size), length - 8 - size), 8 + size


def _rebuild(dtype, shape, nbytes: int, fill) -> Tensor:
    storage, view = new_storage(nbytes)
    fill(view)
    strides, step = [], 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= max(size, 1)
    return storage._tensor(dtype, 0, shape, strides)


def load(data: bytes) -> dict[str, Tensor]:
    """The named tensors in the bytes of a file."""
    table, start = _read_header(lambda at, n: data[at : at + n], len(data))

    def fill(begin, end):
        def write(view):
            view[:] = data[start + begin : start + end]

        return write

    return {
        name: _rebuild(dtype, shape, end - begin, fill(begin, end))
        for name, (dtype, shape, begin, end) in table.items()
    }


def load_file(filename: str | os.PathLike, device: str | int = "cpu") -> dict[str, Tensor]:
    """The named tensors of a file, on `device`."""
    with open(filename, "rb") as file:
        length = os.fstat(file.fileno()).st_size

        def read(at: int, size: int) -> bytes:
            file.seek(at)
            return file.read(size)

        table, start = _read_header(read, length)
        result = {}
        for name, (dtype, shape, begin, end) in table.items():

            def fill(view, begin=begin, name=name):
                file.seek(start + begin)
                if view.nbytes and file.readinto(view) != view.nbytes:
                    raise SafetensorError(f"load: {name!r} is cut off")

            tensor = _rebuild(dtype, shape, end - begin, fill)
            result[name] = tensor if device == "cpu" else tensor.to(device)
    return result
