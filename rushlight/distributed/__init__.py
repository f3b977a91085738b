"""torch.distributed in a build without it, which PyTorch has too: ask `is_available()` first."""

from __future__ import annotations

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


def __getattr__(name: str):
    raise AttributeError(
        f"module 'torch.distributed' has no attribute '{name}': this build has no distributed "
        "package (torch.distributed.is_available() is False; docs/gaps.md)"
    )
