"""What all tracers share: values become arguments of nodes, calls become nodes."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from . import traceback as fx_traceback
from ._scope import Scope
from .node import Argument, Node, Target, base_types, map_aggregate

_ITERATED = (
    "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as "
    "a *args or **kwargs function argument. See the torch.fx docs on pytorch.org for a more "
    "detailed explanation of what types of control flow can be traced, and check out the Proxy "
    "docstring for help troubleshooting Proxy iteration errors"
)


# The notes that a node takes over from the one that it is made from.
_COPY_META_FIELDS = [
    "nn_module_stack", "torch_fn", "source_fn_stack", "original_aten", "recompute", "ac_graph_id",
    "has_backward_hook", "from_node", "quantization_tag", "_numeric_debug_handle", "custom",
    "partitioner_tag",
]  # fmt: skip


class TraceError(ValueError):
    """The program cannot be traced: it asks a value for more than what is done with it."""

    __module__ = "rushlight.fx.proxy"


class TracerBase:
    """Makes nodes; subclasses say what a value becomes and what a module call does."""

    graph: Any
    record_stack_traces = False
    _record_forward_stack_traces_only = False
    check_mutable_operations = False
    trace_asserts = False
    proxy_buffer_attributes = False
    traced_func_name = "forward"
    scope: Scope
    module_stack: OrderedDict[str, tuple[str, Any]]
    node_name_to_scope: dict[str, tuple[str, type]]

    def create_node(
        self,
        kind: str,
        target: Target,
        args: tuple[Argument, ...],
        kwargs: dict[str, Argument],
        name: str | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """Add a node, with notes of the module and the place that it came from."""
        if kind == "call_function" and self.check_mutable_operations:
            from .operator_schemas import check_for_mutable_operation

            check_for_mutable_operation(target, args, kwargs)
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        self.node_name_to_scope[node.name] = (self.scope.module_path, self.scope.module_type)
        if fx_traceback.has_preserved_node_meta():
            current = fx_traceback.get_current_meta()
            kept = (*_COPY_META_FIELDS, "stack_trace")
            node.meta.update({key: current[key] for key in kept if key in current})
        elif self.module_stack:
            node.meta["nn_module_stack"] = self.module_stack.copy()
        if self.record_stack_traces and not node.stack_trace:
            frames = self._filter_traceback_frames(_user_frames())
            node.stack_trace = "".join(frames.format()).strip() or None
        return node

    def proxy(self, node: Node) -> Any:
        """The value that stands for a node."""
        from .proxy import Proxy

        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any | None = None,
        proxy_factory_fn: Callable[[Node], Any] | None = None,
    ) -> Any:
        """Add a node; the value that stands for it."""
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        if not isinstance(args, tuple):
            raise AssertionError(f"Expected tuple, got {type(args)}")
        node = self.create_node(kind, target, args, dict(kwargs), name, type_expr)
        return self.proxy(node) if proxy_factory_fn is None else proxy_factory_fn(node)

    def _filter_traceback_frames(self, user_stack_summary: Any) -> Any:
        return user_stack_summary

    def create_arg(self, a: Any) -> Argument:
        """A value as an argument of nodes; NotImplementedError where it cannot be one."""
        from .proxy import Proxy

        if isinstance(a, Proxy):
            return a.node
        if hasattr(type(a), "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            items = [self.create_arg(x) for x in a]
            if hasattr(a, "_fields"):
                return type(a)(*items)
            return type(a)(items)
        if isinstance(a, list):
            return [self.create_arg(x) for x in a]
        if isinstance(a, dict):
            return {self._key(k): self.create_arg(v) for k, v in a.items()}
        if isinstance(a, slice):
            return slice(*(self.create_arg(x) for x in (a.start, a.stop, a.step)))
        if isinstance(a, range):
            return range(*(self.create_arg(x) for x in (a.start, a.stop, a.step)))
        if isinstance(a, (*base_types, enum.Enum, Node)) or a is None or a is ...:
            return a
        return self._other_arg(a)

    def _other_arg(self, a):
        import dataclasses

        if type(a).__name__ in ("OpOverload", "OpOverloadPacket", "SymInt", "SymFloat", "SymBool"):
            return a
        if dataclasses.is_dataclass(a) and not isinstance(a, type):
            fields = {f.name: self.create_arg(getattr(a, f.name)) for f in dataclasses.fields(a)}
            return self.create_node("call_function", type(a), (), fields)
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, key):
        made = self.create_arg(key)

        def refuse(arg):
            if isinstance(arg, Node):
                raise RuntimeError(
                    "Keys for dictionaries used as an argument cannot contain a Node. "
                    f"Got key: {made}"
                )
            return arg

        map_aggregate(made, refuse)
        return made

    def to_bool(self, obj: Any) -> bool:
        """What the truth of a value is; TraceError here, since it is not known."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Any) -> Iterator:
        """What a value gives one after the other; TraceError here, since it is not known."""
        raise TraceError(_ITERATED)

    def keys(self, obj: Any) -> Any:
        """The keys of a value."""
        from .proxy import Attribute

        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Adds to a graph that is there already."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.graph = graph
        self.scope = Scope("", None)
        self.module_stack = OrderedDict()
        self.node_name_to_scope = {}


def assert_fn(x: Any) -> None:
    """What an `assert` becomes where asserts are traced."""
    if not x:
        raise AssertionError("Traced assertion failed")


assert_fn.__module__ = "rushlight.fx.proxy"


def _user_frames():
    """The frames of the program being traced: those that are not ours."""
    import os
    import traceback

    here = os.path.dirname(os.path.abspath(__file__)) + os.sep
    ours = os.path.dirname(here.rstrip(os.sep)) + os.sep
    frames = list(traceback.extract_stack())
    start = next((i for i, f in enumerate(frames) if f.filename.startswith(here)), 0)
    own = [f for f in frames[start:] if not f.filename.startswith(ours)]
    return traceback.StackSummary.from_list(own)
