"""torch.nested: not offered; every name says what to use instead."""

from __future__ import annotations

from ._unsupported import NESTED, unsupported

__all__ = list(NESTED)
globals().update({name: unsupported(name, "torch.nested") for name in NESTED})
