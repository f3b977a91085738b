"""Sparse tensors on GPUs: per-dtype classes that a build without CUDA cannot make."""

from __future__ import annotations

from ._refused import TYPED, typed

_NAMES = [name for name in TYPED if name.endswith("Tensor") and name != "BoolTensor"]


def __getattr__(name: str):
    if name in _NAMES:
        globals()[name] = typed(name, "torch.cuda.sparse")
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
