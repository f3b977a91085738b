"""What runs when somebody calls one of PyTorch's operators: what runs it in a graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from .. import Tensor
from ..jit._operators import run
from ..jit._registry import is_plain, python_function, schemas_of
from ..op import operators
from . import OpOverload, OpOverloadPacket, schemas
from .handlers import call_handlers, handled

if TYPE_CHECKING:
    from ..jit._function_schema import FunctionSchema


def call(overload: OpOverload, args: tuple, kwargs: dict):
    """A call of one overload: handlers below the tape see it as it is, unless it is recorded."""
    if schemas.seen(overload._name, overload._overloadname) and handled(args, kwargs):
        return call_handlers(overload, args, kwargs)
    return _function(overload)(*args, **kwargs)


def call_packet(packet: OpOverloadPacket, args: tuple, kwargs: dict):
    """A call that leaves the overload to us."""
    return _function_of_packet(packet._name)(*args, **kwargs)


# What has no schema: it gives sizes, not tensors.
_SIZES = {
    "sym_size": Tensor.size,
    "sym_stride": Tensor.stride,
    "sym_storage_offset": Tensor.storage_offset,
    "sym_numel": Tensor.numel,
}


@cache
def _function(overload: OpOverload) -> Callable:
    if overload._operator is not None:
        return overload._operator
    described = schemas.schema(overload._name, overload._overloadname)
    return _of_name(overload._name) if described is None else _by_schema(described)


@cache
def _function_of_packet(name: str) -> Callable:
    forms = [s for s in schemas_of(f"aten::{name}") if not (is_plain(s) or _stores(s))]
    if forms and (len(forms) == 1 or python_function(name) is None):
        return _by_schema(forms[0])
    return _of_name(name)  # which tells its forms apart by itself


def _stores(described: FunctionSchema) -> bool:
    return any(a.is_out for a in described.arguments)


def _of_name(name: str) -> Callable:
    found = _SIZES.get(name) or python_function(name) or operators.get(name)
    if found is None:
        raise AttributeError(f"aten.{name}: there is no function of this name to call")
    return found


def _by_schema(described: FunctionSchema) -> Callable:
    """What runs a schema, with keywords and defaults brought to their places."""
    function = run(described)
    defaults = tuple(schemas.default_of(a) for a in described.arguments)
    places = {a.name: i for i, a in enumerate(described.arguments)}
    needed = 1 + max((i for i, d in enumerate(defaults) if d is schemas.REQUIRED), default=-1)

    def call(*args, **kwargs):
        if kwargs or not needed <= len(args) <= len(defaults):
            args = placed(args, kwargs)
        return function(*args, *defaults[len(args) :])

    def placed(args, kwargs):
        values = [*args, *defaults[len(args) :]]
        fits = len(values) == len(defaults)
        for name, value in kwargs.items():
            place = places.get(name, -1)
            if place < len(args):
                fits = False
            else:
                values[place] = value
        if fits and not any(v is schemas.REQUIRED for v in values):
            return values
        from ..library._schema import bind

        return bind(described, args, kwargs)  # which raises, and says why

    return call
