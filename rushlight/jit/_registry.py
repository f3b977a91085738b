"""All operators that programs may call: their schemas, and the Python that runs each.

A name's schemas come from the tables of forms, or else from the signature of our own function of
that name; both give parameters and defaults, `_aten_table.PARAMETERS` their types.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from .. import _C
from . import _scalar_ops
from ._aten_table import PARAMETERS
from ._function_schema import FunctionSchema, parse_schema

_OPTIONS = ("dtype", "layout", "device", "pin_memory")
_custom: dict[str, list[FunctionSchema]] = {}
_custom_runs: dict[str, Callable] = {}


@cache
def _tables() -> dict[str, str]:
    """The forms of every name in the tables."""
    from . import _aten_below, _aten_layers, _aten_table

    found = {}
    for table in (_aten_table.TABLE, _aten_layers.TABLE, _aten_below.TABLE):
        for line in table.splitlines():
            names, _, forms = line.partition(": ")
            for name in names.split():
                found[name] = forms
    return found


@cache
def schemas_of(name: str) -> tuple[FunctionSchema, ...]:
    """The schemas of a name (`aten::add`), in the order in which calls try them."""
    space, _, leaf = name.partition("::")
    if space == "torchvision":
        from ._vision_operators import register_all

        register_all()
    found = list(_custom.get(name, ()))
    if space == "aten":
        found += _tensor_schemas(leaf)
    found += [parse_schema(text) for text in _plain_forms(name)]
    return tuple(found)


@cache
def _plain_texts(name: str) -> frozenset[str]:
    return frozenset(str(parse_schema(text)) for text in _plain_forms(name))


def is_plain(schema: FunctionSchema) -> bool:
    """Whether a schema is of an operator on numbers, strings, lists or dicts."""
    return str(schema) in _plain_texts(schema.name)


def custom_run(name: str) -> Callable | None:
    """What runs an operator that a program has registered."""
    return _custom_runs.get(name)


@cache
def may_write(name: str) -> bool:
    """Whether any form of an operator writes to an argument."""
    return any(s.is_mutable for s in schemas_of(name))


def _plain_forms(name: str) -> list[str]:
    from ._prim_ops import FORMS

    return _scalar_ops.forms_of(name) + FORMS.get(name, [])


def _tensor_schemas(leaf: str) -> list[FunctionSchema]:
    """Of a function on tensors: its forms, those with out=, and of `f_` those of `f`."""
    inplace = leaf.endswith("_") and not leaf.endswith("__")
    if leaf in _tables():
        forms = _tables()[leaf].split(" | ")
    elif inplace and (hasattr(_C.Tensor, leaf) or leaf[:-1] in _LAYERS_IN_PLACE):
        forms = [_in_place(f) for f in _forms_of(leaf[:-1]) if _starts_with_tensor(f)]
    else:
        forms = _forms_of(leaf)
    schemas = [_schema(leaf, form) for form in forms]
    if not inplace and not leaf.startswith("__"):
        schemas += [_schema(leaf, f) for f in map(_with_out, forms) if f]
    return schemas


# Functions of nn whose form `f_` is no method of Tensor.
_LAYERS_IN_PLACE = frozenset(
    "relu6 hardswish silu mish elu celu selu leaky_relu hardtanh threshold hardsigmoid rrelu "
    "dropout alpha_dropout feature_dropout feature_alpha_dropout".split()
)


def _forms_of(leaf: str) -> list[str]:
    if leaf in _tables():
        return _tables()[leaf].split(" | ")
    from ._prim_ops import FORMS

    derived = None if f"aten::{leaf}" in FORMS else _derived(leaf)
    return [derived] if derived else []


def _parts(form: str) -> tuple[str, list[str], str]:
    """The overload, the parameters and the results of a form."""
    at = form.index("(")
    depth, end = 0, at
    for end in range(at, len(form)):
        depth += {"(": 1, ")": -1}.get(form[end], 0)
        if not depth:
            break
    inner, depth = [""], 0
    for char in form[at + 1 : end]:
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            inner.append("")
        else:
            inner[-1] += char
    results = form[end + 1 :].strip().removeprefix("->").strip() or "Tensor"
    return form[:at], [p.strip() for p in inner if p.strip()], results


def _starts_with_tensor(form: str) -> bool:
    parameters = _parts(form)[1]
    return bool(parameters) and parameters[0].partition("/")[0].partition(":")[0] in (
        "self",
        "input",
        "x",
    )


def _in_place(form: str) -> str:
    overload, parameters, _ = _parts(form)
    return f"{overload}({', '.join(['self/a!', *parameters[1:]])}) -> Tensor(a!)"


def _with_out(form: str) -> str | None:
    """The form that writes its results into tensors that are given."""
    overload, parameters, results = _parts(form)
    fields = results.split()
    plain = results == "Tensor" or (
        len(fields) > 1 and all(f.isidentifier() and f != "Tensor" for f in fields)
    )
    if not plain or any("/" in p for p in parameters):
        return None
    names = ["out"] if results == "Tensor" else fields
    said = [f"{n}:Tensor({chr(97 + i)}!)" for i, n in enumerate(names)]
    options = ("opts",) if "layout" not in parameters else _OPTIONS
    parameters = [p for p in parameters if p not in options]
    star = [] if "*" in parameters else ["*"]
    if star == [] and parameters[-1] == "*":
        parameters = parameters[:-1]
        star = ["*"]
    overload = f"{overload}_out" if overload not in ("", "Tensor", "self") else "out"
    given = " ".join(
        f"Tensor({chr(97 + i)}!)" + ("" if results == "Tensor" else f"@{n}")
        for i, n in enumerate(names)
    )
    return f"{overload}({', '.join(parameters + star + said)}) -> {given}"


def _schema(leaf: str, form: str) -> FunctionSchema:
    overload, parameters, results = _parts(form)
    said = []
    for p in parameters:
        if p == "opts":
            said += [_parameter(o) for o in _OPTIONS]
        else:
            said.append(p if p == "*" else _parameter(p))
    dot = "." if overload else ""
    return parse_schema(f"aten::{leaf}{dot}{overload}({', '.join(said)}) -> {_results(results)}")


def _parameter(said: str) -> str:
    """`name:type=default` as a schema has it: `type name=default`."""
    said, alias = said.partition("/")[::2]
    head, equals, default = said.partition("=")
    name, colon, type = head.partition(":")
    if not colon:
        type, given, usual = PARAMETERS.get(name, "Tensor").partition("=")
        if not equals and given:
            equals, default = "=", usual
    if alias:
        type = f"Tensor({alias})"
    return f"{type} {name}{equals}{default}"


_RESULTS = ("Tensor", "bool", "int", "float", "Scalar", "ScalarType", "int[]", "Tensor[]")


def _results(said: str) -> str:
    single = said.startswith("Tensor(") and " Tensor(" not in said and "@" not in said
    if said in _RESULTS or single:
        return said
    fields = []
    for f in said.split():
        type, _, name = f.partition("@")
        fields.append(f"{type} {name}" if name else f if f in _RESULTS else f"Tensor {f}")
    return f"({', '.join(fields)})"


# -- from our own functions ------------------------------------------------------------------


def python_function(leaf: str) -> Callable | None:
    """Our function or method of an operator's name."""
    import rushlight as torch

    for prefix in ("linalg_", "special_", "fft_"):
        if leaf.startswith(prefix):
            found = getattr(getattr(torch, prefix[:-1]), leaf[len(prefix) :], None)
            if found is not None:
                return found
    functional = torch.nn.functional
    for space in (torch, torch.Tensor, functional):
        found = getattr(space, leaf, None)
        if callable(found) and not isinstance(found, type) and _is_ours(found):
            return found
    return None


def _is_ours(function: Any) -> bool:
    """Whether nobody has put a function of theirs in the place of ours."""
    home = getattr(function, "__module__", None) or "torch"
    return home.partition(".")[0] in ("torch", "rushlight")


def signature(function: Any) -> tuple[list[str], int, dict] | None:
    """Names of parameters, how many are positional, and defaults; read from the code object."""
    declared = getattr(function, "declaration", None)
    if declared is not None:
        function = declared.__dict__["forward"]
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & 0x0C:  # *args, **kwargs say nothing
        return None
    n = code.co_argcount
    names = list(code.co_varnames[: n + code.co_kwonlyargcount])
    given = function.__defaults__ or ()
    defaults = dict(zip(names[n - len(given) : n], given, strict=True))
    defaults.update(function.__kwdefaults__ or {})
    return names, n, defaults


# Functions that PyTorch writes in Python: it has no operators of these names.
COMPOSED = frozenset(
    "unique cross_entropy dropout1d dropout2d dropout3d logsigmoid softsign tanhshrink "
    "adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices "
    "adaptive_max_pool3d_with_indices lobpcg lu pca_lowrank svd_lowrank unravel_index".split()
)


def _derived(leaf: str) -> str | None:
    """A form from the signature of our function; None where there is no function or signature."""
    function = python_function(leaf)
    if not isinstance(function, _C.Op | _C.Front):  # what is no operator, a program cannot call
        return None
    if leaf in COMPOSED:
        return None
    known = signature(function)
    if known is None:
        return None
    names, positional, defaults = known
    said = []
    for i, name in enumerate(names):
        if name in ("out", "requires_grad", "inplace", "return_indices", "size_average"):
            continue
        if i == positional:
            said.append("*")
        shown = "self" if i == 0 and name in ("input", "x", "A") else name
        parameter = _derived_parameter(shown, defaults.get(name, NotImplemented))
        if parameter is None:
            return None
        said.append(parameter)
    return f"({', '.join(said)}) -> {_derived_results(function)}"


def _derived_parameter(name: str, default: Any) -> str | None:
    """`name:type=default`; None where the default is nothing that programs know."""
    from ._constants import as_number
    from ._ir_print import literal

    type = PARAMETERS.get(name, "").partition("=")[0]
    if default is NotImplemented:
        return f"{name}:{type or 'Tensor'}"
    if not type:
        kinds = {bool: "bool", int: "int", float: "float", str: "str"}
        sequences = {tuple: "int[]", list: "int[]"}
        type = (kinds | sequences).get(default.__class__, "Tensor?")
    if default is None and not type.endswith("?"):
        type += "?"
    default = as_number(default)
    if isinstance(default, tuple):
        default = list(default)
    if not isinstance(default, bool | int | float | str | list | None):
        return None
    return f"{name}:{type}={literal(default)}"


def _derived_results(function: Any) -> str:
    return_type = getattr(function, "return_type", None)
    fields = getattr(return_type, "_fields", None)
    return " ".join(fields) if fields else "Tensor"


# -- finding and running ---------------------------------------------------------------------


@cache
def names() -> tuple[str, ...]:
    """The names of all operators that the tables know, for suggestions."""
    from ..op import functional_table, torch_table
    from ._prim_ops import FORMS

    public = (n for n in [*torch_table, *functional_table] if not n.startswith("_"))
    tensor = {f"aten::{n}" for n in [*_tables(), *public]}
    return tuple(sorted(tensor | set(_scalar_ops.names()) | set(FORMS)))


def find_schema(text: str) -> FunctionSchema:
    """The registered schema of a text; RuntimeError where there is none."""
    wanted = parse_schema(text)
    for schema in schemas_of(wanted.name):
        if _says(schema, wanted):
            return schema
    raise RuntimeError(
        f"Couldn't find an operator for {text}. Do you have to update a set of hardcoded JIT ops?"
    )


def _says(schema: FunctionSchema, wanted: FunctionSchema) -> bool:
    """Whether a schema has the arguments and results of a text, and its overload if it has one."""
    if wanted.overload_name not in ("", schema.overload_name):
        return False
    return (
        schema.arguments == wanted.arguments
        and schema.returns == wanted.returns
        and schema.is_vararg == wanted.is_vararg
    )


def register(schema: FunctionSchema | str, run: Callable) -> FunctionSchema:
    """Add an operator of a program's own."""
    if isinstance(schema, str):
        schema = parse_schema(schema)
    others = [s for s in _custom.get(schema.name, ()) if s.overload_name != schema.overload_name]
    _custom[schema.name] = [*others, schema]
    _custom_runs[schema.name] = run
    schemas_of.cache_clear()
    may_write.cache_clear()
    return schema
