"""The classes of what `torch.ops` holds, and operators that take functions."""

from __future__ import annotations

from typing import Any

from . import Tensor, ops
from ._aten import OpOverload, OpOverloadPacket
from .library._ops import Namespace as _OpNamespace

__all__ = [
    "HigherOrderOperator",
    "OpOverload",
    "OpOverloadPacket",
    "OperatorBase",
    "_OpNamespace",
    "ops",
]


class OperatorBase:
    """Base of operators of `torch.ops`."""


class HigherOrderOperator(OperatorBase):
    """Base of operators that take functions: a subclass says in `__call__` what they do."""

    def __init__(self, name: str, *, cacheable: bool = False):
        self._name = self.__name__ = name
        self._ns = "higher_order"
        self.__module__ = "torch.ops.higher_order"

    def name(self) -> str:
        """How it is called."""
        return self._name

    @property
    def namespace(self) -> str:
        """Where it is in `torch.ops`."""
        return self._ns

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{self._name}: a HigherOrderOperator needs a __call__")

    def __str__(self) -> str:
        return self._name


def _is_alias_of(a: Tensor, b: Tensor) -> bool:
    return a._storage_id() == b._storage_id()
