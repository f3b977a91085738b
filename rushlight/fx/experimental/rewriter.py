"""Asserts traced: functions are rewritten before they run."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any

import rushlight as torch

from ..._module_names import in_rushlight
from .._symbolic_trace import Tracer
from ..graph import Graph


class AST_Rewriter(ast.NodeTransformer):
    """Makes `assert x, "words"` a call of torch._assert, and drops annotations of variables."""

    def rewrite(self, fn: FunctionType) -> FunctionType:
        """The function with its asserts as calls."""
        source = textwrap.dedent(inspect.getsource(fn))
        tree = ast.fix_missing_locations(self.visit(ast.parse(source)))
        code = compile(tree, "", "exec")
        names = {**fn.__globals__, "torch": torch}
        before = set(names)
        made: dict[str, Any] = {}
        exec(code, names, made)
        own = [n for n in made if n not in before or n == fn.__name__]
        rewritten = made[own[0]]
        code = rewritten.__code__
        if fn.__closure__ and code.co_freevars != fn.__code__.co_freevars:
            return fn
        result = FunctionType(code, names, fn.__name__, fn.__defaults__, fn.__closure__)
        result.__kwdefaults__ = fn.__kwdefaults__
        return _named(result, fn)

    def visit_Assert(self, node: ast.Assert) -> ast.Expr:
        """`torch._assert(test, words)`."""
        function = ast.parse("torch._assert", mode="eval").body
        words = node.msg or ast.Constant(value="")
        call = ast.Call(func=function, args=[node.test, words], keywords=[])
        return ast.copy_location(ast.Expr(value=call), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """`x = annotate(value, type)` as in the source, without the annotation."""
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)


def _named(made, fn):
    made.__module__, made.__qualname__ = fn.__module__, fn.__qualname__
    made.__annotations__ = fn.__annotations__
    return made


class RewritingTracer(Tracer):
    """A tracer for which asserts are steps."""

    def trace(
        self,
        root: torch.nn.Module | Callable[..., Any],
        concrete_args: dict[str, Any] | None = None,
    ) -> Graph:
        """The graph, with asserts."""
        return super().trace(_rewrite(root), concrete_args)


def _rewrite(fn: torch.nn.Module | Callable[..., Any]) -> Any:
    if not isinstance(fn, torch.nn.Module):
        return AST_Rewriter().rewrite(fn)

    return _with_forwards(fn)


def _with_forwards(module):
    """A module, sharing parameters, whose forward and those of its children are rewritten."""
    made = copy.copy(module)
    made._modules = {name: m and _with_forwards(m) for name, m in module._modules.items()}
    kind = type(module)
    if not in_rushlight(kind.__module__).startswith("rushlight.nn"):
        forward = AST_Rewriter().rewrite(kind.forward)
        made.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return made
