"""torchvision's version that this package follows, and rushlight's own."""

from __future__ import annotations

__version__ = "0.28.0+rushlight.0.1.0"
git_version = "unknown"
cuda: str | None = None
