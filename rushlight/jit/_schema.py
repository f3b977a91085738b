"""Schemas of operators: reading them, finding them, running them.

`schemas_of(name)` gives the overloads of a name in the order in which calls try them;
`_compile.match` fits a call to one of them.
"""

from __future__ import annotations

from ._function_schema import AliasInfo, Argument, FunctionSchema, parse_schema
from ._operators import run
from ._registry import find_schema, names, register, schemas_of

__all__ = [
    "AliasInfo",
    "Argument",
    "FunctionSchema",
    "draws",
    "find_schema",
    "names",
    "parse_schema",
    "register",
    "run",
    "schema_of",
    "schemas_of",
]


def schema_of(node) -> FunctionSchema | None:
    """The schema that a node's inputs fit; None where it calls no operator."""
    found = schemas_of(node.kind())
    inputs = list(node.inputs())
    for schema in found:
        if _takes(schema, inputs):
            return schema
    return None


def _takes(schema: FunctionSchema, inputs: list) -> bool:
    from ._types import bind_variables, substitute

    formals = schema.arguments
    if len(inputs) != len(formals) and not (schema.is_vararg and len(inputs) >= len(formals)):
        return False
    bound: dict = {}
    for value, formal in zip(inputs, formals, strict=False):
        if bind_variables(formal.type, value.type(), bound):
            return False
        concrete = substitute(formal.type, bound)
        if concrete is not None and not value.type().isSubtypeOf(concrete):
            return False
    return True


_RANDOM = set(
    "dropout feature_dropout alpha_dropout feature_alpha_dropout bernoulli multinomial rand randn "
    "randint randperm rand_like randn_like randint_like normal rrelu poisson uniform exponential "
    "cauchy geometric log_normal random native_dropout _standard_gamma _sample_dirichlet binomial "
    "fused_dropout _fused_dropout fractional_max_pool2d fractional_max_pool3d".split()
)


def draws(node) -> bool:
    """Whether a node draws random numbers."""
    leaf = node.kind().removeprefix("aten::").rstrip("_")
    if leaf not in _RANDOM:
        return False
    if leaf.endswith("dropout"):
        training = list(node.inputs())[-1].toIValue()
        return training is not False
    return True
