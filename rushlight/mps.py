"""Apple's graphics processors: there are none here."""

from __future__ import annotations

__all__ = [
    "current_allocated_memory", "device_count", "driver_allocated_memory", "empty_cache",
    "get_rng_state", "is_available", "manual_seed", "recommended_max_memory", "seed",
    "set_per_process_memory_fraction", "set_rng_state", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """None of them: 0."""
    return 0


def _refused(asked: str):
    def refuse(*args, **kwargs):
        raise RuntimeError(f"Cannot execute {asked}() without MPS backend.")

    return refuse


def manual_seed(seed: int) -> None:
    """Seed the devices, of which there are none."""


current_allocated_memory = _refused("getCurrentAllocatedMemory")
driver_allocated_memory = _refused("getDriverAllocatedMemory")
empty_cache = _refused("emptyCache")
get_rng_state = set_rng_state = seed = _refused("getDefaultGenerator")
recommended_max_memory = _refused("getRecommendedMaxMemory")
set_per_process_memory_fraction = _refused("setMemoryFraction")
synchronize = _refused("deviceSynchronize")
