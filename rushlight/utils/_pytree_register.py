"""Registration of further containers: own classes, dataclasses, constants."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from . import _pytree_nodes as nodes
from ._pytree_nodes import (
    CONSTANT_NODES,
    SERIALIZED_TYPE_TO_PYTHON_TYPE,
    SUPPORTED_NODES,
    SUPPORTED_SERIALIZED_TYPES,
    GetAttrKey,
    is_namedtuple_instance,
)

Flatten = Callable[[Any], tuple[list[Any], Any]]
Unflatten = Callable[[Any, Any], Any]
Convert = Callable[[Any], Any]


def register_pytree_node(
    cls: type[Any],
    flatten_fn: Flatten,
    unflatten_fn: Unflatten,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Convert | None = None,
    from_dumpable_context: Convert | None = None,
    flatten_with_keys_fn: Flatten | None = None,
) -> None:
    """Make a type a container.

    `flatten_fn(x)` returns its children and a context; `unflatten_fn(children, context)`
    rebuilds it.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    nodes.register(
        cls,
        flatten_fn,
        unflatten_fn,
        serialized_type_name,
        to_dumpable_context,
        from_dumpable_context,
        flatten_with_keys_fn,
    )


def _private_register_pytree_node(
    cls: type[Any],
    flatten_fn: Flatten,
    unflatten_fn: Unflatten,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Convert | None = None,
    from_dumpable_context: Convert | None = None,
    flatten_with_keys_fn: Flatten | None = None,
) -> None:
    if cls in SUPPORTED_NODES:
        warnings.warn(
            f"{cls} is already registered as pytree node. Overwriting the previous registration.",
            stacklevel=2,
        )
    nodes.register(
        cls,
        flatten_fn,
        unflatten_fn,
        serialized_type_name,
        to_dumpable_context,
        from_dumpable_context,
        flatten_with_keys_fn,
    )


def _register_pytree_node(
    cls: type[Any],
    flatten_fn: Flatten,
    unflatten_fn: Unflatten,
    to_str_fn: Any = None,
    maybe_from_str_fn: Any = None,
    **options: Any,
) -> None:
    """The old name of `register_pytree_node`, which replaces an earlier registration."""
    warnings.warn(
        "`torch.utils._pytree._register_pytree_node` is deprecated. "
        "Please use `torch.utils._pytree.register_pytree_node` instead.",
        FutureWarning,
        stacklevel=2,
    )
    if to_str_fn is not None or maybe_from_str_fn is not None:
        warnings.warn(
            "`to_str_fn` and `maybe_from_str_fn` is deprecated. "
            "Please use `to_dumpable_context` and `from_dumpable_context` instead.",
            FutureWarning,
            stacklevel=2,
        )
    _private_register_pytree_node(cls, flatten_fn, unflatten_fn, **options)


def _deregister_pytree_node(cls: type[Any]) -> None:
    with nodes._NODE_REGISTRY_LOCK:
        del SUPPORTED_NODES[cls]
        how = SUPPORTED_SERIALIZED_TYPES.pop(cls)
        SERIALIZED_TYPE_TO_PYTHON_TYPE.pop(how.serialized_type_name, None)
        CONSTANT_NODES.discard(cls)


def _register_namedtuple(cls: type[Any], *, serialized_type_name: str) -> None:
    """Give a class of named tuples the name under which it is written to text."""
    how = nodes._SerializeNodeDef(
        cls, serialized_type_name, nodes._dump_namedtuple, nodes._load_namedtuple
    )
    with nodes._NODE_REGISTRY_LOCK:
        SUPPORTED_SERIALIZED_TYPES[cls] = how
        SERIALIZED_TYPE_TO_PYTHON_TYPE[serialized_type_name] = cls


def _is_namedtuple_instance(tree: Any) -> bool:
    warnings.warn(
        "torch.utils._pytree._is_namedtuple_instance is private and will be removed in a future "
        "release. Please use torch.utils._pytree.is_namedtuple_instance instead.",
        FutureWarning,
        stacklevel=2,
    )
    return is_namedtuple_instance(tree)


def register_dataclass(
    cls: type[Any],
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Make a class a container of its fields.

    A dataclass knows its fields; any other class has to be built from them as keywords, and
    `field_names` lists them all. Fields that are None, or dropped, are no children.
    """
    names = _children_names(cls, field_names, drop_field_names or [])

    def context_of(instance):
        present = [name for name in names if getattr(instance, name) is not None]
        return present, [name for name in names if name not in present]

    def flatten(instance):
        present, absent = context_of(instance)
        return [getattr(instance, name) for name in present], [present, absent]

    def flatten_with_keys(instance):
        values, context = flatten(instance)
        return [(GetAttrKey(k), v) for k, v in zip(context[0], values, strict=True)], context

    def unflatten(values, context):
        present, absent = context
        return cls(**dict(zip(present, values, strict=True)), **dict.fromkeys(absent))

    _private_register_pytree_node(
        cls,
        flatten,
        unflatten,
        serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=flatten_with_keys,
    )


def _children_names(cls, chosen, dropped):
    from dataclasses import fields, is_dataclass

    if not is_dataclass(cls):
        if chosen is None:
            raise ValueError(
                "field_names must be specified with a list of all fields used to initialize "
                f"{cls}, as it is not a dataclass."
            )
        return [name for name in chosen if name not in dropped]
    known = {field.name: field for field in fields(cls) if field.init}
    if chosen is None:
        return [name for name in known if name not in dropped]
    missing = known.keys() - set(chosen) - set(dropped)
    unexpected = set(chosen) - known.keys() - set(dropped)
    wrong = ""
    if missing:
        wrong += (
            f"Missing fields in `field_names`: {missing}. If you want to include these fields in "
            "the pytree, please add them to `field_names`, otherwise please add them to "
            "`drop_field_names`.\n"
        )
    if unexpected:
        wrong += (
            f"Unexpected fields in `field_names`: {unexpected}. Please remove these fields, or "
            "add them to `drop_field_names`.\n"
        )
    if wrong:
        raise ValueError(f"field_names does not include all dataclass fields.\n{wrong}")
    return list(chosen)


class ConstantNode(NamedTuple):
    """The context of a constant: the constant itself."""

    value: Any


def register_constant(cls: type[Any]) -> None:
    """Make instances of `cls` part of the structure instead of leaves.

    They are compared and hashed by their value.
    """
    for method in ("__eq__", "__hash__"):
        if getattr(cls, method) in (getattr(object, method), None):
            raise TypeError(
                f"register_constant(cls) expects `cls` to have a non-default `{method}` "
                "implementation."
            )
    _private_register_pytree_node(
        cls,
        lambda constant: ([], ConstantNode(constant)),
        lambda _, context: context.value,
        flatten_with_keys_fn=lambda constant: ([], ConstantNode(constant)),
    )
    CONSTANT_NODES.add(cls)


def is_constant_class(cls: type[Any]) -> bool:
    """Whether instances of `cls` are part of the structure."""
    return isinstance(cls, type) and cls in CONSTANT_NODES
