"""What watches the values that pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

from ... import Tensor
from ... import dtype as Dtype
from ...nn import Module


class ObserverBase(ABC, Module):
    """A module that watches what passes, for `calculate_qparams` to find scale and zero point."""

    def __init__(self, dtype: Dtype, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype = dtype
        self.is_dynamic = is_dynamic

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Watch `x`, and return it."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Scale and zero point for what was seen."""

    @classmethod
    def with_args(cls, **kwargs: Any) -> partial:
        """A maker of observers with these arguments."""
        return partial(cls, **kwargs)
