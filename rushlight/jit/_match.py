"""Which schema a call means, and the node that makes it: values converted as the schema asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import _types as T
from ._function_schema import Argument, FunctionSchema
from ._ir import Graph, Value


class Matched:
    """A call that fits: the schema, its inputs in order, the types of its results."""

    __slots__ = ("inputs", "return_fields", "return_types", "schema")

    def __init__(self, schema: FunctionSchema, inputs: list[Value], bound: dict) -> None:
        self.schema = schema
        self.inputs = inputs
        self.return_types = [substituted(r.type, bound) for r in schema.returns]
        self.return_fields = [r.name for r in schema.returns]


class Mismatch(Exception):
    """Why a call does not fit one schema."""


def match(
    graph: Graph,
    schemas: Sequence[FunctionSchema],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    at: Any = None,
) -> Matched:
    """The first of `schemas` that takes the call; RuntimeError says why none does.

    Arguments are values of the graph or Python constants. What has to be made for the call
    (defaults, lists of tuples, numbers of tensors) is put at the graph's insert point. First
    without conversions of tensors to numbers, then with them.
    """
    reasons = []
    conversions = (False, True) if len(schemas) > 1 else (True,)
    for allow in conversions:
        for schema in schemas:
            try:
                return fit(graph, schema, args, kwargs, allow)
            except Mismatch as reason:
                reasons.append((schema, str(reason)))
    where = f":\n{at.highlight()}" if at is not None else ""
    if len(schemas) == 1:
        raise RuntimeError(f"\n{schemas[0]}:\n{reasons[0][1]}{where}")
    variants = "\n  ".join(f"\n  {s}:\n  {why}" for s, why in reasons[len(schemas) :])
    raise RuntimeError(
        "\nArguments for call are not valid.\nThe following variants are available:\n  "
        f"{variants}\n\nThe original call is{where or ' not known'}"
    )


def fit(
    graph: Graph,
    schema: FunctionSchema,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    allow_conversions: bool = True,
) -> Matched:
    """The call as one schema takes it; Mismatch says why it does not."""
    bound: dict[str, T.Type] = {}
    inputs: list[Value] = []
    left = dict(kwargs)
    used = 0
    for i, formal in enumerate(schema.arguments):
        if formal.name == "self" and not args and "self" in left:
            given = left.pop("self")
        elif used < len(args) and not formal.kwarg_only:
            if formal.name in left:
                raise Mismatch(f"argument {formal.name} specified twice in schema call")
            if _takes_the_rest(graph, schema, i, args, used):
                inputs.append(_packed(graph, formal, args[used:], allow_conversions, bound))
                used = len(args)
                continue
            given = args[used]
            used += 1
        elif formal.name in left:
            given = left.pop(formal.name)
        elif formal.has_default_value():
            inputs.append(default_of(graph, formal))
            continue
        else:
            raise Mismatch(f"Argument {formal.name} not provided.")
        inputs.append(convert(graph, as_value(graph, given), formal, allow_conversions, bound))
    if schema.is_vararg:
        inputs += [as_value(graph, a) for a in args[used:]]
        used = len(args)
    if used < len(args):
        raise Mismatch(
            f"Expected at most {used} arguments but found {len(args)} positional arguments."
        )
    if left:
        raise Mismatch(f"Keyword argument {next(iter(left))} unknown.")
    return Matched(schema, inputs, bound)


def default_of(graph: Graph, formal: Argument) -> Value:
    """The default of an argument, as a constant."""
    value = formal.default_value
    inner = formal.type.element if isinstance(formal.type, T.OptionalType) else formal.type
    return graph.insertConstant(value, inner if isinstance(value, list) else None)


def as_value(graph: Graph, given: Any) -> Value:
    """A value of the graph, made of a constant if need be."""
    return given if isinstance(given, Value) else graph.insertConstant(given)


def substituted(t: T.Type, bound: dict[str, T.Type]) -> T.Type:
    """The type of a result: variables as the arguments bound them."""
    found = T.substitute(t, bound)
    return t if found is None else found


def _takes_the_rest(graph, schema: FunctionSchema, i: int, args, used: int) -> bool:
    """Whether `f(1, 2, 3)` may stand for `f([1, 2, 3])` here."""
    formal = schema.arguments[i]
    last = i + 1 == len(schema.arguments) or schema.arguments[i + 1].kwarg_only
    inner = formal.type.element if isinstance(formal.type, T.OptionalType) else formal.type
    if not last or formal.N is not None or not isinstance(inner, T.ListType):
        return False
    if T.has_free_variables(inner):
        return False
    given = args[used]
    actual = given.type() if isinstance(given, Value) else T_of(given)
    return not isinstance(actual, T.ListType) and not _becomes_list(actual, inner)


def T_of(value: Any) -> T.Type:  # noqa: N802
    """The type of a Python constant."""
    from ._constants import type_of

    return type_of(value)


def _becomes_list(actual: T.Type, wanted: T.Type) -> bool:
    return (
        isinstance(actual, T.TupleType)
        and isinstance(wanted, T.ListType)
        and all(e.isSubtypeOf(wanted.element) for e in actual.elements())
    )


def _packed(graph, formal: Argument, rest, allow: bool, bound) -> Value:
    inner = formal.type.element if isinstance(formal.type, T.OptionalType) else formal.type
    element = Argument(formal.name, inner.element)  # type: ignore[attr-defined]
    values = [convert(graph, as_value(graph, v), element, allow, bound) for v in rest]
    return list_of(graph, inner.element, values)  # type: ignore[attr-defined]


def list_of(graph: Graph, element: T.Type, values: Sequence[Value]) -> Value:
    """A prim::ListConstruct at the insert point; its value."""
    node = graph.create("prim::ListConstruct", values)
    node.output().setType(T.ListType(element))
    return graph.insertNode(node).output()


def convert(
    graph: Graph, value: Value, formal: Argument, allow_conversions: bool, bound: dict
) -> Value:
    """The value as the argument wants it; Mismatch where it cannot be had."""
    wanted = formal.type
    inner = wanted.element if isinstance(wanted, T.OptionalType) else wanted
    if formal.N and isinstance(inner, T.ListType):
        # One number stands for as many as the list has.
        one = _implicit(graph, value, inner.element, allow_conversions)
        if one.type().isSubtypeOf(inner.element):
            return list_of(graph, inner.element, [one] * formal.N)
    if T.has_free_variables(wanted):
        reason = T.bind_variables(wanted, value.type(), bound)
        if reason:
            raise Mismatch(_expected(formal, value, reason))
        concrete = T.substitute(wanted, bound)
        if concrete is None:
            raise Mismatch(
                f"Type variables in type {wanted} could not be inferred from actual type "
                f"{value.type()}"
            )
        wanted = concrete
    value = _implicit(graph, value, wanted, allow_conversions)
    if not value.type().isSubtypeOf(wanted):
        raise Mismatch(_expected(formal, value))
    return value


def _expected(formal: Argument, value: Value, why: str = "") -> str:
    text = (
        f"Expected a value of type '{formal.type}' for argument '{formal.name}' but instead "
        f"found type '{value.type()}'."
    )
    t = value.type()
    if isinstance(t, T.TensorType) and t.inferred:
        text += (
            f"\nInferred '{value.debugName().rpartition('.')[0] or value.debugName()}' to be of "
            "type 'Tensor' because it was not annotated with an explicit type."
        )
    return f"{text}\n{why}" if why else text


_FROM_TENSOR = {
    "FloatType": "FloatImplicit",
    "ComplexType": "ComplexImplicit",
    "IntType": "IntImplicit",
    "NumberType": "ScalarImplicit",
}
_FROM_NUMBER = {"FloatType": "Float", "ComplexType": "Complex", "IntType": "Int"}


def _implicit(graph: Graph, value: Value, wanted: T.Type, allow: bool) -> Value:
    """The value, converted where the language does so by itself."""
    if isinstance(wanted, T.OptionalType):
        if isinstance(value.type(), T.OptionalType | T.NoneType):
            return value
        wanted = wanted.element
    actual = value.type()
    if isinstance(actual, T.TupleType):
        if _becomes_list(actual, wanted):
            return list_of(graph, wanted.element, unpacked(graph, value))  # type: ignore[attr-defined]
        if isinstance(wanted, T.TupleType) and not actual.isSubtypeOf(wanted):
            return _tuple_as(graph, value, wanted, allow)
        return value
    if not allow:
        return value
    name = None
    if isinstance(actual, T.TensorType):
        name = _FROM_TENSOR.get(wanted.kind())
    elif isinstance(actual, T.NumberType):
        name = _FROM_NUMBER.get(wanted.kind())
    elif isinstance(actual, T.StringType) and isinstance(wanted, T.DeviceObjType):
        name = "device"
    if name is None:
        return value
    node = graph.create("aten::" + name, [value])
    node.output().setType(wanted)
    return graph.insertNode(node).output()


def unpacked(graph: Graph, value: Value) -> list[Value]:
    """The elements of a tuple: what it was made of, or a prim::TupleUnpack's outputs."""
    if value.node().kind() == "prim::TupleConstruct":
        return list(value.node().inputs())
    types = value.type().containedTypes()
    node = graph.insertNode(graph.create("prim::TupleUnpack", [value], len(types)))
    for output, t in zip(node.outputs(), types, strict=True):
        output.setType(t)
    return list(node.outputs())


def _tuple_as(graph: Graph, value: Value, wanted: T.TupleType, allow: bool) -> Value:
    types = wanted.elements()
    if len(types) != len(value.type().containedTypes()):
        return value
    parts = [
        _implicit(graph, v, t, allow) for v, t in zip(unpacked(graph, value), types, strict=True)
    ]
    node = graph.create("prim::TupleConstruct", parts)
    node.output().setType(wanted.with_contained([p.type() for p in parts]))
    return graph.insertNode(node).output()


# -- nodes -----------------------------------------------------------------------------------


def insert_call(graph: Graph, matched: Matched) -> list[Value]:
    """The node of a call that fits, at the insert point; its outputs."""
    schema = matched.schema
    node = graph.create(schema.name, matched.inputs, len(schema.returns))
    for output, t in zip(node.outputs(), matched.return_types, strict=True):
        output.setType(t)
    return list(graph.insertNode(node).outputs())


def emit(
    graph: Graph,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    at: Any = None,
) -> Value:
    """Call an operator at the insert point; its result, a tuple of them where there are several."""
    from ._registry import schemas_of

    schemas = schemas_of(name)
    if not schemas:
        raise RuntimeError(
            f"\nUnknown builtin op: {name}.\nCould not find any similar ops to {name}. This op may "
            "not exist or may not be currently supported in TorchScript.\n"
            + (f":\n{at.highlight()}" if at is not None else "")
        )
    values = [as_value(graph, a) for a in args]
    named = {k: as_value(graph, v) for k, v in (kwargs or {}).items()}
    matched = match(graph, schemas, values, named, at)
    outputs = insert_call(graph, matched)
    if len(outputs) == 1:
        return outputs[0]
    if not outputs:
        return graph.insertConstant(None)
    node = graph.create("prim::TupleConstruct", outputs)
    fields = matched.return_fields
    node.output().setType(T.TupleType(matched.return_types, None, fields if all(fields) else ()))
    return graph.insertNode(node).output()
