"""Where libraries look for the class of compiled modules."""

from __future__ import annotations

from ..compiler import OptimizedModule

__all__ = ["OptimizedModule", "is_dynamo_supported"]


def is_dynamo_supported() -> bool:
    """Whether torch.compile may be called here: it may."""
    return True
