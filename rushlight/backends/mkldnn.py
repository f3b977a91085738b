"""oneDNN (once MKL-DNN), which computes convolutions and matrix products."""

from __future__ import annotations

from .. import _C
from ._settings import settings_module


def is_available() -> bool:
    """Whether this build has oneDNN."""
    return _C.has_onednn()


settings_module(
    __name__,
    enabled=True,
    deterministic=False,
    allow_tf32=(None, (bool, type(None))),
    fp32_precision="none",
)
