"""Python values in a graph: which type they have, how a constant keeps them, what comes back."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from .. import _C
from .._device import device as device_class
from . import _types as T

if TYPE_CHECKING:
    from ._ir import Graph, Node

# The numbers by which programs know dtypes, layouts and memory formats.
_DTYPES = """
    uint8 int8 int16 int32 int64 float16 float32 float64 complex32 complex64 complex128 bool
    qint8 quint8 qint32 bfloat16 quint4x2 quint2x4 bits1x8 bits2x4 bits4x2 bits8 bits16
    float8_e5m2 float8_e4m3fn float8_e5m2fnuz float8_e4m3fnuz uint16 uint32 uint64
""".split()
_LAYOUTS = "strided sparse_coo sparse_csr _mkldnn sparse_csc sparse_bsr sparse_bsc jagged".split()
_FORMATS = "contiguous_format preserve_format channels_last channels_last_3d".split()
NUMBERS = {n: i for names in (_DTYPES, _LAYOUTS, _FORMATS) for i, n in enumerate(names)}
DTYPE_OF = {i: d for i, n in enumerate(_DTYPES) for d in _C.dtypes if d._name == n}
_NUMBER_OF = {d: i for i, d in DTYPE_OF.items()}


def layout_of(number: int) -> Any:
    """The layout of a number."""
    from ..tensor import LAYOUTS

    return LAYOUTS[_LAYOUTS[number]]


def memory_format_of(number: int) -> Any:
    """The memory format of a number."""
    from ..tensor import FORMATS

    return FORMATS[_FORMATS[number]]


def as_number(value: Any) -> Any:
    """A dtype, layout or memory format as its number; anything else as it is."""
    if isinstance(value, _C.dtype):
        return _NUMBER_OF[value]
    from ..tensor import layout, memory_format

    if isinstance(value, layout):
        return _LAYOUTS.index(str(value).rpartition(".")[2])
    if isinstance(value, memory_format):
        return _FORMATS.index(str(value).rpartition(".")[2])
    return value


def as_ivalue(value: Any) -> Any:
    """The value as programs keep it: numbers for dtypes, plain lists and tuples."""
    if type(value) is list:
        return [as_ivalue(v) for v in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple([as_ivalue(v) for v in value])
    return as_number(value)


_PLAIN: list = [
    (bool, T.BoolType.get()),  # before int, of which it is one
    (int, T.IntType.get()),
    (float, T.FloatType.get()),
    (complex, T.ComplexType.get()),
    (str, T.StringType.get()),
    (type(None), T.NoneType.get()),
    (device_class, T.DeviceObjType.get()),
    (_C.Generator, T.GeneratorType.get()),
]


def try_type_of(value: Any) -> T.InferredType:
    """The type of a Python value, or why it has none."""
    if isinstance(value, _C.Tensor):
        return T.InferredType(T.TensorType.create_from_tensor(value))
    value = as_number(value)
    if isinstance(value, Enum):  # before the str or the int that it may be too
        return T.InferredType(enum_type(type(value)))
    for cls, t in _PLAIN:
        if isinstance(value, cls):
            return T.InferredType(t)
    known = getattr(value, "_jit_type", None)  # objects of scripted classes, modules
    if isinstance(known, T.Type):
        return T.InferredType(known)
    if isinstance(value, tuple):
        return _tuple_type(value)
    if isinstance(value, list):
        return _elements_type(value, "List trace inputs", T.ListType)
    if isinstance(value, dict):
        return _dict_type(value)
    return T.InferredType(
        "Only tensors and (possibly nested) tuples of tensors, lists, or dicts are supported as "
        "inputs or outputs of traced functions, but instead got value of type "
        f"{type(value).__name__}."
    )


def _tuple_type(value: tuple) -> T.InferredType:
    types = []
    for item in value:
        found = try_type_of(item)
        if not found.success():
            return found
        types.append(found.type())
    fields = getattr(value, "_fields", ())
    name = f"__torch__.{type(value).__module__}.{type(value).__name__}" if fields else None
    return T.InferredType(T.TupleType(types, name, fields))


def _elements_type(values: list, what: str, make) -> T.InferredType:
    if not values:
        return T.InferredType(f"{what} must have elements")
    types = []
    for item in values:
        found = try_type_of(item)
        if not found.success():
            return found
        types.append(found.type().unshaped())
    try:
        return T.InferredType(make(T.unify_type_list(types)))
    except RuntimeError as error:
        return T.InferredType(f"{what} have different types: {error}")


def _dict_type(value: dict) -> T.InferredType:
    if not value:
        return T.InferredType("Dictionary inputs must have entries")
    keys = _elements_type(list(value), "Dictionary keys", lambda t: t)
    values = _elements_type(list(value.values()), "Dictionary values", lambda t: t)
    if not (keys.success() and values.success()):
        return values if keys.success() else keys
    return T.InferredType(T.DictType(keys.type(), values.type()))


def enum_type(cls: type) -> T.EnumType:
    """The type of an enumeration's members, whose values must all have one type."""
    types = [try_type_of(m.value) for m in cls]  # type: ignore[var-annotated,attr-defined]
    if not types or not all(t.success() for t in types):
        raise RuntimeError(f"Enum class {cls.__name__}: a value has no type of the language")
    kinds = {type(t.type()) for t in types}
    if len(kinds) > 1:
        raise RuntimeError(
            f"Enum class '{cls.__name__}' has values with mixed types: got "
            f"{', '.join(sorted(k.__name__ for k in kinds))}, expected one"
        )
    from ._compile.unit import qualified_name

    name = qualified_name(cls)
    members = [*cls]  # type: ignore[var-annotated,misc]
    return T.EnumType(name, types[0].type(), members)


def type_of(value: Any) -> T.Type:
    """The type of a Python value; RuntimeError where it has none."""
    found = try_type_of(value)
    if not found.success():
        raise RuntimeError(found.reason())
    return found.type()


def constant_node(graph: Graph, value: Any, type: T.Type | None = None) -> Node:
    """A prim::Constant of a value; `type` says what an empty list is a list of."""
    value = as_ivalue(value)
    node = graph.create("prim::Constant", (), 1)
    if type is None:
        try:
            type = type_of(value)
        except RuntimeError as error:
            raise TypeError(f"insertConstant: incompatible function arguments: {error}") from None
    node.output().setType(type)
    if value is None:
        return node
    if isinstance(value, Enum):
        return node.ival_("value", value)
    if isinstance(value, bool | int):
        return node.i_("value", int(value)) if not isinstance(type, T.FloatType) else (
            node.f_("value", value)
        )  # fmt: skip
    for cls, put in ((float, node.f_), (complex, node.c_), (str, node.s_), (_C.Tensor, node.t_)):
        if isinstance(value, cls):
            if cls is _C.Tensor:
                value = value.detach() if value.requires_grad else value
            return put("value", value)
    if isinstance(value, device_class):
        return node.s_("value", str(value))
    if isinstance(value, list) and isinstance(type, T.ListType):
        node.attributes["value"] = ("ival", value)  # the very list: a constant is not copied
        return node
    return node.ival_("value", value)


def constant_of(node: Node) -> Any:
    """The value of a prim::Constant."""
    if "value" not in node.attributes:
        return None
    kind, value = node.attributes["value"]
    type = node._outputs[0]._type
    if kind == "i" and isinstance(type, T.BoolType):
        return bool(value)
    if kind == "s" and isinstance(type, T.DeviceObjType):
        return device_class(value)
    return value
