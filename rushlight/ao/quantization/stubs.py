"""Marks of where a model's values would be quantized and made float again."""

from __future__ import annotations

from typing import Any

from ... import Tensor
from ...nn import Module


class _Stub(Module):
    """The identity, with a configuration that a converter would read."""

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig is not None:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        return x


class QuantStub(_Stub):
    """Where values enter the part that is to be quantized: the identity."""


class DeQuantStub(_Stub):
    """Where values leave the part that is to be quantized: the identity."""


class QuantWrapper(Module):
    """A module between two stubs."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.quant = QuantStub(qconfig)
        self.dequant = DeQuantStub(qconfig)
        self.module = module
        self.train(module.training)

    def forward(self, X: Tensor) -> Tensor:
        return self.dequant(self.module(self.quant(X)))
