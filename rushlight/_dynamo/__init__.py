"""The private home of torch.compile's switches, which libraries import from.

Nothing is compiled, so marks on tensors have nothing to choose.
"""

from __future__ import annotations

from ..compiler import (
    OptimizedModule,
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    set_stance,
)
from . import eval_frame  # noqa: F401 (libraries find it as an attribute)

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "disable",
    "forbid_in_graph",
    "graph_break",
    "is_compiling",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "mark_static_address",
    "maybe_mark_dynamic",
    "reset",
    "set_stance",
]

forbid_in_graph = allow_in_graph


def graph_break(msg: str = "") -> None:
    """Where a compiled program is cut in two: nowhere."""


def mark_dynamic(t, index, *, min=None, max=None, **kwargs) -> None:
    """Say that a size changes from call to call: any may."""


def maybe_mark_dynamic(t, index) -> None:
    """Say that a size may change from call to call: any may."""


def mark_static(t, index=None) -> None:
    """Say that a size stays the same."""


def mark_static_address(t, guard: bool = True) -> None:
    """Say that a tensor stays where it is."""
