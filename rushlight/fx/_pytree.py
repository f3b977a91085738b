"""Taking containers apart along a structure that is known already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..utils._pytree import SUPPORTED_NODES as _NODES
from ..utils._pytree import PyTree, TreeSpec, is_namedtuple_class

FlattenFuncSpec = Callable[[PyTree, TreeSpec], list]
FlattenFuncExactMatchSpec = Callable[[PyTree, TreeSpec], bool]
SUPPORTED_NODES: dict[type[Any], FlattenFuncSpec] = {}
SUPPORTED_NODES_EXACT_MATCH: dict[type[Any], FlattenFuncExactMatchSpec | None] = {}


def register_pytree_flatten_spec(
    cls: type[Any],
    flatten_fn_spec: FlattenFuncSpec,
    flatten_fn_exact_match_spec: FlattenFuncExactMatchSpec | None = None,
) -> None:
    """Say how a container type is taken apart along a structure."""
    SUPPORTED_NODES[cls] = flatten_fn_spec
    SUPPORTED_NODES_EXACT_MATCH[cls] = flatten_fn_exact_match_spec


def _deregister_pytree_flatten_spec(cls: type[Any]) -> None:
    del SUPPORTED_NODES[cls]
    del SUPPORTED_NODES_EXACT_MATCH[cls]


def tree_flatten_spec(pytree: PyTree, spec: TreeSpec) -> list[Any]:
    """The leaves that `pytree` has where `spec` has leaves; what is beyond them stays whole."""
    if spec.is_leaf():
        return [pytree]
    take_apart = SUPPORTED_NODES.get(spec.type)
    if take_apart is None and is_namedtuple_class(spec.type):
        take_apart = _sequence
    if take_apart is None:
        if spec.type in _NODES:
            children = _NODES[spec.type].flatten_fn(pytree)[0]
            return _leaves(children, spec)
        raise RuntimeError(
            f"{type(pytree)} does not have a flatten_fn_spec associated with it. Please register "
            f"one with torch.fx._pytree.register_pytree_flatten_spec.  If you have serialized your "
            f"model, make sure that any custom pytrees have been registered before loading it."
        )
    return _leaves(take_apart(pytree, spec), spec)


def _leaves(children, spec):
    parts = spec.children()
    if len(children) != len(parts):
        raise AssertionError(f"Expected {len(parts)} children, got {len(children)}")
    leaves: list = []
    for child, part in zip(children, parts, strict=True):
        leaves.extend(tree_flatten_spec(child, part))
    return leaves


def _sequence(values, spec):
    return [values[i] for i in range(spec.num_children)]


def _same_length(values, spec):
    return len(values) == spec.num_children


register_pytree_flatten_spec(
    dict,
    lambda values, spec: [values[key] for key in spec.context],
    _same_length,
)
register_pytree_flatten_spec(list, _sequence, _same_length)
register_pytree_flatten_spec(tuple, _sequence, _same_length)
