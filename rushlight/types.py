"""Names for type hints."""

from __future__ import annotations

import os
from typing import IO, Any, TypeAlias, Union

from . import Size, Tensor, device
from ._storage import TypedStorage, UntypedStorage

Number: TypeAlias = Union[int, float, bool]
Device: TypeAlias = Union[device, str, int, None]
FileLike: TypeAlias = Union[str, os.PathLike, IO[bytes]]
Storage: TypeAlias = Union[UntypedStorage, TypedStorage]
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
