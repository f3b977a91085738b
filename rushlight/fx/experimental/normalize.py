"""Arguments brought to the signatures of what is called."""

from __future__ import annotations

import operator
from typing import Any

import rushlight as torch

from ..graph_module import GraphModule
from ..interpreter import Transformer
from ..node import Argument, Node, Target, map_aggregate
from ..operator_schemas import normalize_function, normalize_module
from ..proxy import Proxy
from .schema_type_annotation import AnnotateTypesWithSchema


class NormalizeArgs(Transformer):
    """Gives every argument by name, or by position as far as possible, with defaults filled in."""

    def __init__(self, module: GraphModule, normalize_to_only_use_kwargs: bool = True) -> None:
        super().__init__(module)
        self.node_map: dict[Proxy, Node] = {}
        self.normalize_to_only_use_kwargs = normalize_to_only_use_kwargs

    def run_node(self, n: Node) -> Any:
        """The node in the new graph, its notes with it."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)

        def kind(arg):
            return arg.meta.get("type") if isinstance(arg, Node) else type(arg)

        kinds = map_aggregate(n.args, kind), map_aggregate(n.kwargs, kind)
        if n.op == "call_function":
            out = self.call_function(n.target, args, kwargs, *kinds)
        else:
            out = super().run_node(n)
        if n.op != "output":
            self.node_map[out] = n
            out.node.meta = n.meta
            out.node.type = n.type
        return out

    def call_function(
        self,
        target: Target,
        args: tuple[Argument, ...],
        kwargs: dict[str, Any],
        arg_types: tuple[Any, ...] | None = None,
        kwarg_types: dict[str, Any] | None = None,
    ) -> Any:
        """The call with its arguments in the one form."""
        only = self.normalize_to_only_use_kwargs
        found = normalize_function(target, args, kwargs, arg_types, kwarg_types, only)
        args, kwargs = found if found else (args, kwargs)
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def call_module(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The call with its arguments in the one form."""
        only = self.normalize_to_only_use_kwargs
        found = normalize_module(self.module, target, args, kwargs, only)
        args, kwargs = found if found else (args, kwargs)
        return super().call_module(target, args, kwargs)


class NormalizeOperators(AnnotateTypesWithSchema):
    """Puts functions of torch in the place of Python's operators on tensors."""

    binary_magic_method_remap = {
        torch.add: operator.add, torch.mul: operator.mul, torch.sub: operator.sub,
        torch.div: operator.truediv, torch.floor_divide: operator.floordiv,
        torch.remainder: operator.mod, torch.eq: operator.eq, torch.ne: operator.ne,
        torch.lt: operator.lt, torch.le: operator.le, torch.gt: operator.gt, torch.ge: operator.ge,
    }  # fmt: skip

    def call_function(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The call, with the operator of Python where there is one for it."""
        if not callable(target):
            raise AssertionError(f"Expected callable target, got {type(target)}")
        other = next((v for k, v in self.binary_magic_method_remap.items() if k is target), None)
        if other is not None and len(args) == 2 and not kwargs:
            target = other
        return super().call_function(target, args, kwargs)
