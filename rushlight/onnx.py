"""Questions about exporting, which models ask while they run; there is no exporter yet."""

from __future__ import annotations

__all__ = ["is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """Whether a model is being exported now: never (docs/gaps.md)."""
    return False


def __getattr__(name: str):
    raise AttributeError(
        f"module 'torch.onnx' has no attribute '{name}': rushlight does not export (docs/gaps.md)"
    )
