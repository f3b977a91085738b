"""Code made when a module is first run, instead of when its graph changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .graph_module import GraphModule

_use_lazy = False


@contextmanager
def _use_lazy_graph_module(should_use: bool) -> Iterator[None]:
    """Whether modules made within the block wait with their code."""
    global _use_lazy
    before, _use_lazy = _use_lazy, should_use
    try:
        yield
    finally:
        _use_lazy = before


@contextmanager
def _force_skip_lazy_graph_module() -> Iterator[None]:
    with _use_lazy_graph_module(False):
        yield


def _get_graph_module_cls() -> type[GraphModule]:
    return _LazyGraphModule if _use_lazy else GraphModule


def _make_graph_module(*args: Any, graph_module_cls: Any = None, **kwargs: Any) -> GraphModule:
    return (graph_module_cls or _get_graph_module_cls())(*args, **kwargs)


class _LazyGraphModule(GraphModule):
    """Makes its code at the first call, or when it is asked for."""

    _stale = False

    @classmethod
    def from_graphmodule(cls, gm: GraphModule) -> GraphModule:
        """The same module, lazy."""
        return gm if isinstance(gm, _LazyGraphModule) else cls(gm, gm.graph)

    @staticmethod
    def force_recompile(gm: GraphModule) -> None:
        """Make the code now."""
        if isinstance(gm, _LazyGraphModule):
            gm.real_recompile()

    def real_recompile(self) -> None:
        """Make the code, if the graph has changed."""
        if self._stale:
            self._real_recompile()

    def _real_recompile(self) -> Any:
        self.__dict__["_stale"] = False
        return super().recompile()

    def recompile(self) -> Any:
        """Note that the code is to be made."""
        self.__dict__["_stale"] = True
        cls = type(self)
        cls.forward = _LazyGraphModule._lazy_forward
        return None

    def _lazy_forward(self, *args: Any, **kwargs: Any) -> Any:
        self.real_recompile()
        return self(*args, **kwargs)

    def _needs_recompile(self) -> bool:
        return self._stale

    @property
    def code(self) -> str:
        """The source of forward."""
        self.real_recompile()
        return self._code
