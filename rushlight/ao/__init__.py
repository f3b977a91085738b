"""Architecture optimization: of it, the parts of `quantization` that float models are made of."""

from __future__ import annotations

from typing import Any

__all__ = ["quantization"]


def __getattr__(name: str) -> Any:
    if name == "quantization":
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.ao' has no attribute '{name}' (docs/gaps.md)")
