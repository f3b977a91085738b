"""cuDNN: absent from a CPU build; its settings can be read and set all the same."""

from __future__ import annotations

from ._settings import settings_module


def is_available() -> bool:
    """Whether cuDNN is there."""
    return False


def version() -> int | None:
    """Version of cuDNN; None without it."""
    return None


def is_acceptable(tensor) -> bool:
    """Whether cuDNN could work on `tensor`."""
    return False


settings_module(
    __name__,
    enabled=True,
    benchmark=False,
    benchmark_limit=(None, (int, type(None))),
    deterministic=False,
    allow_tf32=True,
    fp32_precision="none",
)
