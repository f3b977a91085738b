"""The function that a layer calls, as an attribute of its class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import functional


class FunctionOfLayer(staticmethod):
    """`torch.nn.functional.<name>` as it is at each call: programs put their own there."""

    def __init__(self, name: str) -> None:
        super().__init__(getattr(functional, name))
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Callable[..., Any]:
        return getattr(functional, self.name)
