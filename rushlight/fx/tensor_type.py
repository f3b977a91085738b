"""Types of tensors with shapes that are known in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["Dyn", "TensorType", "is_consistent", "is_more_precise"]


class TensorType:
    """The type of tensors of one shape; a dim may be `Dyn`."""

    def __init__(self, dim: Sequence[Any]) -> None:
        self.__origin__ = TensorType
        self.__args__ = dim

    @property
    def dims(self) -> Any:
        """The sizes."""
        return self.__args__

    def __repr__(self) -> str:
        return f"TensorType[{self.__args__}]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and list(self.__args__) == list(other.__args__)

    def __hash__(self) -> int:
        return hash(tuple(self.__args__))

    @staticmethod
    def __class_getitem__(*args: Any) -> TensorType:
        return TensorType(args[0] if len(args) == 1 and isinstance(args[0], tuple) else args)


class _DynType:
    """The size or shape of which nothing is known."""

    def __init__(self) -> None:
        self.__name__ = "_DynType"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _DynType)

    def __hash__(self) -> int:
        return hash(_DynType)

    def __str__(self) -> str:
        return "Dyn"

    __repr__ = __str__


Dyn = _DynType()


def _compare(first: Any, second: Any, base) -> bool:
    if not (isinstance(first, TensorType) and isinstance(second, TensorType)):
        return False
    pairs = zip(first.__args__, second.__args__, strict=False)
    return len(first.__args__) == len(second.__args__) and all(base(a, b) for a, b in pairs)


def is_consistent(t1: object, t2: object) -> bool:
    """Whether some tensor could have both types."""
    if t1 == t2 or Dyn in (t1, t2) or _is_variable(t1) or _is_variable(t2):
        return True
    return _compare(t1, t2, is_consistent)


def is_more_precise(t1: object, t2: object) -> bool:
    """Whether the first type says at least as much as the second."""
    if t1 == t2 or isinstance(t2, _DynType) or _is_variable(t2):
        return True
    return _compare(t1, t2, is_more_precise)


def _is_variable(kind: object) -> bool:
    return type(kind).__name__ == "Var"
