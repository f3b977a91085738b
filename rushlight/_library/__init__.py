"""Where PyTorch keeps the workings of torch.library, which libraries reach into."""

from __future__ import annotations

from . import custom_ops, infer_schema

__all__ = ["custom_ops", "infer_schema"]
