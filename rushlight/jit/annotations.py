"""Annotations of programs as types of graphs, and the names that annotations are written with."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035

from .. import Tensor
from ..futures import Future
from ._compile import annotated
from ._compile.annotated import BroadcastingList1, BroadcastingList2, BroadcastingList3
from ._compile.unit import python_unit

__all__ = [
    "Any",
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Dict",
    "Future",
    "List",
    "Optional",
    "Tuple",
    "Union",
    "ann_to_type",
    "get_signature",
    "parse_type_line",
    "try_ann_to_type",
]


def try_ann_to_type(ann: Any, loc: Any, rcb: Callable | None = None) -> Any:
    """The type that an annotation means, or None; of no annotation, Tensor."""
    if ann is None:
        from ._types import TensorType

        return TensorType.get()
    return annotated.from_object(ann, python_unit(), None)


def ann_to_type(ann: Any, loc: Any, rcb: Callable | None = None) -> Any:
    """The type that an annotation means; ValueError if none."""
    found = try_ann_to_type(ann, loc, rcb)
    if found is None:
        raise ValueError(f"Unknown type annotation: '{annotated.said(ann)}' at {loc}")
    return found


def get_signature(fn: FunctionType, rcb: Any, loc: Any, is_method: bool) -> Any:
    """The types of a function's arguments and of its result; None where it has no annotations."""
    from ._compile.signatures import signature_of

    if not fn.__annotations__:
        return None
    schema = signature_of(python_unit(), fn, None, is_method)
    return [a.type for a in schema.arguments], schema.returns[0].type


def parse_type_line(type_line: str, rcb: Any, loc: Any) -> Any:
    """The types of the arguments and of the result that `# type: (int) -> Tensor` says."""
    found = annotated.type_comment([type_line])
    if found is None:
        raise RuntimeError(f"Failed to parse the type comment: {type_line}")
    args, result = found

    def read(text: str) -> Any:
        tree = ast.parse(text, mode="eval").body
        return annotated.needed(tree, lambda name: None, python_unit(), None)

    return [read(a) for a in args], read(result or "Tensor")


def is_tensor(ann: Any) -> bool:
    """Whether an annotation means a tensor."""
    return isinstance(ann, type) and issubclass(ann, Tensor)
