"""The containers that make up trees: how each is taken apart, put together and keyed."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any, NamedTuple

from .. import Size

NO_SERIALIZED_TYPE_NAME_FOUND = "NO_SERIALIZED_TYPE_NAME_FOUND"


class NodeDef(NamedTuple):
    """How a type of container is flattened and rebuilt."""

    type: type
    flatten_fn: Callable[[Any], tuple[list[Any], Any]]
    unflatten_fn: Callable[[Iterable[Any], Any], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[KeyEntry, Any]], Any]] | None


class _SerializeNodeDef(NamedTuple):
    typ: type
    serialized_type_name: str
    to_dumpable_context: Callable[[Any], Any] | None
    from_dumpable_context: Callable[[Any], Any] | None


SUPPORTED_NODES: dict[Any, NodeDef] = {}
SUPPORTED_SERIALIZED_TYPES: dict[Any, _SerializeNodeDef] = {}
SERIALIZED_TYPE_TO_PYTHON_TYPE: dict[str, Any] = {}
CONSTANT_NODES: set[type] = set()
_NODE_REGISTRY_LOCK = RLock()


# -- keys ---------------------------------------------------------------------------------
class KeyEntry:
    """One step of a path into a tree; `get(parent)` follows it."""

    __slots__ = ("_value",)
    _field: str

    def __init_subclass__(cls) -> None:
        setattr(cls, cls._field, property(lambda self: self._value))
        cls.__match_args__ = (cls._field,)

    def __reduce__(self):
        return type(self), (self._value,)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._field}={self._value!r})"

    def get(self, parent: Any) -> Any:
        """The child of `parent` under this key."""
        return parent[self._value]


class SequenceKey(KeyEntry):
    """A position in a list, tuple or deque."""

    __slots__ = ()
    _field = "idx"

    def __init__(self, idx: int) -> None:
        self._value = idx

    def __str__(self) -> str:
        return f"[{self._value!r}]"


class MappingKey(KeyEntry):
    """A key of a dictionary."""

    __slots__ = ()
    _field = "key"

    def __init__(self, key: Any) -> None:
        self._value = key

    def __str__(self) -> str:
        return f"[{self._value!r}]"


class GetAttrKey(KeyEntry):
    """The name of an attribute, as of a named tuple or dataclass."""

    __slots__ = ()
    _field = "name"

    def __init__(self, name: str) -> None:
        self._value = name

    def __str__(self) -> str:
        return f".{self._value}"

    def get(self, parent: Any) -> Any:
        """The attribute of that name."""
        return getattr(parent, self._value)


# -- which types are containers -----------------------------------------------------------
def is_namedtuple_class(cls: type) -> bool:
    """Whether `cls` came from `namedtuple` or `NamedTuple`, or derives from such a class."""
    if not (isinstance(cls, type) and issubclass(cls, tuple)) or hasattr(cls, "n_fields"):
        return False
    fields = getattr(cls, "_fields", None)
    return (
        isinstance(fields, tuple)
        and all(isinstance(name, str) for name in fields)
        and callable(getattr(cls, "_make", None))
        and callable(getattr(cls, "_asdict", None))
    )


def is_namedtuple_instance(obj: object) -> bool:
    """Whether `obj` is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: object | type) -> bool:
    """Whether `obj` is a named tuple or a class of them."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether `cls` is a class of results with named fields, as `torch.return_types.max`."""
    return (
        isinstance(cls, type)
        and cls.__bases__ == (tuple,)
        and isinstance(getattr(cls, "n_fields", None), int)
    )


def is_structseq_instance(obj: object) -> bool:
    """Whether `obj` is a result with named fields."""
    return is_structseq_class(type(obj))


def is_structseq(obj: object | type) -> bool:
    """Whether `obj` is a result with named fields or a class of them."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def node_type(tree: Any) -> Any:
    """What `tree` counts as in the registry: all named tuples are `namedtuple`."""
    kind = type(tree)
    if kind not in SUPPORTED_NODES and isinstance(tree, tuple):
        if is_namedtuple_class(kind):
            return namedtuple
        if kind.__module__ == "torch.return_types":
            register(kind, list_and_none, lambda values, _: kind(values), with_keys=positions)
    return kind


# -- registration -------------------------------------------------------------------------
def register(cls, flatten, unflatten, name=None, dump=None, load=None, with_keys=None):
    """Enter `cls` into the registry, replacing what stands there."""
    if (dump is None) != (load is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or "
            "registered."
        )
    name = NO_SERIALIZED_TYPE_NAME_FOUND if name is None else name
    with _NODE_REGISTRY_LOCK:
        SUPPORTED_NODES[cls] = NodeDef(cls, flatten, unflatten, with_keys)
        SUPPORTED_SERIALIZED_TYPES[cls] = _SerializeNodeDef(cls, name, dump, load)
        if name != NO_SERIALIZED_TYPE_NAME_FOUND:
            SERIALIZED_TYPE_TO_PYTHON_TYPE[name] = cls


def list_and_none(values):
    """Children of a sequence, which needs no context."""
    return list(values), None


def positions(values):
    """Children of a sequence with their indices."""
    return [(SequenceKey(i), value) for i, value in enumerate(values)], None


def _values_and_keys(mapping):
    return list(mapping.values()), list(mapping)


def _items(mapping):
    return [(MappingKey(k), v) for k, v in mapping.items()], list(mapping)


def _flatten_defaultdict(mapping):
    return list(mapping.values()), [mapping.default_factory, list(mapping)]


def _items_of_defaultdict(mapping):
    return _items(mapping)[0], [mapping.default_factory, list(mapping)]


def _fields(values):
    pairs = zip(values._fields, values, strict=True)
    return [(GetAttrKey(name), value) for name, value in pairs], type(values)


def _dump_defaultdict(context):
    factory, keys = context
    return {
        "default_factory_module": factory.__module__,
        "default_factory_name": factory.__qualname__,
        "dict_context": keys,
    }


def _load_defaultdict(dumped):
    from importlib import import_module

    module = import_module(dumped["default_factory_module"])
    return [getattr(module, dumped["default_factory_name"]), dumped["dict_context"]]


def _dump_namedtuple(cls):
    if cls not in SUPPORTED_SERIALIZED_TYPES:
        raise NotImplementedError(
            f"Can't serialize TreeSpec of namedtuple class {cls} because we didn't register a "
            "serializated_type_name. Please register using `_register_namedtuple`."
        )
    name = SUPPORTED_SERIALIZED_TYPES[cls].serialized_type_name
    if name == NO_SERIALIZED_TYPE_NAME_FOUND:
        raise NotImplementedError(
            f"No registered serialization name for {cls} found. "
            "Please use `_register_namedtuple` to register a `serialized_type_name`."
        )
    return name


def _load_namedtuple(dumped):
    if dumped not in SERIALIZED_TYPE_TO_PYTHON_TYPE:
        raise NotImplementedError(
            f"Can't deserialize TreeSpec of namedtuple class {dumped} "
            "because we couldn't find a serializated name."
        )
    return SERIALIZED_TYPE_TO_PYTHON_TYPE[dumped]


register(tuple, list_and_none, lambda v, _: tuple(v), "builtins.tuple", with_keys=positions)
register(list, lambda v: (v, None), lambda v, _: list(v), "builtins.list", with_keys=positions)
register(
    dict,
    _values_and_keys,
    lambda values, keys: dict(zip(keys, values, strict=True)),
    "builtins.dict",
    with_keys=_items,
)
register(
    namedtuple,
    lambda values: (list(values), type(values)),
    lambda values, cls: cls(*values),
    "collections.namedtuple",
    _dump_namedtuple,
    _load_namedtuple,
    _fields,
)
register(
    OrderedDict,
    _values_and_keys,
    lambda values, keys: OrderedDict(zip(keys, values, strict=True)),
    "collections.OrderedDict",
    with_keys=_items,
)
register(
    defaultdict,
    _flatten_defaultdict,
    lambda values, context: defaultdict(context[0], zip(context[1], values, strict=True)),
    "collections.defaultdict",
    _dump_defaultdict,
    _load_defaultdict,
    _items_of_defaultdict,
)
register(
    deque,
    lambda values: (list(values), values.maxlen),
    lambda values, maxlen: deque(values, maxlen),
    "collections.deque",
    with_keys=lambda values: (positions(values)[0], values.maxlen),
)
register(Size, list_and_none, lambda v, _: Size(tuple(v)), "torch.Size", with_keys=positions)

STANDARD_DICT_TYPES = frozenset({dict, OrderedDict, defaultdict})
BUILTIN_TYPES = frozenset({tuple, list, deque, namedtuple, *STANDARD_DICT_TYPES})
