"""The values of all nodes as tensors without elements."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ..._subclasses.fake_tensor import FakeTensorMode
from ...utils._pytree import tree_map
from ..graph_module import GraphModule
from ..interpreter import Interpreter
from ..node import Node

__all__ = ["FakeTensorProp"]


class FakeTensorProp(Interpreter):
    """Runs a graph on fake tensors and notes each node's value in `meta["val"]`."""

    def __init__(self, module: GraphModule, mode: FakeTensorMode | None = None) -> None:
        super().__init__(module)
        self._mode = FakeTensorMode(allow_non_fake_inputs=True) if mode is None else mode

    def run_node(self, n: Node) -> Any:
        """The value of a node, noted."""
        result = super().run_node(n)
        n.meta["val"] = result
        n.meta["type"] = type(result)
        return result

    def fetch_attr(self, target: str) -> Any:
        """What the module has at the path, a tensor without its elements."""
        found = super().fetch_attr(target)
        return self._mode.from_tensor(found) if isinstance(found, torch.Tensor) else found

    def propagate(self, *args: object) -> Any:
        """Run the graph on arguments like the given ones; its result."""
        made = tree_map(
            lambda a: self._mode.from_tensor(a) if isinstance(a, torch.Tensor) else a, args
        )
        return self.propagate_dont_convert_inputs(*made)

    def propagate_dont_convert_inputs(self, *args: object) -> Any:
        """Run the graph on fake arguments; its result."""
        with self._mode:
            return super().run(*args)
