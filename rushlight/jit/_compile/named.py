"""The types that Python classes are: named tuples, enumerations, interfaces, scripted classes."""

from __future__ import annotations

import enum

from .. import _types as T
from .calling import fail


def named_type(cls: type, unit, at=None) -> T.Type:
    """The type of a class, which is compiled if it has to be."""
    known = unit.of_class.get(cls)
    if known is not None:
        return known
    if issubclass(cls, enum.Enum):
        made: T.Type = _enum_type(cls)
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        made = named_tuple(cls, unit, at)
    elif _is_future(cls):
        return T.FutureType(T.TensorType.get())
    elif getattr(cls, "__torch_script_interface__", None) is not None:
        from .interfaces import interface_type

        return interface_type(cls, unit, at)
    else:
        from .classes import compile_class

        return compile_class(cls, unit, at)
    unit.of_class[cls] = made
    if isinstance(made, T.TupleType):
        unit.types[made.name] = made  # type: ignore[index]
    else:
        unit.types[str(made.annotation_str)] = made
    return made


def _is_future(cls: type) -> bool:
    return cls.__name__ == "Future" and cls.__module__.endswith("futures")


def _enum_type(cls: type[enum.Enum]) -> T.Type:
    from .._constants import enum_type
    from .unit import qualified_name

    made = enum_type(cls)
    made.name_ = qualified_name(cls)
    return made


def named_tuple(cls: type, unit, at=None) -> T.TupleType:
    """The type of a NamedTuple or of a collections.namedtuple, whose fields are tensors."""
    from . import annotated
    from .unit import qualified_name

    hints = getattr(cls, "__annotations__", {})
    lookup = _names_around(cls)
    types = []
    for field in cls._fields:  # type: ignore[attr-defined]
        hint = hints.get(field)
        if hint is None:
            types.append(T.TensorType.getInferred())
            continue
        found = annotated.from_object(hint, unit, at)
        if found is None and isinstance(getattr(hint, "__forward_arg__", hint), str):
            import ast

            text = getattr(hint, "__forward_arg__", hint)
            found = annotated.from_tree(ast.parse(text, mode="eval").body, lookup, unit, at)
        if found is None:
            fail(
                at,
                f"Unknown type annotation: '{annotated.said(hint)}' in NamedTuple "
                f"{cls.__name__}. Likely due to partial support for ForwardRef parameters "
                "in NamedTuples, see #95858. Issue occurred",
            )
        types.append(found)
    defaults = dict(getattr(cls, "_field_defaults", {}))
    return T.TupleType(types, qualified_name(cls), list(cls._fields), defaults)  # type: ignore[attr-defined]


def _names_around(cls: type):
    import sys

    space = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    return space.get
