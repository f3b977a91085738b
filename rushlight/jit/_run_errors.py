"""Errors of compiled code: where in the program they happened, in PyTorch's words."""

from __future__ import annotations

from ._run_operators import Raised
from ._values import Unfit, checked

_HEAD = (
    "The following operation failed in the TorchScript interpreter.\n"
    "Traceback of TorchScript{} (most recent call last):\n"
)


class Error(Exception):
    """What a compiled program raises."""


Error.__module__ = "torch.jit"


def failed(error: BaseException, places: list, offset: int) -> BaseException:
    """The exception that leaves a compiled function for one that happened in it."""
    if getattr(error, "_in_interpreter", False) and not isinstance(error, Raised):
        return error
    trace = error.__traceback__
    index = (trace.tb_lineno - offset - 1) if trace is not None else -1
    node, functions = places[index] if 0 <= index < len(places) else (None, ())
    head = _head(node, functions)
    if isinstance(error, Raised):
        name = error.name or "RuntimeError"
        made: BaseException = Error(f"{head}{name}: {error.message}\n")
    elif isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
        return error
    else:
        made = RuntimeError(f"{head}RuntimeError: {error}\n")
        if isinstance(error, NotImplementedError):
            made = NotImplementedError(str(made))
    made._in_interpreter = True  # type: ignore[attr-defined]
    made.__cause__ = None
    return made


def _head(node, functions) -> str:
    source = getattr(node, "source", None)
    show = getattr(source, "highlight", None)
    if show is None:
        return _HEAD.format("")
    text = show()
    if functions and text.lstrip().startswith("File"):
        first, _, rest = text.partition("\n")
        text = f"{first}, in {functions[-1].name}\n{rest}"
    serialized = ", serialized code" if getattr(source, "serialized", False) else ""
    return f"{_HEAD.format(serialized)}{text}\n"


def call_failed(function, *given):
    """Bind arguments as the schema says, converted; raises in PyTorch's words if they do not fit.

    `given` are the values of the parameters, then a tuple of what was too much by position and a
    dictionary of what was not known by name.
    """
    from ._run import _MISSING

    *values, rest, named = given
    schema = function.schema
    arguments = schema.arguments
    declaration = f"Declaration: {_declared(function)}"
    for i, argument in enumerate(arguments):
        if values[i] is _MISSING and argument.name in named:
            values[i] = named.pop(argument.name)
        elif argument.name in named and f"a{i}" != argument.name:
            values[i] = named.pop(argument.name)
    if rest:
        raise RuntimeError(
            f"{schema.name}() expected at most {len(arguments)} argument(s) but received "
            f"{len(arguments) + len(rest)} argument(s). {declaration}"
        )
    for i, argument in enumerate(arguments):
        if values[i] is _MISSING:
            raise RuntimeError(
                f"{schema.name}() is missing value for argument '{argument.name}'. {declaration}"
            )
    if named:
        raise RuntimeError(
            f"Unknown keyword argument '{next(iter(named))}' for operator '{schema.name}'. "
            f"Schema: {_declared(function)}"
        )
    inputs = list(function.graph.inputs())
    for i, argument in enumerate(arguments):
        of = inputs[i].type()
        if i == 0 and getattr(values[0], "_jit_type", None) is of:
            continue
        try:
            values[i] = checked(values[i], of)
        except Unfit as error:
            raise RuntimeError(
                _mismatch(schema, i, argument, values[i], declaration, error)
            ) from None
    return values


def _declared(function) -> str:
    return str(function.schema)


def _mismatch(schema, position: int, argument, value, declaration: str, error: Unfit) -> str:
    expected = argument.type.annotation_str
    return (
        f"{schema.name}() Expected a value of type '{expected}' for argument '{argument.name}' but "
        f"instead found type '{_type_name(value)}'.\nPosition: {position}\nValue: {value!r}\n"
        f"{declaration}\nCast error details: {error}"
    )


def _type_name(value) -> str:
    return type(value).__name__
