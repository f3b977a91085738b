"""Fitting the arguments of a call to a schema: which overload, which conversions, what it gives.

A fit is first only planned, as functions that make values; the nodes are added once a schema fits.
Every overload is tried as it stands before any is tried with conversions.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import _types as T
from .._type_rules import bind_variables, has_free_variables, substitute
from .calling import fail


class Misfit(Exception):
    """Why a schema does not take the arguments."""


def call_builtin(b, name: str, at, inputs, kwargs, me=None, value_of_all: bool = False):
    """Add a call of the operator `name` that takes these values of the graph.

    `me` is the object of a method call: it goes to the parameter named self.
    """
    from .. import _schema

    schemas = _schema.schemas_of(name)
    reasons = []
    for convert in (False, True):
        for schema, function in _variants(name, schemas):
            try:
                plan, bound = fit(b, schema, at, inputs, kwargs, me, convert)
            except Misfit as error:
                if convert:
                    reasons.append((schema, str(error)))
                continue
            if function is not None:
                return function.inline(b, [make() for make in plan])
            return _insert(b, schema, name, at, plan, bound)
    if not reasons:
        fail(
            at,
            f"Unknown builtin op: {name}.\nCould not find any similar ops to {name}. "
            "This op may not exist or may not be currently supported in TorchScript.\n",
        )
    fail(at, _explain(reasons))


def _variants(name: str, schemas):
    """The schemas of an operator, then the functions of the language under its name."""
    from .builtin_functions import REPLACED, scripted

    if name not in REPLACED:
        for schema in schemas:
            yield schema, None
    for function in scripted(name):
        yield function.schema, function


def _insert(b, schema, kind, at, plan, bound, leading=(), attributes=None):
    inputs = [*leading, *(make() for make in plan)]
    returns = [substitute(r.type, bound) for r in schema.returns]
    if any(t is None for t in returns):
        fail(at, f"{schema.name}: the type of the result has a variable that nothing fixes")
    node = b.last = b.node(kind, inputs, at, len(returns))
    for name, value in (attributes or {}).items():
        node.s_(name, value)
    outputs = list(node.outputs())
    for output, t in zip(outputs, returns, strict=True):
        output.setType(t)
    if not outputs:
        return b.none(at)
    if len(outputs) == 1:
        return outputs[0]
    names = [r.name for r in schema.returns]
    fields = names if all(names) else ()
    t = T.TupleType(returns, schema.name.split("::")[-1] if fields else None, fields)
    return b.emit1("prim::TupleConstruct", outputs, t, at)


def call_schema(b, schema, kind: str, at, inputs, kwargs, leading=(), attributes=None):
    """Add a call of a function or method that this one schema describes."""
    reason = ""
    for convert in (False, True):
        try:
            plan, bound = fit(b, schema, at, inputs, kwargs, None, convert)
        except Misfit as error:
            reason = str(error)
            continue
        return _insert(b, schema, kind, at, plan, bound, leading, attributes)
    fail(at, _explain([(schema, reason)]))


def _explain(reasons) -> str:
    if len(reasons) == 1:
        schema, reason = reasons[0]
        return f"\n{_said(schema)}:\n{reason}\n\nThe original call is"
    tried = "".join(f"  \n  {_said(s)}:\n{_indented(r)}\n" for s, r in reasons)
    return (
        "Arguments for call are not valid.\nThe following variants are available:\n"
        f"{tried}\nThe original call is"
    )


def _said(schema) -> str:
    return str(schema)


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.rstrip("\n").split("\n")).rstrip("\n")


# -- one schema ------------------------------------------------------------------------------


def fit(b, schema, at, inputs, kwargs: dict, me, convert: bool):
    """The plan of the arguments, in the schema's order, and what its type variables are."""
    if me is not None and not any(a.name == "self" for a in schema.arguments):
        raise Misfit("Provided self argument not used in schema.")
    plan: list[Callable] = []
    bound: dict[str, T.Type] = {}
    used, named = 0, set()
    for i, formal in enumerate(schema.arguments):
        given = None
        if me is not None and formal.name == "self":
            given = me
        elif used < len(inputs) and not formal.kwarg_only:
            if formal.name in kwargs:
                raise Misfit(f"Argument {formal.name} specified both as positional and keyword.")
            if _takes_rest(schema, i, formal, inputs[used]):
                plan.append(_as_list(b, formal, inputs[used:], at, convert, bound))
                used = len(inputs)
                continue
            given = inputs[used]
            used += 1
        elif formal.name in kwargs:
            given = kwargs[formal.name]
            named.add(formal.name)
        elif formal.has_default_value():
            plan.append(_default(b, formal, at))
            continue
        else:
            raise Misfit(f"Argument {formal.name} not provided.")
        plan.append(_argument(b, formal, given, at, convert, bound))
    if used < len(inputs):
        raise Misfit(
            f"Expected at most {used} arguments but found {len(inputs)} positional arguments."
        )
    unknown = [k for k in kwargs if k not in named]
    if unknown:
        known = any(a.name == unknown[0] for a in schema.arguments)
        raise Misfit(
            f"Argument {unknown[0]} specified twice." if known
            else f"Unknown keyword argument '{unknown[0]}'."
        )  # fmt: skip
    return plan, bound


def _default(b, formal, at) -> Callable:
    value = formal.default_value
    if formal.N is None or not isinstance(value, int | float):
        return lambda: b.constant_of(value, formal.type, at)
    element = _unwrapped(formal.type).getElementType()
    return lambda: b.list([b.constant_of(value, element, at)] * formal.N, element, at)


def _takes_rest(schema, i: int, formal, given) -> bool:
    """Whether `x.view(2, 3)` may stand for `x.view([2, 3])` here."""
    last = i + 1 == len(schema.arguments) or schema.arguments[i + 1].kwarg_only
    t = _unwrapped(formal.type)
    return (
        last and isinstance(t, T.ListType) and formal.N is None
        and not has_free_variables(t) and not isinstance(given.type(), T.ListType)
        and not _listable(given.type(), t)
        and given.type().isSubtypeOf(t.getElementType())
    )  # fmt: skip


def _as_list(b, formal, values, at, convert: bool, bound) -> Callable:
    element = _unwrapped(formal.type).getElementType()
    made = [convert_to(b, v, element, at, convert) for v in values]
    for value, found in zip(values, made, strict=True):
        if found is None:
            raise Misfit(_expected(formal, element, value.type()))
    return lambda: b.list([m() for m in made], element, at)  # type: ignore[misc]


def _argument(b, formal, given, at, convert: bool, bound: dict) -> Callable:
    t = _unwrapped(formal.type)
    if (
        formal.N is not None
        and isinstance(t, T.ListType)
        and not isinstance(given.type(), T.ListType)
    ):
        element = t.getElementType()
        if given.type().isSubtypeOf(element):
            return lambda: b.list([given] * formal.N, element, at)
    reason = bind_variables(formal.type, given.type(), bound)
    if reason:
        raise Misfit(
            f"Could not match type {given.type()} to {formal.type} in argument "
            f"'{formal.name}': {reason}."
        )
    wanted = substitute(formal.type, bound)
    if wanted is None:  # None where the variable is fixed by nothing
        return lambda: given
    made = convert_to(b, given, wanted, at, convert)
    if made is None:
        raise Misfit(_expected(formal, wanted, given.type()))
    return made


def _expected(formal, wanted, actual) -> str:
    found = "Tensor (inferred)" if getattr(actual, "inferred", False) else str(actual)
    said = (
        f"Expected a value of type '{wanted}' for argument '{formal.name}' but instead found type "
        f"'{found}'.\n"
    )
    if getattr(formal.type, "inferred", False) or getattr(actual, "inferred", False):
        said += (
            f"Inferred the value for argument '{formal.name}' to be of type 'Tensor' because it "
            "was not annotated with an explicit type.\n"
        )
    return said


def _unwrapped(t: T.Type) -> T.Type:
    return t.getElementType() if isinstance(t, T.OptionalType) else t


def _listable(t: T.Type, target: T.ListType) -> bool:
    if not isinstance(t, T.TupleType):
        return False
    return all(e.isSubtypeOf(target.getElementType()) for e in t.elements())


def convert_to(b, given, wanted: T.Type, at, convert: bool) -> Callable | None:
    """What makes a value of type `wanted` from `given`, or None."""
    t = given.type()
    if t.isSubtypeOf(wanted):
        return lambda: given
    inner = _unwrapped(wanted)
    if isinstance(inner, T.ListType) and _listable(t, inner):
        element = inner.getElementType()
        return lambda: b.list(b.emit("prim::TupleUnpack", [given], t.elements(), at), element, at)
    if isinstance(wanted, T.OptionalType) and not isinstance(t, T.OptionalType | T.NoneType):
        return convert_to(b, given, inner, at, convert)
    if isinstance(wanted, T.TupleType) and isinstance(t, T.TupleType):
        return _convert_tuple(b, given, wanted, at, convert)
    if not convert:
        return None
    return _implicit(b, given, t, wanted, at)


def _convert_tuple(b, given, wanted: T.TupleType, at, convert: bool) -> Callable | None:
    mine, theirs = given.type().elements(), wanted.elements()
    if len(mine) != len(theirs):
        return None

    class Part:  # stands for an element that is unpacked only if all fit
        def __init__(self, t) -> None:
            self.type = lambda: t

    if any(
        convert_to(b, Part(m), w, at, convert) is None for m, w in zip(mine, theirs, strict=True)
    ):
        return None

    def make():
        parts = b.emit("prim::TupleUnpack", [given], mine, at)
        made = [convert_to(b, p, w, at, convert)() for p, w in zip(parts, theirs, strict=True)]
        return b.emit1("prim::TupleConstruct", made, wanted, at)

    return make


_IMPLICIT = {
    "FloatType": ("aten::FloatImplicit", "aten::Float"),
    "IntType": ("aten::IntImplicit", "aten::Int"),
    "ComplexType": ("aten::ComplexImplicit", "aten::Complex"),
    "NumberType": ("aten::ScalarImplicit", None),
}


def _implicit(b, given, t: T.Type, wanted: T.Type, at) -> Callable | None:
    """A zero-dimensional tensor as a number, a number as one of a kind, a string as a device."""
    from_tensor, from_number = _IMPLICIT.get(wanted.kind(), (None, None))
    kind = None
    if isinstance(t, T.TensorType):
        kind = from_tensor
    elif isinstance(t, T.NumberType):
        kind = from_number
    elif isinstance(t, T.StringType) and isinstance(wanted, T.DeviceObjType):
        kind = "aten::device"
    return None if kind is None else lambda: b.emit1(kind, [given], wanted, at)
