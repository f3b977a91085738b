"""torch.distributed in a build without it, which PyTorch has too: ask `is_available()` first."""

from __future__ import annotations

from typing import Any

__all__ = ["is_available", "is_initialized", "is_torchelastic_launched"]

_PARTS = (
    "autograd", "device_mesh", "distributed_c10d", "elastic", "fsdp", "nn", "optim", "rpc",
    "tensor",
)  # fmt: skip


def is_available() -> bool:
    """Whether processes can be joined: not yet (docs/gaps.md)."""
    return False


def is_initialized() -> bool:
    """Whether processes are joined: never."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether torchrun started this process: never."""
    return False


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PARTS:
        return import_module(f"{__name__}.{name}")
    for part in ("distributed_c10d", "device_mesh"):
        found = vars(import_module(f"{__name__}.{part}")).get(name)
        if found is not None and not name.startswith("_"):
            return found
    raise AttributeError(
        f"module 'torch.distributed' has no attribute '{name}': this build has no distributed "
        "package (torch.distributed.is_available() is False; docs/gaps.md)"
    )
