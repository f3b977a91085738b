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

__all__ = [
    "SafetensorError",
    "load",
    "load_file",
    "load_model",
    "safe_open",
    "save",
    "save_file",
    "save_model",
]

# In the order of the reference implementation, which writes wide types first.
_DTYPES = {
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
    "F32": "float32",
    "U32": "uint32",
    "I32": "int32",
    "BF16": "bfloat16",
    "F16": "float16",
    "U16": "uint16",
    "I16": "int16",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_CODES = {name: code for code, name in _DTYPES.items()}
_RANKS = {name: rank for rank, name in enumerate(_CODES)}
_MOST_HEADER = 100_000_000  # the limit of the reference implementation


class SafetensorError(RuntimeError):
    """A malformed file, or tensors that the format cannot hold."""


def _header(tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> tuple[bytes, list]:
    table: dict = {} if metadata is None else {"__metadata__": metadata}
    seen: dict[int, str] = {}
    position = 0
    ordered = []

    def place_of(entry) -> tuple:
        return _RANKS.get(dtype_name(entry[1].dtype), 0), entry[0]

    # Wide types first, so that every tensor is aligned to its items.
    for name, tensor in sorted(tensors.items(), key=place_of):
        code = _CODES.get(dtype_name(tensor.dtype))
        if code is None:
            raise SafetensorError(f"save: {name!r} has dtype {tensor.dtype}, which has no code")
        place = tensor._storage_id()
        if tensor.numel() and seen.setdefault(place, name) != name:
            raise RuntimeError(
                f"Some tensors share memory, which the format cannot say: {seen[place]!r} and "
                f"{name!r} (clone one of them, or use `save_model`)"
            )
        size = tensor.numel() * tensor.dtype.itemsize
        offsets = [position, position + size]
        table[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": offsets}
        position += size
        ordered.append(tensor)
    header = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    return header + b" " * (-len(header) % 8), ordered


def _check(tensors, metadata) -> None:
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}"
            )
        if tensor.layout is not torch.strided:
            raise ValueError(
                f"You are trying to save a sparse tensor, {name!r}, which the format cannot say: "
                "make it dense with `.to_dense()`"
            )
    for text in (*tensors, *(metadata or {}), *(metadata or {}).values()):
        if not isinstance(text, str):
            raise TypeError(
                f"save: names and metadata must be text, got {type(text).__name__}: {text!r}"
            )


def _write(write, tensors: dict[str, Tensor], metadata) -> None:
    _check(tensors, metadata)
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


def _table(header: bytes, available: int) -> tuple[dict, dict | None]:
    """The checked table, name to (dtype, shape, begin, end), and the metadata.

    The data must be covered exactly.
    """
    try:
        table = json.loads(header, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise SafetensorError(f"load: the header is no JSON: {error}") from None
    if type(table) is not dict:
        raise SafetensorError("load: the header must be an object")
    metadata = table.pop("__metadata__", None)
    if metadata is not None and (
        type(metadata) is not dict or any(type(text) is not str for text in metadata.values())
    ):
        raise SafetensorError("load: the metadata must be an object of text")
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
    return checked, metadata


def _read_header(read, length: int) -> tuple[tuple[dict, dict | None], int]:
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
    (table, _), start = _read_header(lambda at, n: data[at : at + n], len(data))

    def fill(begin, end):
        def write(view):
            view[:] = data[start + begin : start + end]

        return write

    return {
        name: _rebuild(dtype, shape, end - begin, fill(begin, end))
        for name, (dtype, shape, begin, end) in table.items()
    }


class safe_open:
    """A file of tensors that are read when asked for: `with safe_open(path) as f: f.keys()`."""

    def __init__(self, filename: str | os.PathLike, framework: str = "pt", device="cpu"):
        if framework not in ("pt", "torch", "pytorch"):
            raise SafetensorError(f"framework {framework!r} is not here: expected 'pt'")
        self._device = device
        self._file = open(filename, "rb")  # noqa: SIM115 (closed by __exit__)
        try:
            length = os.fstat(self._file.fileno()).st_size
            header, self._start = _read_header(self._read, length)
            self._table, self._metadata = header
        except BaseException:
            self._file.close()
            raise

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *exc_info) -> None:
        self._file.close()

    def metadata(self) -> dict[str, str] | None:
        """The text that was saved with the tensors."""
        return self._metadata

    def keys(self) -> list[str]:
        """Names of the tensors, sorted."""
        return sorted(self._table)

    def offset_keys(self) -> list[str]:
        """Names of the tensors in the order of their bytes."""
        return sorted(self._table, key=lambda name: self._table[name][2:])

    def get_tensor(self, name: str) -> Tensor:
        """One tensor, read from the file."""
        if name not in self._table:
            raise SafetensorError(f"File does not contain tensor {name}")
        dtype, shape, begin, end = self._table[name]

        def fill(view) -> None:
            self._file.seek(self._start + begin)
            if view.nbytes and self._file.readinto(view) != view.nbytes:
                raise SafetensorError(f"load: {name!r} is cut off")

        tensor = _rebuild(dtype, shape, end - begin, fill)
        return tensor if self._device == "cpu" else tensor.to(self._device)


def load_file(
    filename: str | os.PathLike, device: str | int = "cpu", *, backend: str = "mmap"
) -> dict[str, Tensor]:
    """The named tensors of a file, on `device`; `backend` is accepted for the reference's sake."""
    with safe_open(filename, device=device) as file:
        return {name: file.get_tensor(name) for name in file.offset_keys()}


def save_model(
    model,
    filename: str | os.PathLike,
    metadata: dict[str, str] | None = None,
    force_contiguous: bool = True,
) -> None:
    """Write a module's state; of tied tensors one is written, and the metadata name the others."""
    state, kept, first = model.state_dict(), {}, {}
    extra = dict(metadata or {})
    for name in sorted(state):
        tensor = state[name]
        identity = (tensor._storage_id(), tensor.storage_offset(), tensor.shape, tensor.stride())
        if tensor.numel() and identity in first:
            extra[name] = first[identity]
        else:
            first[identity] = name
            kept[name] = tensor
    save_file(kept, filename, extra or None)


def load_model(
    model,
    filename: str | os.PathLike,
    strict: bool = True,
    device: str | int = "cpu",
    *,
    backend: str = "mmap",
) -> tuple[set[str], list[str]]:
    """Give a module the state that `save_model` wrote; (missing, unexpected) names.

    With `strict` any such name raises RuntimeError.
    """
    with safe_open(filename, device=device) as file:
        state = {name: file.get_tensor(name) for name in file.keys()}
        tied = file.metadata() or {}
    for name, other in tied.items():
        if other in state and name not in state:
            state[name] = state[other]
    own = set(model.state_dict())
    missing, unexpected = own - set(state), sorted(set(state) - own)
    if strict and (missing or unexpected):
        lines = [f"Error(s) in loading state_dict for {type(model).__name__}:"]
        for what, names in (("Missing", sorted(missing)), ("Unexpected", unexpected)):
            if names:
                listed = ", ".join(f'"{name}"' for name in names)
                lines.append(f"    {what} key(s) in state_dict: {listed}")
        raise RuntimeError("\n".join(lines))
    model.load_state_dict(state, strict=False)
    return missing, unexpected
