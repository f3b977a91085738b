"""The place where `fsdp` was in versions before."""

from .. import fsdp

__all__ = ["fsdp"]
