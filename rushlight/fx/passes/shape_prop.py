"""The shapes and dtypes of all values of a graph, by running it."""

from __future__ import annotations

import traceback
from typing import Any, NamedTuple

import rushlight as torch

from ..graph_module import GraphModule
from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["TensorMetadata", "ShapeProp"]


class TensorMetadata(NamedTuple):
    """What is noted of a tensor."""

    shape: torch.Size
    dtype: torch.dtype
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: torch.memory_format | None
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(
    result: torch.Tensor, include_contiguity: bool = True
) -> TensorMetadata:
    """What there is to note of a tensor."""
    formats = (torch.contiguous_format, torch.channels_last, torch.channels_last_3d)
    ranks = {torch.channels_last: 4, torch.channels_last_3d: 5}
    found = None
    for layout in formats if include_contiguity and not result.is_sparse else ():
        if ranks.get(layout, result.dim()) != result.dim():
            continue
        if result.is_contiguous(memory_format=layout):
            found = layout
            break
    stride = () if result.is_sparse else result.stride()
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, stride, found, False, {}
    )


class ShapeProp(Interpreter):
    """Runs a graph and notes in `meta["tensor_meta"]` of each node what its value is like.

    With `fake_mode` it runs on tensors without elements.
    """

    def __init__(self, gm: GraphModule, fake_mode: Any = None) -> None:
        super().__init__(gm)
        self.fake_mode = fake_mode
        self.fake_module = _without_elements(gm) if fake_mode is not None else None
        self.real_module = self.module

    def run_node(self, n: Node) -> Any:
        """The value of a node, noted."""
        try:
            self.module = self.fake_module if self.fake_module is not None else self.real_module
            result = super().run_node(n)
        except Exception as error:
            traceback.print_exc()
            raise RuntimeError(
                f"ShapeProp error for: node={n.format_node()} with meta={n.meta}"
            ) from error
        finally:
            self.module = self.real_module
        seen = []

        def note(value):
            if isinstance(value, torch.Tensor):
                seen.append(value)
                return _extract_tensor_metadata(value)
            return value

        meta = map_aggregate(result, note)
        if seen:
            n.meta["tensor_meta"] = meta
        if self.fake_mode is not None:
            n.meta["val"] = result
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph; its result."""
        if self.fake_mode is not None:
            args = tuple(_to_meta(a) for a in args)
        return super().run(*args)


def _to_meta(value):
    return value.to("meta") if isinstance(value, torch.Tensor) else value


def _without_elements(module):
    import copy

    return copy.deepcopy(module).to("meta")
