"""Annotations as types: objects (`List[int]`), the trees of source, and type comments.

Trees are read without running anything: names, attributes, subscripts and `|` are looked up.
"""

from __future__ import annotations

import ast
import enum
import types
import typing

from ... import _C
from .. import _types as T
from .calling import fail


def from_object(annotation, unit, at=None) -> T.Type | None:
    """The type that a Python object means as an annotation; None if none."""
    simple = _SIMPLE.get(annotation) if isinstance(annotation, typing.Hashable) else None
    if simple is not None:
        return simple
    if isinstance(annotation, T.Type):
        return annotation
    if annotation is None or annotation is type(None):
        return T.NoneType.get()
    if annotation is typing.Any:
        return T.AnyType.get()
    if isinstance(annotation, str | typing.ForwardRef):
        return None
    kind = typing.get_origin(annotation)
    if kind is not None:
        return _from_generic(annotation, kind, unit, at)
    if isinstance(annotation, type):
        return _from_class(annotation, unit, at)
    return None


def _simple() -> dict:
    from ... import _device
    from ...tensor import layout, memory_format

    numbers = (_C.dtype, layout, memory_format)
    return {
        _C.Tensor: T.TensorType.get(), int: T.IntType.get(), float: T.FloatType.get(),
        bool: T.BoolType.get(), str: T.StringType.get(), complex: T.ComplexType.get(),
        _device.device: T.DeviceObjType.get(), _C.Generator: T.GeneratorType.get(),
        **dict.fromkeys(numbers, T.IntType.get()),
    }  # fmt: skip


_SIMPLE = _simple()


def _from_generic(annotation, kind, unit, at) -> T.Type | None:
    args = typing.get_args(annotation)
    if kind is typing.Union or kind is types.UnionType:
        members = [_inner(a, unit, at) for a in args]
        return T.UnionType(members)
    if kind is tuple:
        if args in ((), ((),)):
            return T.TupleType([])
        return T.TupleType([_inner(a, unit, at) for a in args])
    if kind is typing.Final:
        return _inner(args[0], unit, at)
    if kind in (list, dict):
        if not args:
            _missing(kind, at)
        made = [_inner(a, unit, at) for a in args]
        return T.ListType(*made) if kind is list else T.DictType(*made)
    if getattr(kind, "__name__", "") == "Future":
        return T.FutureType(_inner(args[0], unit, at))
    return None


def _missing(kind: type, at) -> None:
    name = kind.__name__.capitalize()
    needed = "one type" if kind is list else "two types"
    fail(
        at,
        f"Attempted to use {name} without a contained type. Please add a contained "
        f"type, e.g. {name}[int]: expected {needed}",
    )


def _inner(annotation, unit, at) -> T.Type:
    found = from_object(annotation, unit, at)
    if found is None:
        fail(at, f"Unknown type annotation: '{said(annotation)}'")
    return found  # type: ignore[return-value]


def said(annotation) -> str:
    """An annotation as errors show it."""
    if isinstance(annotation, type):
        return f"{annotation.__module__}.{annotation.__qualname__}".removeprefix("builtins.")
    return str(annotation)


def _from_class(cls: type, unit, at) -> T.Type | None:
    from .named import named_type

    if cls in (list, dict, tuple):
        bare = {"List": list, "Dict": dict}
        for kind in bare.values():
            if cls is kind:
                _missing(kind, at)
        return T.AnyTupleType.get()
    if issubclass(cls, _C.Tensor):
        return T.TensorType.get()
    if issubclass(cls, enum.Enum) or hasattr(cls, "_fields") or cls.__module__ != "builtins":
        return named_type(cls, unit, at)
    return None


# -- trees -----------------------------------------------------------------------------------

_NAMES = {
    "Tensor": _C.Tensor, "int": int, "float": float, "bool": bool, "str": str,
    "complex": complex, "None": None, "List": list, "Dict": dict, "Tuple": tuple, "list": list,
    "dict": dict, "tuple": tuple, "Optional": typing.Optional, "Union": typing.Union,
    "Any": typing.Any, "Final": typing.Final, "number": T.NumberType.get(),
    "NoneType": None, "Device": T.DeviceObjType.get(), "Future": "Future",
    "Scalar": T.NumberType.get(),
    "AnyEnumType": T.AnyEnumType.get(), "NamedTuple": "NamedTuple", "Await": "Await",
    "Generator": T.GeneratorType.get(), "Stream": T.StreamObjType.get(), "Layout": T.IntType.get(),
    "RRef": "RRef", "InterfaceType": "InterfaceType", "AnyList": T.AnyListType.get(),
}  # fmt: skip


def from_tree(node: ast.expr, lookup, unit, at=None) -> T.Type | None:
    """The type that an annotation's tree means; `lookup(name)` finds names, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return from_tree(ast.parse(node.value, mode="eval").body, lookup, unit, at)
    if isinstance(node, ast.Subscript):
        return _from_subscript(node, lookup, unit, at)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        pair = (node.left, node.right)
        return T.UnionType([needed(n, lookup, unit, at) for n in pair])
    found = looked_up(node, lookup)
    if found is typing.Final or found is _UNKNOWN:
        return None
    if isinstance(found, str) and "." in found:
        found = None
    return from_object(found, unit, at)


def needed(node: ast.expr, lookup, unit, at) -> T.Type:
    """As `from_tree`, where there must be a type."""
    found = from_tree(node, lookup, unit, at)
    if found is None:
        fail(at, f"Unknown type name '{ast.unparse(node)}'")
    return found  # type: ignore[return-value]


_UNKNOWN = object()


def looked_up(node: ast.expr, lookup):
    """The object that a dotted name means."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        found = lookup(node.id)
        return _NAMES.get(node.id, _UNKNOWN) if found is None else found
    if isinstance(node, ast.Attribute):
        owner = looked_up(node.value, lookup)
        if owner is _UNKNOWN:
            return _NAMES.get(node.attr, _UNKNOWN)
        return getattr(owner, node.attr, _UNKNOWN)
    return _UNKNOWN


def _from_subscript(node: ast.Subscript, lookup, unit, at) -> T.Type | None:
    if (
        broadcast_count(node) is not None
        and ast.unparse(node.value).rpartition(".")[2] != "Optional"
    ):
        return T.ListType(needed(node.slice, lookup, unit, at))
    kind = looked_up(node.value, lookup)
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    name = getattr(kind, "_name", None) or getattr(kind, "__name__", None) or kind
    if name in ("Tuple", "tuple") and inner == []:
        return T.TupleType([])
    made = _MADE.get(name) if isinstance(name, str) else None
    if made is None:
        return None
    if isinstance(node.slice, ast.Tuple) and name in ("Tuple", "tuple") and not inner:
        return T.TupleType([])
    return made([needed(n, lookup, unit, at) for n in inner])


_MADE = {
    "List": lambda t: T.ListType(*t), "list": lambda t: T.ListType(*t),
    "Dict": lambda t: T.DictType(*t), "dict": lambda t: T.DictType(*t),
    "Tuple": T.TupleType, "tuple": T.TupleType,
    "Optional": lambda t: t[0] if isinstance(t[0], T.NoneType) else T.OptionalType(t[0]),
    "Union": lambda t: T.UnionType(t) if len(t) > 1 else t[0], "Final": lambda t: t[0],
    "Future": lambda t: T.FutureType(t[0]), "Await": lambda t: T.AwaitType(t[0]),
    "RRef": lambda t: T.RRefType(t[0]), "_Await": lambda t: T.AwaitType(t[0]),
}  # fmt: skip


class _Broadcasting:
    """`BroadcastingList2[int]`: a list of two, or one number for both."""

    def __class_getitem__(cls, item):
        return list[item]


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _Broadcasting


def broadcast_count(node: ast.expr | None) -> int | None:
    """How many one number stands for: 2 of BroadcastingList2[int], or of an Optional of it."""
    if isinstance(node, ast.BinOp):
        return broadcast_count(node.left) or broadcast_count(node.right)
    if not isinstance(node, ast.Subscript):
        return None
    name = ast.unparse(node.value).rpartition(".")[2]
    if name == "Optional":
        return broadcast_count(node.slice)
    count = name.removeprefix("BroadcastingList")
    return int(count) if count != name and count.isdigit() else None


# -- comments --------------------------------------------------------------------------------


def type_comment(lines: list[str]) -> tuple[list[str], str | None] | None:
    """The signature that `# type:` comments give: texts of the arguments' types, and the result's.

    Either one line, `# type: (int, Tensor) -> Tensor`, or one behind each argument and a last one
    with `(...)`.
    """
    found = [line.partition("# type:")[2].strip() for line in lines if "# type:" in line]
    found = [f.partition("#")[0].strip() for f in found if not f.startswith("ignore")]
    if not found:
        return None
    whole = [f for f in found if "->" in f]
    if not whole:
        return None
    args, _, result = whole[0].rpartition("->")
    args = args.strip()
    if args == "(...)":
        return [f.rstrip(",") for f in found if "->" not in f], result.strip()
    tree = ast.parse(args, mode="eval").body
    inner = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    if args == "()":
        inner = []
    return [ast.unparse(i) for i in inner], result.strip()
