"""torch.distributed in a build without it, which PyTorch has too: ask `is_available()` first."""

from __future__ import annotations

from ._absent import absent

__all__ = ["is_available", "is_initialized", "is_torchelastic_launched"]


def is_available() -> bool:
    """Whether processes can be joined: not yet (docs/gaps.md)."""
    return False


def is_initialized() -> bool:
    """Whether processes are joined: never."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether torchrun started this process: never."""
    return False


# PyTorch has this one too where it has no distributed package.
ProcessGroup = absent("ProcessGroup", __name__)


def __getattr__(name: str):
    if name in ("device_mesh", "fsdp", "optim", "rpc", "tensor"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module 'torch.distributed' has no attribute '{name}': this build has no distributed "
        "package (torch.distributed.is_available() is False; docs/gaps.md)"
    )
