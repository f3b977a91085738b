"""From the functions that a program calls to PyTorch's operators: names, order of arguments.

Functions of nn.functional that PyTorch writes in Python run as the compiler's library has them.
Most others have an operator of their own name and argument names; `_RENAMED` lists other names,
`_trace_special` other arguments.
"""

from __future__ import annotations

from .. import _C
from . import _types as T
from ._compile import library
from ._traced_values import CONSTANTS, warn

# Operators whose second operand is always a tensor: numbers are wrapped.
_WRAPPING = frozenset(
    "add sub mul div true_divide divide multiply subtract floor_divide add_ sub_ mul_ div_ "
    "true_divide_ divide_ multiply_ subtract_ floor_divide_ logical_and logical_or "
    "logical_xor maximum minimum fill_ atan2 copysign".split()
)
# Names of ours beside PyTorch's.
_RENAMED = {
    "truediv": "div",
    "to_copy": "to",
    "matmul_batched": "bmm",
    "logsigmoid": "log_sigmoid",
    "pow_scalar": "pow",
    "pow_tensor": "pow",
    "clamp_number": "clamp",
    "clamp_tensor": "clamp",
    "constant_pad": "constant_pad_nd",
    "__pow__": "pow",
    "__rpow__": "rpow",
    "__matmul__": "matmul",
    "__floordiv__": "floor_divide",
    "__mod__": "remainder",
}
_CONSTANTS = frozenset("tensor from_numpy as_tensor asarray from_file".split())
_SPACES = {"linalg": "linalg_", "special": "special_", "fft": "fft_"}


def handle(tracer, function, args, kwargs):
    """Record and run one call."""
    through = library.traced(function)
    if through is not None and tracer.through is not function:
        return _through(tracer, function, through, args, kwargs)
    name, inplace = _name_of(function)
    special = _special(name)
    if special is not None:
        return special(tracer, function, args, kwargs)
    if name in _CONSTANTS:
        return _constant(tracer, function, name, args, kwargs)
    kind = _known(_RENAMED.get(name, name))
    values, named, inplace = _as_given(function, args, kwargs, inplace)
    kind = "aten::" + kind + ("_" if inplace and not kind.endswith("_") else "")
    schema = choose(kind, values, named)
    if schema is None and isinstance(function, _C.Op):
        schema, values, named = _by_names(kind, bind(function, args, kwargs))
    if schema is None:
        return entered(tracer, function, args, kwargs)
    return record(tracer, schema, values, named, function, args, kwargs)


def _through(tracer, function, through, args, kwargs):
    """Run what the library has for a function of nn.functional, recording what it calls."""
    before, tracer.through = tracer.through, function
    try:
        return tracer.enter_function(through, args, kwargs)
    finally:
        tracer.through = before


def entered(tracer, function, args, kwargs):
    """Run a function so that its parts are recorded; say if its results are not."""
    if isinstance(function, _C.Op):
        raise RuntimeError(
            f"torch.jit.trace: there is no schema for aten::{function.__name__} with these "
            "arguments"
        )
    result = tracer.enter_function(function, args, kwargs)
    given = {id(t) for t in (*args, *kwargs.values()) if isinstance(t, _C.Tensor)}
    for item in result if isinstance(result, tuple | list) else (result,):
        if isinstance(item, _C.Tensor) and id(item) not in tracer.values:
            if given and id(item) not in given and id(item) not in tracer.attributes:
                warn(CONSTANTS.format(function.__name__), 4)
    return result


def _by_names(kind: str, given: dict):
    """(schema, arguments) of an operator that is called with its own arguments in its order."""
    from ._schema import schemas_of

    (_, first), *rest = given.items()
    for schema in schemas_of(kind):
        names = {a.name for a in schema.arguments}
        named = {k: v for k, v in rest if k in names}
        if not any(a.is_out for a in schema.arguments) and _accepts(schema, [first], named, False):
            return schema, [first], named
    return None, [], {}


def _known(kind: str) -> str:
    """A name that has schemas: the operator's own, or with its namespace in front."""
    from ._schema import schemas_of

    for prefix in ("", "special_", "linalg_", "fft_"):
        if schemas_of(f"aten::{prefix}{kind}"):
            return prefix + kind
    return kind


def record(tracer, schema, values, named, function, args, kwargs):
    """A node for a call, then the call itself, then what it gave."""
    tracer.locate()
    node = tracer.node(schema.name, assigned(schema, values, named), schema)
    result = tracer.run(function, args, kwargs)
    tracer.result(node, schema, result)
    return result


def _name_of(function) -> tuple[str, bool]:
    """The operator's name with its space in front (linalg_norm), and whether it works in place."""
    name = function.__name__
    if isinstance(function, _C.Op):
        return name.removesuffix("_") if function.inplace else name, bool(function.inplace)
    home = function.__module__.rpartition(".")[2]
    return _SPACES.get(home, "") + name, False


def parameters(function) -> tuple[tuple, dict]:
    """The names of a function's parameters, and their defaults."""
    plain = getattr(function, "__wrapped__", None)
    if plain is None:
        plain = function.declaration.__dict__["forward"]
    code = plain.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    given = plain.__defaults__ or ()
    start = code.co_argcount - len(given)
    defaults = dict(zip(names[start : code.co_argcount], given, strict=True))
    return names, defaults | (plain.__kwdefaults__ or {})


def bind(function, args, kwargs) -> dict:
    """Arguments by the names of the parameters."""
    names, defaults = parameters(function)
    given = dict(defaults)
    given.update(zip(names, args, strict=False))
    for key, value in kwargs.items():
        given[key if key in names else _SPELT.get(key, key)] = value
    return {n: given[n] for n in (*names, *given) if n in given}


_SPELT = {"self": "input", "axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input"}


_PRIVATE = frozenset("inplace _stacklevel out".split())


def _as_given(function, args, kwargs, inplace: bool):
    """Arguments as the program wrote them, without what only our functions have."""
    names, _ = parameters(function)
    values, named = list(args), {}
    if "inplace" in names or "_stacklevel" in names:
        named = {n: v for n, v in zip(names[1:], args[1:], strict=False) if n not in _PRIVATE}
        inplace = inplace or bool(bind(function, args, kwargs).get("inplace"))
        values = values[:1]
    for key, value in kwargs.items():
        if key not in _PRIVATE and not (key == "generator" and value is None):
            named[key] = value
    return values, named, inplace


def choose(kind: str, values: list, named: dict):
    """The overload that takes the arguments, or None."""
    from ._schema import schemas_of

    leaf = kind.partition("::")[2]
    if leaf in _WRAPPING and len(values) > 1 and _is_number(values[1]):
        return schema_named(kind, "Tensor")
    schemas = [s for s in schemas_of(kind) if not any(a.is_out for a in s.arguments)]
    for loose in (False, True):
        for schema in schemas:
            if _accepts(schema, values, named, loose):
                return schema
    return None


def schema_named(kind: str, overload: str):
    """The schema of a name and an overload; without that overload, the first."""
    from ._schema import schemas_of

    schemas = schemas_of(kind)
    return next((s for s in schemas if s.overload_name == overload), schemas[0])


def assigned(schema, values, named: dict) -> dict:
    """Arguments by the schema's names."""
    positional = [a for a in schema.arguments if not a.kwarg_only]
    given = {}
    for i, argument in enumerate(positional):
        if i >= len(values):
            break
        rest = values[i:]
        if _gathers(argument, i, rest, len(positional)):
            given[argument.name] = list(rest)
            break
        given[argument.name] = values[i]
    for key, value in named.items():
        given[_formal(schema, key)] = value
    for argument in schema.arguments:  # a stride that is that of the window
        if argument.default_value == [] and given.get(argument.name) is None:
            given.pop(argument.name, None)
    return given


def _gathers(argument, index: int, rest, count: int) -> bool:
    """Whether the values that are left are one list, written without brackets."""
    of = argument.type
    if not isinstance(of, T.ListType) or isinstance(rest[0], list | tuple):
        return False
    if isinstance(of.getElementType(), T.TensorType):
        return index == 0 and all(isinstance(v, _C.Tensor) for v in rest)
    number = isinstance(of.getElementType(), T.IntType | T.FloatType)
    if not number or not all(isinstance(v, int) and not isinstance(v, bool) for v in rest):
        return False
    listed = argument.N is None and argument.name in _LISTED
    return listed or (len(rest) > 1 and index + len(rest) > count)


_LISTED = frozenset("size dims repeats shape sizes dim".split())
_OTHER_NAMES = {"input": "self", "axis": "dim", "keepdims": "keepdim", "x": "self", "a": "self"}


def _formal(schema, key: str) -> str:
    names = [a.name for a in schema.arguments]
    if key in names:
        return key
    other = _OTHER_NAMES.get(key, key)
    return other if other in names else key


def _accepts(schema, values, named: dict, loose: bool) -> bool:
    positional = [a for a in schema.arguments if not a.kwarg_only]
    given = assigned(schema, values, named)
    names = {a.name for a in schema.arguments}
    if not set(given) <= names:
        return False
    if len(values) > len(positional) and not any(isinstance(v, list) for v in given.values()):
        return False
    for argument in schema.arguments:
        if argument.name not in given:
            if not argument.has_default_value():
                return False
        elif not _fits(argument.type, given[argument.name], argument.N, loose):
            return False
    return True


def _is_number(item) -> bool:
    return isinstance(item, int | float | complex)


def _fits(of, item, count: int | None, loose: bool) -> bool:
    """Whether a Python value can be an argument of a type."""
    if isinstance(of, T.OptionalType):
        return item is None or _fits(of.element, item, count, loose)
    if item is None:
        return isinstance(of, T.AnyType)
    if isinstance(of, T.TensorType):
        return isinstance(item, _C.Tensor) or (loose and _is_number(item))
    if isinstance(of, T.ListType):
        element = of.getElementType()
        if isinstance(item, list | tuple):
            return all(_fits(element, i, None, loose) for i in item)
        return count is not None and _fits(element, item, None, loose)
    if isinstance(of, T.BoolType):
        return isinstance(item, bool)
    if isinstance(of, T.IntType):
        plain = isinstance(item, int) and not isinstance(item, bool)
        named = isinstance(item, _C.dtype) or type(item).__name__ in ("layout", "memory_format")
        return plain or named or (loose and _zero_dim(item)) or item in ("none", "mean", "sum")
    if isinstance(of, T.FloatType):
        return (isinstance(item, int | float) and not isinstance(item, bool)) or (
            loose and _zero_dim(item)
        )
    if isinstance(of, T.NumberType):
        return _is_number(item) or (loose and _zero_dim(item))
    if isinstance(of, T.StringType):
        return isinstance(item, str)
    if isinstance(of, T.DeviceObjType):
        return isinstance(item, str) or type(item).__name__ == "device"
    return isinstance(of, T.GeneratorType) and isinstance(item, _C.Generator)


def _zero_dim(item) -> bool:
    return isinstance(item, _C.Tensor) and item.ndim == 0


# -- calls that are not one operator -------------------------------------------------------------


def _constant(tracer, function, leaf: str, args, kwargs):
    """What is made of Python data is the same in every run of the trace."""
    result = tracer.run(function, args, kwargs)
    if isinstance(result, _C.Tensor) and id(result) not in tracer.values:
        warn(CONSTANTS.format(leaf), 4)
        if not result.requires_grad:
            tracer.define(result, tracer.constant(result))
    return result


def _special(name: str):
    from ._trace_special import SPECIAL

    return SPECIAL.get(name)


def method(tracer, name: str, original, args, kwargs):
    """A method of Tensor that the gate does not show."""
    from ._trace_special import METHODS

    return METHODS[name](tracer, name, original, args, kwargs)
