"""Structures of trees as JSON text."""

from __future__ import annotations

import json
from enum import Enum
from functools import reduce
from typing import Any

from ._pytree_nodes import (
    NO_SERIALIZED_TYPE_NAME_FOUND,
    SERIALIZED_TYPE_TO_PYTHON_TYPE,
    SUPPORTED_SERIALIZED_TYPES,
)
from ._pytree_spec import LEAF, TreeSpec

DEFAULT_TREESPEC_SERIALIZATION_PROTOCOL = 1
_PROTOCOLS = [DEFAULT_TREESPEC_SERIALIZATION_PROTOCOL]


class EnumEncoder(json.JSONEncoder):
    """JSON with members of enumerations, which are written by their names."""

    def default(self, o: object) -> Any:
        """What stands for a member of an enumeration."""
        if isinstance(o, Enum):
            cls = type(o)
            return {
                "__enum__": True,
                "fqn": f"{cls.__module__}:{cls.__qualname__}",
                "name": o.name,
            }
        return super().default(o)


def enum_object_hook(obj: dict[str, Any]) -> Enum | dict[str, Any]:
    """The member of an enumeration that `EnumEncoder` wrote."""
    if "__enum__" not in obj:
        return obj
    from importlib import import_module

    module, _, path = obj["fqn"].partition(":")
    return reduce(getattr, path.split("."), import_module(module))[obj["name"]]


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """The structure as text."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "Expected `treespec` to be an instance of PyTreeSpec but got item of type "
            f"{type(treespec)}."
        )
    protocol = DEFAULT_TREESPEC_SERIALIZATION_PROTOCOL if protocol is None else protocol
    _check_protocol(protocol)
    return json.dumps((protocol, _to_plain(treespec)))


def treespec_loads(serialized: str) -> TreeSpec:
    """The structure that `treespec_dumps` wrote."""
    protocol, schema = json.loads(serialized)
    _check_protocol(protocol)
    return _from_plain(schema)


def _check_protocol(protocol):
    if protocol not in _PROTOCOLS:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: {_PROTOCOLS}")


def _to_plain(spec):
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    how = SUPPORTED_SERIALIZED_TYPES.get(spec.type)
    if how is None:
        raise NotImplementedError(f"Serializing {spec.type} in pytree is not registered.")
    if how.serialized_type_name == NO_SERIALIZED_TYPE_NAME_FOUND:
        raise NotImplementedError(
            f"No registered serialization name for {spec.type} found. Please update your "
            "_register_pytree_node call with a `serialized_type_name` kwarg."
        )
    return {
        "type": how.serialized_type_name,
        "context": _plain_context(spec, how.to_dumpable_context),
        "children_spec": [_to_plain(child) for child in spec.children()],
    }


def _plain_context(spec, dump):
    if dump is not None:
        return dump(spec.context)
    try:
        return json.dumps(spec.context, cls=EnumEncoder)
    except TypeError as error:
        raise TypeError(
            "Unable to serialize context. Please make the context json dump-able, or register a "
            "custom serializer using _register_pytree_node."
        ) from error


def _from_plain(schema):
    name = schema["type"]
    if name is None:
        return LEAF
    if name not in SERIALIZED_TYPE_TO_PYTHON_TYPE:
        raise NotImplementedError(f"Deserializing {name} in pytree is not registered.")
    kind = SERIALIZED_TYPE_TO_PYTHON_TYPE[name]
    load, context = SUPPORTED_SERIALIZED_TYPES[kind].from_dumpable_context, schema["context"]
    if load is not None:
        context = load(context)
    else:
        context = json.loads(context, object_hook=enum_object_hook)
    return TreeSpec(kind, context, [_from_plain(child) for child in schema["children_spec"]])
