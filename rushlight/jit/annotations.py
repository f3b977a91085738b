"""The names of types that scripts for torch.jit are annotated with."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035

from ..futures import Future

__all__ = ["Any", "Dict", "Future", "List", "Optional", "Tuple", "Union"]
