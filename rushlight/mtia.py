"""Meta's accelerators: there are none here."""

from __future__ import annotations

__all__ = ["device_count", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """None of them: 0."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed the current device, of which there is none."""


def manual_seed_all(seed: int) -> None:
    """Seed all devices, of which there are none."""
