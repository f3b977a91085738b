"""What runs one node: a Python expression where there is one, else the operator's function."""

from __future__ import annotations

from .. import _C
from . import _types as T

_BINARY = {
    "aten::mul": "*",
    "aten::matmul": "@",
    "aten::eq": "==",
    "aten::ne": "!=",
    "aten::lt": "<",
    "aten::le": "<=",
    "aten::gt": ">",
    "aten::ge": ">=",
    "aten::__and__": "&",
    "aten::__or__": "|",
    "aten::__xor__": "^",
}
ARITHMETIC = frozenset("aten::add aten::sub aten::mul aten::div".split())
_NUMBERS = (T.IntType, T.FloatType, T.BoolType)
_PLAIN = {
    "aten::add": "({0} + {1})",
    "aten::sub": "({0} - {1})",
    "aten::mul": "({0} * {1})",
    "aten::neg": "(-{0})",
    "aten::div": "({0} / {1})",
    "aten::remainder": "({0} % {1})",
    "aten::floordiv": "({0} // {1})",
    "aten::eq": "({0} == {1})",
    "aten::ne": "({0} != {1})",
    "aten::lt": "({0} < {1})",
    "aten::le": "({0} <= {1})",
    "aten::gt": "({0} > {1})",
    "aten::ge": "({0} >= {1})",
    "aten::__and__": "({0} & {1})",
    "aten::__or__": "({0} | {1})",
    "aten::Float": "float({0})",
    "aten::Bool": "bool({0})",
}
# Whatever the types are.
_ANY = {
    "aten::__not__": "(not {0})",
    "aten::__is__": "({0} is {1})",
    "aten::__isnot__": "({0} is not {1})",
    "prim::device": "{0}.device",
    "prim::data": "{0}.data",
    "prim::grad": "{0}.grad",
    "prim::requires_grad": "{0}.requires_grad",
    "prim::is_cuda": "{0}.is_cuda",
}


def template(node, inputs) -> str | None:
    """The expression of a node with `{0}`, ... for its inputs; None where a function runs it."""
    kind = node.kind()
    if kind in _ANY:
        return _ANY[kind]
    types = [v.type() for v in inputs]
    if not types:
        return None
    if isinstance(types[0], T.TensorType):
        return _tensor_template(kind, inputs, types)
    if kind in _PLAIN and all(isinstance(t, _NUMBERS) for t in types):
        return _PLAIN[kind]
    if isinstance(types[0], T.ListType):
        if kind == "aten::__getitem__":
            return "{0}[{1}]"
        if kind == "aten::len":
            return "len({0})"
        if kind == "aten::append":
            return "{0}.append({1})" if not list(node.output().uses()) else None
    return None


def _tensor_template(kind: str, inputs, types) -> str | None:
    operand = len(types) > 1 and isinstance(types[1], T.TensorType | T.NumberType | _NUMBERS_UNION)
    if kind in ("aten::add", "aten::sub") and operand and len(inputs) == 3:
        if _is_constant(inputs[2], 1):
            return "({0} + {1})" if kind == "aten::add" else "({0} - {1})"
    if kind in _BINARY and len(inputs) == 2 and operand:
        return f"({{0}} {_BINARY[kind]} {{1}})"
    if kind == "aten::div" and len(inputs) == 2 and operand:
        return "({0} / {1})"
    if kind == "aten::size":
        return "{0}.size({1})" if len(inputs) == 2 else "list({0}.shape)"
    if kind in ("aten::Int", "aten::Float", "aten::Bool", "aten::Complex"):
        return kind[6:].lower() + "({0})"
    if kind in _IMPLICIT:
        return "{0}.item()"
    if kind == "aten::dim":
        return "{0}.ndim"
    return None


_NUMBERS_UNION = T.IntType | T.FloatType | T.BoolType
_IMPLICIT = frozenset(
    "aten::IntImplicit aten::FloatImplicit aten::ScalarImplicit aten::ComplexImplicit".split()
)


def _is_constant(value, item) -> bool:
    return value.node().kind() == "prim::Constant" and value.toIValue() == item


def call(node, inputs, writer) -> str:
    """The call of a node's operator: constants are converted now, what is left out stays out."""
    from ._operators import run
    from ._schema import schema_of

    schema = schema_of(node)
    if schema is None:
        types = ", ".join(v.type().str() for v in inputs)
        raise RuntimeError(f"Unknown builtin op: {node.kind()}({types})")
    found = _direct(schema, inputs, writer)
    if found is not None:
        return found
    return f"{writer.shared_name(run(schema))}({', '.join(writer.use(v) for v in inputs)})"


def _direct(schema, inputs, writer) -> str | None:
    """A call of our own function, without what stands in front of it; None where that is needed."""
    from ..ops.loss import REDUCTIONS
    from ._adapters import ADAPTERS
    from ._operators import _is_dtype, meanings_of, plan_of
    from ._prim_runs import RUNS
    from ._registry import custom_run, is_plain, python_function

    space, _, leaf = schema.name.partition("::")
    if space != "aten" or custom_run(schema.name) is not None or schema.name in RUNS:
        return None
    if is_plain(schema) or (schema.returns and _is_dtype(schema.returns[0])):
        return None
    if any(a.is_out for a in schema.arguments):
        return None
    texts, constants = [], {}
    meanings = meanings_of(schema)
    for i, value in enumerate(inputs):
        if value.node().kind() == "prim::Constant":
            constants[i] = value.toIValue()
        if i not in meanings:
            texts.append(writer.use(value))
        elif i in constants:
            plain = constants[i].__class__ in (int, list)
            constants[i] = meanings[i](constants[i]) if plain else constants[i]
            texts.append(writer.literal(constants[i]))
        elif i in meanings and not inputs[i].node().kind() == "prim::ListConstruct":
            return None
        else:
            texts.append(f"({writer.use(value)} or None)")
    adapter = ADAPTERS.get(leaf)
    if adapter is not None:
        return f"{writer.shared_name(adapter)}({', '.join(texts)})"
    function = python_function(leaf)
    plan = None if function is None else plan_of(schema, function)
    if plan is None:
        return None
    positional, keywords, words, _ = plan
    for i in words:
        if i not in constants:
            return None
        texts[i] = repr(REDUCTIONS[constants[i]])
    given = [texts[i] for i in positional]
    kept = _without_defaults(function, positional, constants, words)
    given = given[:kept]
    named = {n: texts[i] for i, n in keywords.items() if constants.get(i, 0) is not None}
    given += [f"{n}={text}" for n, text in named.items()]
    return f"{writer.shared_name(function)}({', '.join(given)})"


def _without_defaults(function, positional: list, constants: dict, words: list) -> int:
    """How many arguments have to be given: the last ones are what the function takes anyway."""
    from ._registry import signature

    known = signature(function)
    count = len(positional)
    if known is None:
        return count
    names, _, defaults = known
    while count:
        i = positional[count - 1]
        name = names[count - 1] if count <= len(names) else None
        if i not in constants or i in words or name not in defaults:
            break
        default, given = defaults[name], constants[i]
        if type(default) is not type(given) or default != given:
            break
        count -= 1
    return count


# -- what statements call --------------------------------------------------------------------------


class Raised(Exception):
    """An exception that the program raises: its message and the name of its class."""

    def __init__(self, message, name=None) -> None:
        super().__init__(message)
        self.message = message
        self.name = name


def raised(message, name=None) -> Raised:
    """The exception of a `raise` statement."""
    return Raised(message, name)


def is_instance(value, types) -> bool:
    """Whether a value is of one of the types."""
    return any(_is_of(value, t) for t in types)


def _is_of(value, of) -> bool:
    if isinstance(of, T.OptionalType):
        return value is None or _is_of(value, of.element)
    if isinstance(of, T.ListType):
        return isinstance(value, list) and all(_is_of(v, of.getElementType()) for v in value)
    if isinstance(of, T.DictType):
        return isinstance(value, dict) and all(
            _is_of(k, of.getKeyType()) and _is_of(v, of.getValueType()) for k, v in value.items()
        )
    if isinstance(of, T.TupleType):
        elements = of.elements()
        return (
            isinstance(value, tuple)
            and len(value) == len(elements)
            and all(_is_of(v, t) for v, t in zip(value, elements, strict=True))
        )
    if isinstance(of, T.UnionType):
        return any(_is_of(value, t) for t in of.containedTypes_full())
    if isinstance(of, T.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    found = _CLASSES.get(type(of))
    if found is not None:
        return isinstance(value, found)
    if isinstance(of, T.AnyType):
        return True
    if isinstance(of, T.AnyListType):
        return isinstance(value, list)
    if isinstance(of, T.AnyTupleType):
        return isinstance(value, tuple)
    if isinstance(of, T.DeviceObjType):
        return type(value).__name__ == "device"
    mine = getattr(value, "_jit_type", None)
    return mine is not None and (mine is of or mine.isSubtypeOf(of))


_CLASSES = {
    T.TensorType: _C.Tensor,
    T.FloatType: float,
    T.BoolType: bool,
    T.StringType: str,
    T.ComplexType: complex,
    T.NoneType: type(None),
    T.NumberType: (int, float, complex),
}


def unpacked(items, count: int):
    """A list of which the program takes this many parts."""
    if len(items) != count:
        raise RuntimeError(f"Expected {count} elements in a list but found {len(items)}")
    return items


def print_values(*items) -> None:
    """What `print` shows."""
    print(*items)


def call_by_name(target, name: str, *args):
    """A method of an object whose class is known only when it runs."""
    of = target._jit_type
    return of.methods[name](target, *args)


class Entered:
    """A `with` statement over an object of a compiled class."""

    def __init__(self, target) -> None:
        self.target = target

    def __enter__(self):
        return self.target.__enter__()

    def __exit__(self, kind, error, trace):
        self.target.__exit__(None, None, None)


def fork(function, *args):
    """Run a part of the program at once; its result as a future."""
    from ._marks import fork as begin

    return begin(function, *args)
