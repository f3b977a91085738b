"""A pass as an object, and what it gives."""

from __future__ import annotations

import abc
from typing import NamedTuple

from ....nn import Module
from ...graph_module import GraphModule

__all__ = ["PassResult", "PassBase"]


class PassResult(NamedTuple):
    """The module after a pass, and whether the pass changed it."""

    graph_module: Module
    modified: bool


class PassBase(abc.ABC):
    """A pass: `call` does the work, `requires` and `ensures` check before and after it."""

    def __call__(self, graph_module: GraphModule) -> PassResult | None:
        """Run the checks and the pass."""
        self.requires(graph_module)
        result = self.call(graph_module)
        self.ensures(graph_module)
        return result

    @abc.abstractmethod
    def call(self, graph_module: GraphModule) -> PassResult | None:
        """The work of the pass."""

    def requires(self, graph_module: GraphModule) -> None:  # noqa: B027
        """Raise where the pass cannot work; by default it always can."""

    def ensures(self, graph_module: GraphModule) -> None:  # noqa: B027
        """Raise where the pass has not done what it should; by default nothing is checked."""
