"""What runs an operator: our own function, called with the values in the schema's order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..ops.loss import REDUCTIONS
from . import _scalar_ops
from ._constants import DTYPE_OF, layout_of, memory_format_of
from ._function_schema import FunctionSchema
from ._registry import custom_run, is_plain, python_function, signature

_UNUSED = ("layout", "pin_memory", "cudnn_enable", "cudnn_enabled", "implicit")


@cache
def run(schema: FunctionSchema) -> Callable:
    """What takes the arguments of a schema, in its order, and gives its results.

    Numbers that stand for dtypes, layouts and memory formats become what they stand for.
    NotImplementedError where there is nothing that runs it.
    """
    found = custom_run(schema.name)
    if found is not None:
        return found
    space, _, leaf = schema.name.partition("::")
    from ._prim_runs import RUNS

    special = RUNS.get(schema.name)
    if special is not None:
        return special
    if is_plain(schema):
        function = _scalar_ops.function_of(schema.name)
        if function is not None:
            return _special_plain(schema, function)
    if space == "aten":
        function = _adapters().get(leaf)
        if function is None:
            ours = python_function(leaf)
            function = None if ours is None else _arranged(schema, ours)
        if function is not None:
            return _converting(schema, _storing(schema, function))
    raise NotImplementedError(f"{schema}: there is nothing that runs it")


@cache
def _adapters() -> dict[str, Callable]:
    from . import _adapters, _adapters_below, _adapters_making

    return _adapters_below.ADAPTERS | _adapters_making.ADAPTERS | _adapters.ADAPTERS


def _special_plain(schema: FunctionSchema, function: Callable) -> Callable:
    """Some forms of one name differ in what they do: an int power of ints."""
    if schema.name == "aten::pow" and schema.overload_name == "int_to_int":
        return pow
    return function


def _storing(schema: FunctionSchema, function: Callable) -> Callable:
    """Of a form with out=: the function, and then its results written where they are to go."""
    count = sum(a.is_out for a in schema.arguments)
    if not count:
        return function
    from ..ops._outputs import deliver

    name = schema.name.partition("::")[2]

    def call(*args):
        out = args[-1] if count == 1 else args[-count:]
        return deliver(function(*args[:-count]), out, castable=True, name=name)

    return call


def _arranged(schema: FunctionSchema, function: Callable) -> Callable:
    """The function under the schema's order of arguments."""
    plan = plan_of(schema, function)
    if plan is None:
        return function
    positional, keywords, words, dropped = plan
    if not (keywords or words or dropped):
        return function
    return _call(function, positional, keywords, words)


def plan_of(schema: FunctionSchema, function: Callable):
    """(positions of what goes by position, names of what does not, words, whether any is left)."""
    known = signature(function)
    return _unsigned_plan(schema) if known is None else _plan(schema, *known)


def _plan(schema: FunctionSchema, names: list, count: int, defaults: dict):
    """Which arguments go by position, which by keyword, which are words in our function."""
    positional: list[int] = []
    keywords: dict[int, str] = {}
    words: list[int] = []
    dropped = False
    for i, argument in enumerate(schema.arguments):
        name = argument.name
        if name == "reduction" and isinstance(defaults.get(name), str):
            words.append(i)
        at_place = len(positional) == i and i < count and not argument.kwarg_only
        if at_place and (names[i] == name or name not in names):
            positional.append(i)
        elif name in names:
            keywords[i] = name
        elif name + "_" in names:
            keywords[i] = name + "_"
        elif name in _UNUSED:
            dropped = True
        elif i < count:
            positional.append(i)
    return positional, keywords, words, dropped


def _unsigned_plan(schema: FunctionSchema):
    named = [i for i, a in enumerate(schema.arguments) if a.kwarg_only or a.name == "memory_format"]
    keywords = {i: schema.arguments[i].name for i in named}
    positional = [i for i in range(len(schema.arguments)) if i not in keywords]
    kept = {i: name for i, name in keywords.items() if name not in _UNUSED}
    return positional, kept, [], bool(named)


def _call(function: Callable, positional: list, keywords: dict, words: list) -> Callable:
    def call(*args):
        if words:
            args = list(args)
            for i in words:
                args[i] = REDUCTIONS[args[i]]
        # What has no value is left to the function's own default.
        named = {k: args[i] for i, k in keywords.items() if i < len(args) and args[i] is not None}
        return function(*[args[i] for i in positional if i < len(args)], **named)

    return call


def meanings_of(schema: FunctionSchema) -> dict[int, Callable[[Any], Any]]:
    """By their places, what turns numbers into dtypes, layouts and memory formats."""
    meanings: dict[int, Callable[[Any], Any]] = {}
    for i, argument in enumerate(schema.arguments):
        t = argument.real_type
        kind = t.containedTypes()[0].kind() if t.kind() == "OptionalType" else t.kind()
        if kind in _MEANINGS:
            meanings[i] = _MEANINGS[kind]
        elif argument.name == "dtype":  # the forms that say int? for it
            meanings[i] = DTYPE_OF.get
        elif argument.name == "stride" and argument.default_value == []:
            meanings[i] = _or_none
    return meanings


def _converting(schema: FunctionSchema, function: Callable) -> Callable:
    """The function behind what turns numbers into dtypes, layouts and memory formats."""
    meanings = meanings_of(schema)
    result = _number if schema.returns and _is_dtype(schema.returns[0]) else None
    if not meanings and result is None:
        return function

    def call(*args):
        args = list(args)
        for i, convert in meanings.items():
            if i < len(args) and args[i].__class__ in (int, list):
                args[i] = convert(args[i])
        found = function(*args)
        return found if result is None else result(found)

    return call


def _or_none(value):
    """Of a pooling, the stride that is the size of its window."""
    return value or None


def _number(value):
    from ._constants import as_number

    return as_number(value)


def _is_dtype(returned) -> bool:
    return returned.real_type.kind() == "ScalarTypeType"


_MEANINGS = {
    "ScalarTypeType": DTYPE_OF.get,
    "LayoutType": layout_of,
    "MemoryFormatType": memory_format_of,
}
