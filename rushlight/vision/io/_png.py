"""PNG files of 16 bits, which Pillow reads as 8 unless they are grey."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from struct import unpack_from
from typing import Any

from ... import _C
from ..._lazy import np

# By colour type: grey, RGB, grey with alpha, RGB with alpha.
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
# The passes of an interlaced file: first row and column, and steps.
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
# By Exif orientation: whether rows become columns, and which dims of (C, H, W) are turned round.
_TURNS = {2: (0, (2,)), 3: (0, (1, 2)), 4: (0, (1,)), 5: (1, ()), 6: (1, (2,)), 7: (1, (1, 2))}
_TURNS[8] = (1, (1,))


def is_wide(content: bytes) -> bool:
    """Whether a PNG file has 16 bits for each channel."""
    return content[12:16] == b"IHDR" and content[24:25] == b"\x10"


def wide_planes(content: bytes) -> Any:
    """The uint16 array (C, H, W) of a file with 16 bits; RuntimeError for a damaged one."""
    if len(content) < 33:
        raise RuntimeError("the file is cut off")
    width, height, _, kind, _, _, interlaced = unpack_from(">IIBBBBB", content, 16)
    channels = _CHANNELS.get(kind)
    if channels is None or not width or not height:
        raise RuntimeError(f"a PNG file of 16 bits has no colour type {kind}")
    try:
        data = zlib.decompress(b"".join(_chunks(content, b"IDAT")))
    except zlib.error as error:
        raise RuntimeError(f"the compressed pixels are damaged: {error}") from error
    if not interlaced:
        return _rows(data, height, width, channels).transpose(2, 0, 1)
    image, start = np.zeros((height, width, channels), np.uint16), 0
    for top, left, down, across in _PASSES:
        rows, columns = -(-(height - top) // down), -(-(width - left) // across)
        if rows <= 0 or columns <= 0:
            continue
        nbytes = rows * (2 * channels * columns + 1)
        part = _rows(data[start : start + nbytes], rows, columns, channels)
        image[top::down, left::across] = part
        start += nbytes
    return image.transpose(2, 0, 1)


def _rows(data: bytes, rows: int, columns: int, channels: int) -> Any:
    plain = _C.png_rows(data, rows, 2 * channels * columns, 2 * channels).numpy()
    return plain.view(">u2").astype(np.uint16).reshape(rows, columns, channels)


def _chunks(content: bytes, wanted: bytes) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(content):
        size, name = unpack_from(">I4s", content, at)
        if name == wanted:
            yield content[at + 8 : at + 8 + size]
        at += size + 12


def in_mode(planes: Any, wanted: int) -> Any:
    """The planes as 1 (grey), 2 (with alpha), 3 (RGB) or 4 (with alpha); 0 leaves them."""
    count = len(planes)
    if not wanted or wanted == count:
        return planes
    alpha = planes[-1:] if count % 2 == 0 else np.full_like(planes[:1], 65535)
    colours = planes[:1] if count < 3 else planes[:3]
    if wanted < 3 and count >= 3:
        # Brightness as PNG's own library finds it: 0.2989, 0.587 and the rest in 15 bits.
        red, green, blue = (plane.astype(np.int64) for plane in colours)
        level = (9794 * red + 19235 * green + 3739 * blue + 16384) >> 15
        colours = level.astype(np.uint16)[None]
    elif wanted > 2 and count < 3:
        colours = np.repeat(colours, 3, 0)
    return colours if wanted % 2 else np.concatenate((colours, alpha))


def turned(planes: Any, orientation: int) -> Any:
    """The planes as a camera was held, by Exif's number for it."""
    swap, flips = _TURNS.get(orientation, (0, ()))
    planes = planes.transpose(0, 2, 1) if swap else planes
    return np.flip(planes, flips) if flips else planes
