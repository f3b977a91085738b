"""Graphs of PyTorch's operators, made by running a program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import rushlight as torch

from ...utils._pytree import tree_leaves, tree_map
from .._symbolic_trace import PH
from ..graph_module import GraphModule
from ..interpreter import Interpreter
from ..proxy import Proxy
from ._tracing_modes import ProxyTorchDispatchMode as ProxyTorchDispatchMode
from ._tracing_modes import PythonKeyTracer as PythonKeyTracer
from ._tracing_modes import decompose as decompose
from ._tracing_modes import disable_proxy_modes_tracing as disable_proxy_modes_tracing
from ._tracing_modes import get_innermost_proxy_mode as get_innermost_proxy_mode
from ._tracing_modes import get_proxy_mode as get_proxy_mode

__all__ = [
    "PythonKeyTracer",
    "dispatch_trace",
    "make_fx",
    "DecompositionInterpreter",
    "get_innermost_proxy_mode",
    "get_proxy_mode",
]

Tensor = torch.Tensor
_VARIED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def make_fx(
    f: Callable[..., Any],
    decomposition_table: Mapping[Any, Callable[..., Any]] | None = None,
    tracing_mode: str = "real",
    _allow_non_fake_inputs: bool = False,
    *,
    pre_dispatch: bool = False,
    record_module_stack: bool = False,
    _allow_fake_constant: bool = False,
    _error_on_data_dependent_ops: bool = True,
    **_: Any,
) -> Callable[..., GraphModule]:
    """A function that runs `f` on its arguments and gives the graph of operators that ran.

    `tracing_mode` "fake" and "symbolic" run on tensors without elements; the sizes are those of the
    arguments. `decomposition_table` has functions to trace in place of operators.
    """
    if tracing_mode not in ("real", "fake", "symbolic"):
        raise ValueError(f"Unexpected tracing type: {tracing_mode}")

    @functools.wraps(f)
    def traced(*args: Any) -> GraphModule:
        places = tree_map(lambda _: PH, args)
        given = args if tracing_mode == "real" else _without_elements(args)
        tracer = PythonKeyTracer()
        mode = ProxyTorchDispatchMode(
            tracer,
            tracing_mode,
            pre_dispatch,
            _allow_fake_constant,
            _error_on_data_dependent_ops,
            decomposition_table,
        )
        program = f if _has_names(f) else fake_signature(f, len(places))
        return dispatch_trace(wrap_key(program, given, tracer, mode), tracer, tuple(places))

    return traced


def _has_names(f):
    code = getattr(inspect.unwrap(f), "__code__", None)
    return isinstance(inspect.unwrap(f), FunctionType) and not code.co_flags & _VARIED


def fake_signature(fn: Callable[..., Any], nargs: int) -> Callable[..., Any]:
    """The function with arguments called arg0, arg1, ..."""
    names = ", ".join(f"arg{i}" for i in range(nargs))
    return eval(f"lambda {names}: fn({names})", {"fn": fn})


def _without_elements(args):
    from ..._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    return tree_map(lambda a: mode.from_tensor(a) if isinstance(a, Tensor) else a, args)


def wrap_key(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    tracer: PythonKeyTracer,
    mode: ProxyTorchDispatchMode,
) -> Callable[..., Any]:
    """`f` as a function of proxies, which runs it on `args` while `mode` writes down what runs."""

    @functools.wraps(f)
    def wrapped(*proxies: Any) -> Any:
        leaves = tree_leaves(args), tree_leaves(proxies)
        for value, proxy in zip(*leaves, strict=True):
            if isinstance(value, Tensor) and isinstance(proxy, Proxy):
                tracer.track(value, proxy)
        with mode:
            out = f(*args)
        return tree_map(lambda v: _result(tracer, v), out)

    return wrapped


def _result(tracer, value):
    """What stands for a value that the program returned."""
    if not isinstance(value, Tensor):
        return value
    proxy = tracer.proxy_of(value)
    return Proxy(tracer.create_arg(value), tracer) if proxy is None else proxy


def dispatch_trace(
    root: torch.nn.Module | Callable[..., Any],
    tracer: Any,
    concrete_args: tuple[Any, ...] | None = None,
) -> GraphModule:
    """The module of what the tracer makes of a function."""
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, torch.nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)


def get_isolated_graphmodule(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tracing_mode: str = "real",
    decomposition_table: Mapping[Any, Callable[..., Any]] | None = None,
) -> GraphModule:
    """The graph of a call, made while whatever else is tracing does not see it."""
    leaves = [v for v in tree_leaves((args, kwargs)) if isinstance(v, Tensor)]

    def program(*given):
        rest = iter(given)
        filled = tree_map(lambda v: next(rest) if isinstance(v, Tensor) else v, (args, kwargs))
        return func(*filled[0], **filled[1])

    with disable_proxy_modes_tracing():
        return make_fx(program, decomposition_table, tracing_mode)(*leaves)


class DecompositionInterpreter(Interpreter):
    """Runs a graph of operators into another one, with some taken apart."""

    def __init__(
        self,
        module: GraphModule,
        new_graph: Any,
        decomposition_table: Mapping[Any, Callable[..., Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, **kwargs)
        self.new_graph = new_graph
        self.tracer = PythonKeyTracer()
        self.tracer.graph, self.tracer.root = new_graph, module
        self.tracer.tensor_attrs = {}
        self.mode = ProxyTorchDispatchMode(self.tracer, decomposition_table=decomposition_table)

    def placeholder(self, target: str, args: tuple, kwargs: dict) -> Any:
        """The argument, with a placeholder of the new graph."""
        value = super().placeholder(target, args, kwargs)
        if isinstance(value, Tensor):
            self.tracer.track(value, Proxy(self.new_graph.placeholder(target), self.tracer))
        return value

    def get_attr(self, target: str, args: tuple, kwargs: dict) -> Any:
        """The attribute, read in the new graph too."""
        value = super().get_attr(target, args, kwargs)
        if isinstance(value, Tensor):
            self.tracer.track(value, Proxy(self.new_graph.get_attr(target), self.tracer))
        return value

    def output(self, target: str, args: tuple, kwargs: dict) -> Any:
        """The result, of the new graph too."""
        value = super().output(target, args, kwargs)
        made = tree_map(lambda v: _result(self.tracer, v), value)
        self.new_graph.output(self.tracer.create_arg(made))
        return value

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The result; the new graph is there afterwards."""
        with self.mode:
            return super().run(*args, **kwargs)
