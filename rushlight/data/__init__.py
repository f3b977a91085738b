"""Real images for examples and tests: 1,797 handwritten digits, and files in MNIST's format."""

from __future__ import annotations

import gzip
import struct
import zlib
from os import path

__all__ = ["DataError", "digits", "read_idx", "read_images"]

_UNSIGNED_BYTES = 0x08  # the only element type MNIST's files use


class DataError(Exception):
    """A data file is missing or is not what it should be; the message names it."""


def _contents(filename: str) -> bytes:
    for name in (filename, filename + ".gz"):
        if path.exists(name):
            break
    else:
        raise DataError(f"{filename}: no such file (nor with .gz)")
    try:
        with open(name, "rb") as file:
            raw = file.read()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: cannot be read: {error}") from None


def read_idx(filename: str) -> tuple[tuple[int, ...], bytes]:
    """Shape and bytes of an idx file, plain or compressed (with or without .gz in the name)."""
    raw = _contents(filename)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _UNSIGNED_BYTES or not 1 <= raw[3] <= 4:
        raise DataError(f"{filename}: not an idx file of bytes: it starts with {raw[:4].hex()}")
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise DataError(f"{filename}: ends inside its header")
    shape = struct.unpack(f">{raw[3]}I", raw[4:start])
    expected = start
    size = 1
    for n in shape:
        size *= n
    expected += size
    if len(raw) != expected:
        raise DataError(f"{filename}: has {len(raw)} bytes, its header promises {expected}")
    return shape, raw[start:]


def read_images(prefix: str, classes: int = 10) -> tuple[tuple[int, ...], bytes, bytes]:
    """Shape (n, height, width), pixels and labels of the two files `<prefix>-...-ubyte`."""
    images, labels = prefix + "-images-idx3-ubyte", prefix + "-labels-idx1-ubyte"
    shape, pixels = read_idx(images)
    count, answers = read_idx(labels)
    if len(shape) != 3 or not pixels:
        raise DataError(f"{images}: expected images, got data of shape {shape}")
    if count != shape[:1]:
        raise DataError(f"{labels}: has {count[0]} labels for {shape[0]} images")
    if max(answers) >= classes:
        raise DataError(f"{labels}: label {max(answers)} is not below {classes}")
    return shape, pixels, answers


def digits() -> tuple[tuple[int, ...], bytes, bytes]:
    """The 1,797 UCI digits: shape (1797, 8, 8), pixels of 0 to 16, labels of 0 to 9."""
    return read_images(path.join(path.dirname(__file__), "digits"))
