"""Switches of the executor: graphs run as Python functions here, so most choose nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

_state: dict[str, Any] = {"onednn": False, "strategy": [("STATIC", 2), ("DYNAMIC", 10)]}


def enable_onednn_fusion(enabled: bool) -> None:
    """Ask for fused oneDNN graphs: their operators run through oneDNN in any case."""
    if not isinstance(enabled, bool):
        raise TypeError(f"enable_onednn_fusion: got {type(enabled).__name__}, expected bool")
    _state["onednn"] = enabled


def onednn_fusion_enabled() -> bool:
    """What `enable_onednn_fusion` was last told."""
    return _state["onednn"]


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Say how often to specialise on shapes, as [("STATIC", n), ("DYNAMIC", m)]; the one before."""
    for kind, depth in strategy:
        if kind not in ("STATIC", "DYNAMIC"):
            raise RuntimeError(f"Expected FusionBehavior of STATIC or DYNAMIC but found {kind}")
        if not isinstance(depth, int):
            raise TypeError(f"set_fusion_strategy: got {depth!r}, expected an int as the depth")
    before, _state["strategy"] = _state["strategy"], list(strategy)
    return before


class strict_fusion:  # noqa: N801 (PyTorch's name)
    """Within the `with`, a program would be refused if a part of it did not fuse."""

    def __enter__(self) -> None:
        """Begin: nothing is fused, and nothing refused."""

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        """End."""


@contextmanager
def optimized_execution(should_optimize: bool):
    """Say whether graphs may be optimised in the block: they run the same way."""
    before = _state.get("optimize", True)
    _state["optimize"] = bool(should_optimize)
    try:
        yield
    finally:
        _state["optimize"] = before


@contextmanager
def fuser(name: str):
    """Choose a fuser for the block, by the name PyTorch has for it."""
    if name not in ("fuser0", "fuser1", "fuser2", "fuser3", "none"):
        raise Exception(f"unrecognized fuser option (name: {name})")
    before = _state.get("fuser")
    _state["fuser"] = name
    try:
        yield
    finally:
        _state["fuser"] = before


@contextmanager
def _hide_source_ranges():
    """Within the block graphs are printed without places in the source."""
    from . import _ir_print

    before = _ir_print.print_source_ranges
    _ir_print.print_source_ranges = False
    try:
        yield
    finally:
        _ir_print.print_source_ranges = before


def last_executed_optimized_graph() -> Any:
    """The graph of the function that was made to run last, with those of what it calls in it."""
    from ._run import last_run

    if not last_run:
        raise RuntimeError("last_executed_optimized_graph: no compiled function has run yet")
    return last_run[-1].inlined_graph
