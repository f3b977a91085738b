"""Tracing with tensors without elements beside the proxies: shapes are numbers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .._patching import _maybe_revert_all_patches
from .._symbolic_trace import Tracer
from ..graph import Graph
from ..graph_module import GraphModule, _get_attr
from ..node import Node, map_aggregate
from ..proxy import Attribute, Proxy

__all__ = [
    "MetaAttribute",
    "MetaDeviceAttribute",
    "MetaProxy",
    "MetaTracer",
    "manual_meta_overrides",
    "proxys_to_metas",
    "symbolic_trace",
]

# Functions to compute shapes by in place of others.
manual_meta_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}


class MetaProxy(Proxy):
    """A proxy that knows the shape and dtype of its value, if they could be computed."""

    tensor_meta: torch.Tensor | None = None

    def install_tensor_meta(self, tensor_meta: Any) -> None:
        """Note a tensor like the value, without elements."""
        self.tensor_meta = tensor_meta

    def _known(self, name: str, *args: Any) -> Any:
        """What the tensor without elements answers; a node where there is none."""
        if isinstance(self.tensor_meta, torch.Tensor):
            found = getattr(self.tensor_meta, name)
            return found(*args) if callable(found) and name != "shape" else found
        if name in ("shape", "dtype"):
            return MetaAttribute(self, name)
        return self.tracer.create_proxy("call_method", name, (self, *args), {})

    def size(self, dim: int | None = None) -> Any:
        """The sizes, or one of them."""
        return self._known("size", *([] if dim is None else [dim]))

    def dim(self) -> Any:
        """The number of dims."""
        return self._known("dim")

    @property
    def shape(self) -> Any:
        """The sizes."""
        return self._known("shape")

    @property
    def dtype(self) -> Any:
        """The dtype."""
        return self._known("dtype")

    @property
    def device(self) -> Any:
        """The device: a node, since it is known only when the graph runs."""
        return MetaDeviceAttribute(self, "device")

    def __getattr__(self, k: str) -> Any:
        if k in ("__deepcopy__", "__getstate__", "__setstate__", "__reduce_ex__"):
            raise AttributeError(k)
        return MetaAttribute(self, k)


class MetaAttribute(Attribute, MetaProxy):
    """An attribute of a value; it becomes a node only where it is not called."""


class MetaDeviceAttribute(MetaAttribute):
    """The device of a value."""


def proxys_to_metas(v: Any) -> Any:
    """What stands for a value where shapes are computed."""
    if isinstance(v, MetaDeviceAttribute):
        return torch.device("meta")
    if isinstance(v, MetaAttribute) and v.tensor_meta is None:
        return getattr(proxys_to_metas(v.root), v.attr)
    if isinstance(v, MetaProxy):
        if v.tensor_meta is None:
            raise RuntimeError(f"No tensor meta for {v}")
        return v.tensor_meta
    return v.to("meta") if isinstance(v, torch.Tensor) else v


class MetaTracer(Tracer):
    """A tracer whose proxies know their shapes, from `meta_args`: tensors like the arguments."""

    def trace(  # type: ignore[override]
        self,
        root: torch.nn.Module | Callable[..., Any],
        meta_args: dict[str, torch.Tensor],
        concrete_args: dict[str, Any] | None = None,
    ) -> Graph:
        """The graph; control flow may depend on shapes."""
        if not isinstance(meta_args, dict):
            raise AssertionError(f"Expected dict for meta_args, got {type(meta_args)}")
        self.meta_args = {name: value.to("meta") for name, value in meta_args.items()}
        graph = super().trace(root, concrete_args)
        graph._tracer_extras = {"meta_args": meta_args}
        return graph

    def proxy(self, node: Node) -> MetaProxy:
        """The proxy of a node."""
        return MetaProxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any | None = None,
        proxy_factory_fn: Callable[[Node], Any] | None = None,
    ) -> Any:
        """A node, and a proxy that knows the shape of its value."""
        made = super().create_proxy(kind, target, args, kwargs, name, type_expr, proxy_factory_fn)
        if kind == "placeholder":
            made.install_tensor_meta(self.meta_args.get(target))
            return made
        try:
            given = map_aggregate(args, proxys_to_metas), map_aggregate(kwargs, proxys_to_metas)
            made.install_tensor_meta(self._computed(kind, target, *given))
        except Exception as error:
            warnings.warn(
                f"Could not compute metadata for {kind} target {target}: {error}", stacklevel=2
            )
        return made

    def _computed(self, kind, target, args, kwargs):
        """What a node gives where tensors have no elements."""
        kwargs = dict(kwargs)
        if kind == "call_function":
            if target is getattr and args[1] == "device":
                return None
            return manual_meta_overrides.get(target, target)(*args, **kwargs)
        if kind == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        with _maybe_revert_all_patches(), torch.no_grad():  # nothing is traced meanwhile
            found = _get_attr(self.root, target)
            if kind == "get_attr":
                return found.to("meta") if isinstance(found, torch.Tensor) else None
            return copy.deepcopy(found).to("meta")(*args, **kwargs)


def symbolic_trace(
    root: torch.nn.Module | Callable[..., Any],
    meta_args: dict[str, torch.Tensor] | None = None,
    concrete_args: dict[str, Any] | None = None,
) -> GraphModule:
    """A GraphModule made by tracing with shapes known from `meta_args`."""
    tracer = MetaTracer()
    graph = tracer.trace(root, meta_args, concrete_args)  # type: ignore[arg-type]
    name = type(root).__name__ if isinstance(root, torch.nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
