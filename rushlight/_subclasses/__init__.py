"""Kinds of tensors that compilers and planners use."""

from __future__ import annotations

from .fake_tensor import (
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedFakeTensorException,
)

__all__ = [
    "UnsupportedFakeTensorException", "DynamicOutputShapeException", "FakeTensor", "FakeTensorMode",
]  # fmt: skip
