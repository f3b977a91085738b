"""oneDNN (once MKL-DNN), which computes convolutions and matrix products."""

from __future__ import annotations

from .. import _C
from . import _precision
from ._settings import settings_module

matmul, conv, rnn = [_precision.Operation(name) for name in ("matmul", "conv", "rnn")]


def is_available() -> bool:
    """Whether this build has oneDNN."""
    return _C.has_onednn()


def _changed(key, value) -> None:
    if key == "fp32_precision":
        _precision.put("mkldnn", value)


settings_module(
    __name__,
    changed=_changed,
    enabled=True,
    deterministic=False,
    allow_tf32=(None, (bool, type(None))),
    fp32_precision="none",
)
