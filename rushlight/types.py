"""Names for type hints."""

from __future__ import annotations

import os
from typing import IO, Any, TypeAlias

from . import Size, Tensor, device
from ._storage import TypedStorage, UntypedStorage

Number: TypeAlias = int | float | bool
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike | IO[bytes]
Storage: TypeAlias = UntypedStorage | TypedStorage
BoolLikeType: TypeAlias = bool
IntLikeType: TypeAlias = int
FloatLikeType: TypeAlias = float

__all__ = [
    "Any",
    "BoolLikeType",
    "Device",
    "FileLike",
    "FloatLikeType",
    "IntLikeType",
    "Number",
    "Size",
    "Storage",
    "Tensor",
]
