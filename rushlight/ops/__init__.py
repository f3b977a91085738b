"""Every operator family: each module of this folder declares its own when imported here."""

from __future__ import annotations

import os

for _name in sorted(os.listdir(os.path.dirname(__file__))):
    if _name.endswith(".py") and not _name.startswith("__"):
        __import__(f"{__name__}.{_name[:-3]}")


def __getattr__(name: str):
    """`torch.ops.<namespace>`: PyTorch's names, or what users define with `torch.library`."""
    if name == "aten":
        from .._aten import aten

        return aten
    if name.startswith("_"):
        raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
    from ..library._ops import Namespace

    return Namespace(name)
