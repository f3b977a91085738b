"""Methods of Tensor that are written in Python, and what the core asks of Python rarely."""

from __future__ import annotations

from . import assign, facts, older, python, sparse, storage, subclass
from .common import (
    FORMATS,
    LAYOUTS,
    Tensor,
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .conversion import TYPE_NAMES
from .history import RemovableHandle
from .making import as_tensor, asarray, from_numpy, frombuffer, make_tensor
from .storage import row_major
from .subclass import wrap_subclass
