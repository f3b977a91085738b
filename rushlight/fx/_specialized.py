"""Traces with some arguments fixed, or in containers whose structure is fixed."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import rushlight as torch

from ..utils import _pytree as pytree
from ._codegen import _PyTreeCodeGen, _PyTreeInfo
from .node import base_types


class PHBase:
    """Marks an input in `concrete_args` that stays an input."""

    def __repr__(self) -> str:
        return "PH"


PH = PHBase()


class PHWithMeta(PHBase):
    """Such a mark whose attributes become notes of the placeholder."""

    def __init__(self, ph_key: str | None = None) -> None:
        super().__init__()
        self.ph_key = ph_key  # tells inputs apart


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


_assert_is_none.__module__ = "rushlight.fx._symbolic_trace"  # where code from graphs finds it


def placeholders_of(tracer: Any, name: str, value: Any, signature: inspect.Signature) -> Any:
    """A fixed argument: checked placeholders, and in their place what they were fixed to."""
    count = 0

    def replace(x):
        nonlocal count
        count += 1
        default = signature.parameters[name].default
        args = () if default is inspect.Parameter.empty else (default,)
        out = tracer.create_proxy("placeholder", f"{name}_{count}", args, {})
        if isinstance(x, PHBase):
            if x is not PH:
                out.node.meta.update(x.__dict__)
            return out
        _check_in_graph(tracer, name, x, out)
        return x

    return pytree.tree_map(replace, value)


def _check_in_graph(tracer, name, value, out):
    """Nodes that check that a fixed argument is given the same again."""
    said = f"{name} has been specialized to have value {value} but got another value"
    if type(value) is bool or isinstance(value, base_types) and not isinstance(value, torch.Tensor):
        tracer.create_proxy("call_function", torch._assert, (out == value, said), {})
    elif value is None:
        tracer.create_proxy("call_function", _assert_is_none, (out, said), {})
    else:
        warnings.warn(
            f"Was not able to add assertion to guarantee correct input {name} to specialized "
            "function. It is up to the user to make sure that your inputs match the inputs you "
            "specialized the function with.",
            stacklevel=2,
        )


def by_leaves(
    graph: Any, root_fn: Callable[..., Any], args: list[Any], names: list[str], concrete: Any
) -> tuple[Callable[..., Any], list[Any]]:
    """Where arguments are containers: a function of their leaves, and those."""
    if concrete is None:
        return root_fn, args
    leaves, spec = pytree.tree_flatten(tuple(args))
    if all(child.is_leaf() for child in spec.children()):
        return root_fn, args
    graph._codegen = _PyTreeCodeGen(_PyTreeInfo(names, spec, None))

    def of_leaves(*args):
        result = root_fn(*pytree.tree_unflatten(list(args), spec))
        out, out_spec = pytree.tree_flatten(result)
        codegen = graph._codegen
        codegen.pytree_info = codegen.pytree_info._replace(out_spec=out_spec)
        return out

    return of_leaves, leaves
