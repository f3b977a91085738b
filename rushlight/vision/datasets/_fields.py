"""Files that hold a number or a vector for each pixel: .flo, .pfm and PNGs of 16 bits."""

from __future__ import annotations

from typing import Any

from ..._lazy import np
from ..io import decode_png, read_file


def read_flo(path: str) -> Any:
    """The vectors (2, H, W) of a file in Middlebury's format, float32."""
    with open(path, "rb") as file:
        if file.read(4) != b"PIEH":
            raise ValueError("Magic number incorrect. Invalid .flo file")
        width, height = np.fromfile(file, "<i4", count=2)
        values = np.fromfile(file, "<f4", count=2 * width * height)
    return values.reshape(height, width, 2).transpose(2, 0, 1)


def read_pfm(path: str, channels: int) -> Any:
    """The first channels (C, H, W) of a portable float map, whose lowest row comes first."""
    with open(path, "rb") as file:
        kind = file.readline().rstrip()
        if kind not in (b"PF", b"Pf"):
            raise ValueError("Invalid PFM file")
        size = file.readline().split()
        if len(size) != 2 or not all(word.isdigit() for word in size):
            raise ValueError("Malformed PFM header.")
        width, height = (int(word) for word in size)
        order = "<" if float(file.readline()) < 0 else ">"
        values = np.fromfile(file, order + "f4")
    rows = values.reshape(height, width, 3 if kind == b"PF" else 1)
    planes = np.flip(rows.transpose(2, 0, 1), axis=1)
    return planes[:channels].astype(np.float32)


def read_flow_png(path: str) -> tuple[Any, Any]:
    """KITTI's vectors (2, H, W) and where they are known (H, W), in 16 bits of three channels."""
    planes = decode_png(read_file(path)).numpy().astype(np.float32)
    return (planes[:2] - 2**15) / 64, planes[2].astype(bool)
