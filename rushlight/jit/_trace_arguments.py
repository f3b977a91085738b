"""What goes into a traced program and what comes out of it, as values of the graph."""

from __future__ import annotations

import warnings

from .. import Tensor
from . import _types as T
from ._module_types import qualified_name
from ._traced_values import TracerWarning
from ._tracer import Tracer

_CONTAINER = (
    "Encountering a {} at the output of the tracer might cause the trace to be incorrect, this is "
    "only valid if the container structure does not change based on the module's inputs. Consider "
    "using a constant container instead (e.g. for `list`, use a `tuple` instead. for `dict`, use a "
    "`NamedTuple` instead). If you absolutely need this and know the side effects, pass "
    "strict=False to trace() to allow this behavior."
)


def inputs_of(tracer: Tracer, func, args, kwargs):
    """Inputs of the graph for the arguments; tensors are replaced by views of their own."""
    names = _parameter_names(func, args, kwargs)
    given = [*args, *kwargs.values()]
    made = []
    for index, item in enumerate(given):
        name = names[index] if index < len(names) else None
        value = tracer.graph.addInput(name if name else "")
        made.append(_input(tracer, value, item, given))
    return tuple(made[: len(args)]), dict(zip(kwargs, made[len(args) :], strict=True))


def _parameter_names(func, args, kwargs) -> list:
    code = getattr(getattr(func, "__func__", func), "__code__", None)
    if code is None:
        return [None] * len(args) + list(kwargs)
    names = list(code.co_varnames[: code.co_argcount])
    if getattr(func, "__self__", None) is not None:
        names = names[1:]
    names = names[: len(args)]
    if code.co_flags & 4:  # *args
        names += [f"args_{i + 1}" for i in range(len(args) - len(names))]
    return names + [None] * (len(args) - len(names)) + list(kwargs)


def _input(tracer: Tracer, value, item, given):
    """Name the tensors of an argument in the graph; the argument to run with."""
    graph = tracer.graph
    if isinstance(item, Tensor):
        if id(item) in tracer.values:
            with tracer.paused():
                item = item.view_as(item)
        tracer.define(item, value)
        return item
    if isinstance(item, tuple):
        node = graph.insertNode(graph.create("prim::TupleUnpack", [value], len(item)))
        parts = [_input(tracer, v, i, given) for v, i in zip(node.outputs(), item, strict=True)]
        value.setType(T.TupleType([v.type() for v in node.outputs()]))
        return type(item)(*parts) if hasattr(item, "_fields") else tuple(parts)
    if isinstance(item, list) and item:
        node = graph.insertNode(graph.create("prim::ListUnpack", [value], len(item)))
        parts = [_input(tracer, v, i, given) for v, i in zip(node.outputs(), item, strict=True)]
        value.setType(T.ListType(next(node.outputs()).type().unshaped()))
        return parts
    if isinstance(item, dict) and item:
        return _input_dict(tracer, value, item, given)
    if isinstance(item, bool | int | float | str | complex):
        raise RuntimeError(
            f"Type '{T.TupleType([_kind(i) for i in given])}' cannot be traced. Only Tensors and "
            "(possibly nested) Lists, Dicts, and Tuples of Tensors can be traced"
        )
    raise RuntimeError(
        "Only tensors and (possibly nested) tuples of tensors, lists, or dictsare supported as "
        f"inputs or outputs of traced functions, but instead got value of type "
        f"{type(item).__name__}.\nValue: {item!r}\n"
    )


def _kind(item):
    from ._constants import try_type_of

    found = try_type_of(item)
    return found.type() if found.success() else T.AnyType.get()


def _input_dict(tracer: Tracer, value, item: dict, given):
    parts, graph = {}, tracer.graph
    kinds = {type(i) for i in item.values()}
    if len(kinds) > 1:
        raise RuntimeError(
            f"Tracer cannot infer type of {tuple(given)}\n:Dictionary inputs to traced functions "
            f"must have consistent type. Found "
            + " and ".join(_kind(i).unshaped().annotation_str for i in item.values())
        )
    for key, inner in item.items():
        index = graph.insertConstant(key)
        node = graph.insertNode(graph.create("aten::__getitem__", [value, index], 1))
        parts[key] = _input(tracer, node.output(), inner, given)
        of = node.output().type().unshaped()
    value.setType(T.DictType(_kind(next(iter(item))), of))
    return parts


def output_of(tracer: Tracer, item, strict: bool):
    """The value of the graph that a result is."""
    graph = tracer.graph
    if isinstance(item, Tensor):
        return tracer.value_of(item)
    if isinstance(item, tuple):
        if not item:
            raise RuntimeError("Only tensors, lists, tuples of tensors, or dictionary of tensors "
                               "can be output from traced functions")  # fmt: skip
        values = [output_of(tracer, i, strict) for i in item]
        node = graph.insertNode(graph.create("prim::TupleConstruct", values, 1))
        node.source = None
        kinds = [v.type() for v in values]
        if hasattr(item, "_fields"):
            of = T.TupleType(kinds, qualified_name(type(item)), list(item._fields))
        else:
            of = T.TupleType(kinds)
        return node.output().setType(of)
    if isinstance(item, list):
        return _output_list(tracer, item, strict)
    if isinstance(item, dict):
        return _output_dict(tracer, item, strict)
    if item is None:
        raise RuntimeError(
            "The traced function didn't return any values! Side-effects are not captured in "
            "traces, so it would be a no-op."
        )
    raise RuntimeError(
        "Only tensors, lists, tuples of tensors, or dictionary of tensors can be output from "
        "traced functions"
    )


def _output_list(tracer: Tracer, item: list, strict: bool):
    if strict:
        warnings.warn(_CONTAINER.format("list"), TracerWarning, stacklevel=2)
    values = [output_of(tracer, i, strict) for i in item]
    node = tracer.graph.insertNode(tracer.graph.create("prim::ListConstruct", values, 1))
    node.source = None
    of = values[0].type().unshaped() if values else T.TensorType.get()
    return node.output().setType(T.ListType(of))


def _output_dict(tracer: Tracer, item: dict, strict: bool):
    if strict:
        raise RuntimeError(_CONTAINER.format("dict"))
    values = []
    for key, inner in item.items():
        values += [tracer.graph.insertConstant(key), output_of(tracer, inner, strict)]
    node = tracer.graph.insertNode(tracer.graph.create("prim::DictConstruct", values, 1))
    node.source = None
    key, of = values[0].type(), values[1].type().unshaped()
    return node.output().setType(T.DictType(key, of))
