"""The Python array API standard, version 2024.12, on tensors: `Tensor.__array_namespace__()`.

Every name has the standard's arguments and result dtypes, which differ from torch's in places: 0-d
arrays promote like any other, sums of unsigned integers stay unsigned, variances divide by n.
"""

from __future__ import annotations

from math import e, inf, nan, pi

from .. import (
    bool,  # noqa: A004
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from . import fft, linalg
from .creation import *  # noqa: F403
from .dtypes import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .info import __array_namespace_info__
from .linalg import matmul, matrix_transpose, tensordot, vecdot
from .manipulation import *  # noqa: F403
from .searching import *  # noqa: F403
from .statistics import *  # noqa: F403

__array_api_version__ = "2024.12"
newaxis = None
