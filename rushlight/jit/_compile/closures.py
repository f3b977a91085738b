"""Work that runs beside the rest: torch.jit.fork."""

from __future__ import annotations

import ast

from .. import _types as T
from .._ir import Graph
from .calling import fail
from .calls import arguments
from .values import Simple, Sugared


def fork(b, node: ast.Call, at) -> Sugared:
    """`fork(function, *args)`: the call becomes a graph of its own, run as a task."""
    if not node.args:
        fail(at, "Expected at least one argument to fork()")
    function = b.expression(node.args[0])
    args, kwargs = arguments(b, node, skip=1)
    b.graph, outer = Graph(), b.graph
    frame, block, kept = b.frame, b.block, b.kept
    captured: dict = {}
    try:
        from .builder import Frame

        b.block, b.kept = b.graph.block(), {}
        b.frame = Frame(b.block, None)
        inner = [_captured(b, a, captured) for a in args]
        named = [_captured(b, k, captured) for k in kwargs]
        function = _rebound(b, function, captured)
        result = function.call(b, at, inner, named).value(b, at)
        made = b.graph
        made.registerOutput(result)
    finally:
        b.graph, b.frame, b.block, b.kept = outer, frame, block, kept
    from .cleanup import tidy

    tidy(made)
    task = b.node("prim::fork", list(captured), at, 1)
    task.g_("Subgraph", made)
    return Simple(task.output().setType(T.FutureType(result.type())))


def _captured(b, arg, captured: dict):
    from .values import Arg

    if not isinstance(arg.given, Simple):
        return arg
    return Arg(Simple(_input(b, arg.given.ir, captured)), arg.at, arg.name)


def _input(b, value, captured: dict):
    if value not in captured:
        captured[value] = b.graph.block().addInputToBlock().setType(value.type())
    return captured[value]


def _rebound(b, function: Sugared, captured: dict) -> Sugared:
    """A method's object goes into the task as an input."""
    from .modules import ModuleValue
    from .python_values import Builtin, Method

    if isinstance(function, Method):
        return Method(_input(b, function.me, captured), function.function, function.name)
    if isinstance(function, ModuleValue):
        return ModuleValue(_input(b, function.ir, captured), function.concrete)
    if isinstance(function, Simple):
        return Simple(_input(b, function.ir, captured))
    if type(function) is Builtin and function.me is not None:
        return Builtin(function.name, _input(b, function.me, captured))
    return function
