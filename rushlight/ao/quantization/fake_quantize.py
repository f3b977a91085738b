"""What rounds values in training as a quantized model would."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

from ... import Tensor, tensor, uint8
from ...nn import Module


class FakeQuantizeBase(ABC, Module):
    """Base of modules that round; two uint8 buffers of one element switch rounding and watching."""

    fake_quant_enabled: Tensor
    observer_enabled: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fake_quant_enabled", tensor([1], dtype=uint8))
        self.register_buffer("observer_enabled", tensor([1], dtype=uint8))

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Watch and round `x`."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Scale and zero point for what was seen."""

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Round from now on."""
        self.fake_quant_enabled[0] = int(enabled)

    def disable_fake_quant(self) -> None:
        """Let values pass as they are."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        """Watch from now on."""
        self.observer_enabled[0] = int(enabled)

    def disable_observer(self) -> None:
        """Watch no longer."""
        self.enable_observer(False)

    @classmethod
    def with_args(cls, **kwargs: Any) -> partial:
        """A maker of such modules with these arguments."""
        return partial(cls, **kwargs)
