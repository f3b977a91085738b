"""Which nodes some backend can run."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any

import rushlight as torch

from ..node import Node
from .shape_prop import TensorMetadata
from .tools_common import get_node_target

__all__ = [
    "OperatorSupportBase",
    "OperatorSupport",
    "create_op_support",
    "chain",
    "OpSupports",
    "any_chain",
]

TargetTypeName = str
SupportedArgumentDTypes = Any
SupportDict = Mapping[str, Any]
Modules = Mapping[str, torch.nn.Module]
IsNodeSupported = Callable[[Modules, Node], bool]


class OperatorSupportBase(abc.ABC):
    """Says which nodes are supported."""

    @abc.abstractmethod
    def is_node_supported(self, submodules: Modules, node: Node) -> bool:
        """Whether a node is supported."""


class OperatorSupport(OperatorSupportBase):
    """Support by a table: what is called, and the dtypes that its inputs may have (None: any)."""

    _support_dict: SupportDict = {}

    def __init__(self, support_dict: SupportDict | None = None) -> None:
        self._support_dict = support_dict or {}

    def is_node_supported(self, submodules: Modules, node: Node) -> bool:
        """Whether a call is in the table, with inputs of dtypes that are."""
        if node.op not in ("call_module", "call_function", "call_method"):
            return True
        target = get_node_target(submodules, node)
        if target not in self._support_dict:
            return False
        allowed = self._support_dict[target]
        if allowed is None:
            return True
        by_position, by_name = allowed
        for i, dtypes in enumerate(by_position):
            if len(node.args) <= i:
                break
            if isinstance(node.args[i], Node) and _get_arg_dtype(node.args[i]) not in dtypes:
                return False
        for name, dtypes in by_name.items():
            given = node.kwargs.get(name)
            if isinstance(given, Node) and _get_arg_dtype(given) not in dtypes:
                return False
        return True


class _Supported(OperatorSupportBase):
    def __init__(self, function: IsNodeSupported) -> None:
        self.function = function

    def is_node_supported(self, submodules: Modules, node: Node) -> bool:
        return self.function(submodules, node)


def create_op_support(is_node_supported: IsNodeSupported) -> OperatorSupportBase:
    """Support as a function says."""
    return _Supported(is_node_supported)


def chain(*op_support: OperatorSupportBase) -> OperatorSupportBase:
    """Support of what all of several support."""
    return _Supported(lambda modules, n: all(s.is_node_supported(modules, n) for s in op_support))


def any_chain(*op_support: OperatorSupportBase) -> OperatorSupportBase:
    """Support of what any of several supports."""
    return _Supported(lambda modules, n: any(s.is_node_supported(modules, n) for s in op_support))


class OpSupports:
    """Common rules."""

    @classmethod
    def decline_if_input_dtype(cls, dtype: torch.dtype) -> OperatorSupportBase:
        """Support of nodes none of whose inputs has a dtype."""
        return _Supported(
            lambda modules, n: all(_get_arg_dtype(a) != dtype for a in n.all_input_nodes)
        )

    @classmethod
    def decline_if_node_in_names(cls, disallow_set: set[str]) -> OperatorSupportBase:
        """Support of nodes whose names are not in a set."""
        return _Supported(lambda modules, n: n.name not in disallow_set)


def _get_arg_dtype(arg: Node) -> Any:
    """The dtype that was noted of a node's value."""
    if not isinstance(arg, Node):
        raise AssertionError(f"Expected fx.Node, got {type(arg)}")
    meta = arg.meta.get("tensor_meta")
    return meta.dtype if isinstance(meta, TensorMetadata) else arg.meta.get("type")
