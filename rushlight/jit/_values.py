"""Python values on their way into compiled code: checked against a type, lists copied."""

from __future__ import annotations

from typing import Any

from .. import _C
from . import _types as T
from ._constants import as_number


class Unfit(TypeError):
    """A value that is not of the type."""


def checked(value: Any, of) -> Any:
    """A value as compiled code has it: containers copied, dtypes as numbers; Unfit otherwise."""
    convert = _CONVERSIONS.get(type(of))
    if convert is None:
        raise Unfit(f"Unable to cast {value!r} to {of}")
    return convert(value, of)


def _unlike(value) -> Unfit:
    return Unfit(
        f"Unable to cast Python instance of type {type(value)} to C++ type '?' (#define "
        "PYBIND11_DETAILED_ERROR_MESSAGES or compile in debug mode for details)"
    )


def _tensor(value, of):
    if isinstance(value, _C.Tensor):
        return value
    raise Unfit(f"Unable to cast {value!r} to Tensor")


def _int(value, of):
    if type(value) is int:
        return value
    value = as_number(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _unlike(value)
    return int(value)


def _float(value, of):
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _unlike(value)


def _complex(value, of):
    if isinstance(value, int | float | complex) and not isinstance(value, bool):
        return complex(value)
    raise _unlike(value)


def _number(value, of):
    if isinstance(value, int | float | complex):
        return value
    raise _unlike(value)


def _exact(kind: type):
    def convert(value, of):
        if isinstance(value, kind):
            return value
        raise _unlike(value)

    return convert


def _none(value, of):
    if value is None:
        return None
    raise Unfit(f"Expected None but got {value!r}")


def _device(value, of):
    if type(value).__name__ == "device":
        return value
    if isinstance(value, str):
        from .._device import device

        return device(value)
    raise Unfit(f"Unable to cast {value!r} to Device")


def _list(value, of):
    if isinstance(value, _C.Tensor) or not isinstance(value, list | tuple):
        raise Unfit(f"Unable to cast {value!r} to {of.annotation_str}")
    element = of.getElementType()
    return [checked(v, element) for v in value]


def _dict(value, of):
    if not hasattr(value, "items"):
        raise Unfit(f"Unable to cast {value!r} to {of.annotation_str}")
    key, item = of.getKeyType(), of.getValueType()
    return {checked(k, key): checked(v, item) for k, v in value.items()}


def _tuple(value, of):
    elements = of.elements()
    if not isinstance(value, tuple | list) or len(value) != len(elements):
        raise Unfit(f"Object {value!r} is not a tuple of {len(elements)}")
    made = tuple([checked(v, t) for v, t in zip(value, elements, strict=True)])
    return named_tuple(of)(*made) if is_named(of) else made


def _optional(value, of):
    return None if value is None else checked(value, of.element)


def _union(value, of):
    for member in of.containedTypes_full():
        try:
            return checked(value, member)
        except Unfit:
            continue
    raise Unfit(f"Expected a member of {of.annotation_str} but instead found type "
                f"{type(value).__name__}")  # fmt: skip


def _class(value, of):
    from ._script_objects import ModuleObject

    if isinstance(value, ModuleObject):
        value = value._module
    if getattr(value, "_jit_type", None) is of:
        return value
    found = getattr(value, "_jit_type", None)
    if found is not None and (found == of or found.qualified_name() == of.qualified_name()):
        return value
    convert = getattr(of, "python_class", None)
    if convert is not None and isinstance(value, convert):
        from ._script_objects import ScriptObject

        made = ScriptObject(of)
        for name, kind in of.attributes.items():
            made.__dict__[name] = checked(getattr(value, name), kind)
        return made
    raise Unfit(f"Object {value!r} is not of type {of.qualified_name()}")


def _interface(value, of):
    found = getattr(value, "_jit_type", None)
    if found is not None and found.isSubtypeOf(of):
        return value
    raise Unfit(f"Object {value!r} is not compatible with interface {of.annotation_str}")


def _enum(value, of):
    if of.python_class is None or isinstance(value, of.python_class):
        return value
    raise Unfit(f"Object {value!r} is not an instance of {of.annotation_str}")


def _any(value, of):
    return as_number(value)


_CONVERSIONS = {
    T.TensorType: _tensor,
    T.IntType: _int,
    T.FloatType: _float,
    T.BoolType: _exact(bool),
    T.StringType: _exact(str),
    T.ComplexType: _complex,
    T.NumberType: _number,
    T.NoneType: _none,
    T.DeviceObjType: _device,
    T.ListType: _list,
    T.DictType: _dict,
    T.TupleType: _tuple,
    T.OptionalType: _optional,
    T.UnionType: _union,
    T.ClassType: _class,
    T.InterfaceType: _interface,
    T.EnumType: _enum,
    T.AnyType: _any,
    T.PyObjectType: lambda value, of: value,
    T.GeneratorType: _exact(_C.Generator),
    T.FutureType: lambda value, of: value,
    T.AwaitType: lambda value, of: value,
    T.RRefType: lambda value, of: value,
}


def is_named(of) -> bool:
    """Whether a tuple type has fields."""
    return bool(getattr(of, "fields", None))


_named: dict = {}


def named_tuple(of) -> type:
    """The class of a tuple type with fields."""
    from collections import namedtuple

    name = (of.name or "NamedTuple").rpartition(".")[2]
    key = (name, tuple(of.fields))
    found = _named.get(key)
    if found is None:
        found = _named[key] = namedtuple(name, of.fields)  # type: ignore[misc]
    return found
