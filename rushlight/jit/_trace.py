"""torch.jit.trace: a program as the operators that one run of it called."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .. import _C, Tensor
from ..nn import Module
from . import _traced_values as traced_values
from . import _types as T
from ._function import ScriptFunction
from ._module_types import module_type, qualified_name, state_of
from ._script import ScriptModule, TopLevelTracedModule, TracedModule
from ._trace_arguments import inputs_of, output_of
from ._trace_scopes import remove_unused, to_methods
from ._traced_values import current
from ._tracer import Tracer

_DEPRECATED = "`torch.jit.{}` is deprecated. Please switch to `torch.compile` or `torch.export`."


class ONNXTracedModule(Module):
    """A module that records itself anew at each call: (graph, outputs)."""

    def __init__(
        self,
        inner,
        strict: bool = True,
        force_outplace: bool = False,
        return_inputs: bool = False,
        return_inputs_states: bool = False,
    ) -> None:
        super().__init__()
        self.inner = inner
        self.strict = strict
        self._return_inputs = return_inputs

    def forward(self, *args, **kwargs):
        """(graph, what the module gave)."""
        graph, outputs = _flat_record(self.inner, args, kwargs, self.strict)
        return (graph, outputs, args) if self._return_inputs else (graph, outputs)


def _flat_record(mod: Module, args, kwargs, strict: bool):
    """The graph of a module with the tensors of its state as inputs behind the arguments."""
    from ._passes import dce, inline

    types: dict = {}
    module_type(mod, types=types)
    graph, outputs = record(mod, args, kwargs, strict, types, mod)
    inline(graph)
    made = {name: graph.addInput() for name in _unique_state_dict(mod, keep_vars=True)}
    first = next(graph.inputs())
    names = {id(t): n for n, t in _unique_state_dict(mod, keep_vars=True).items()}
    paths = {first: ""}
    for node in list(graph.nodes()):
        if node.kind() != "prim::GetAttr":
            continue
        path = paths[node.input()] + node.s("name")
        paths[node.output()] = path + "."
        owner, _, leaf = path.rpartition(".")
        holder = mod.get_submodule(owner)
        tensor = holder._parameters.get(leaf, holder._buffers.get(leaf))
        if tensor is not None:
            value = made[names[id(tensor)]]
            value.setType(T.TensorType.create_from_tensor(tensor))
            node.output().replaceAllUsesWith(value)
    dce(graph)
    graph.eraseInput(0)
    return graph, outputs


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict | None = None,
    _store_inputs: bool = True,
) -> Any:
    """Run a function or a module on example inputs and record it.

    Gives a ScriptFunction or a module that does the same to other inputs: sizes are followed,
    decisions in Python are not (a TracerWarning says where). Unless `check_trace` is False, the
    trace is then run on the same inputs (or on `check_inputs`) and compared with the program.
    """
    if not _enabled():
        return func
    if optimize is not None:
        warnings.warn(
            "`optimize` is deprecated and has no effect. Use `with "
            "torch.jit.optimized_execution()` instead",
            FutureWarning,
            stacklevel=2,
        )
    warnings.warn(_DEPRECATED.format("trace"), DeprecationWarning, stacklevel=2)
    if isinstance(func, ScriptModule) and func._is_compiled():
        warnings.warn(
            "The input to trace is already a ScriptModule, tracing it is a no-op. Returning the "
            "object as is.",
            stacklevel=2,
        )
        return func
    owner = func if isinstance(func, Module) else getattr(func, "__self__", None)
    if isinstance(owner, Module) and (owner is func or func.__name__ == "forward"):
        inputs = example_inputs if example_kwarg_inputs is None else example_kwarg_inputs
        if inputs is None:
            raise RuntimeError("example_kwarg_inputs should be a dict")
        checks = None if check_inputs is None else [{"forward": c} for c in check_inputs]
        return _trace_module(
            owner, {"forward": inputs}, check_trace, checks, check_tolerance, strict,
            example_kwarg_inputs is not None,
        )  # fmt: skip
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    args, kwargs = _arguments(example_inputs, example_kwarg_inputs)
    made = _traced_function(func, args, kwargs, strict, _force_outplace)
    if check_trace and not _checking:
        from ._trace_check import check_traced

        again = [c if isinstance(c, tuple) else (c,) for c in check_inputs or ()]
        check_traced(
            lambda a, k: _traced_function(func, a, k, strict, _force_outplace),
            made, func, made.graph, [(args, kwargs), *((c, {}) for c in again)], check_tolerance,
        )  # fmt: skip
    return made


_checking: list = []  # not empty while a trace is checked


def _enabled() -> bool:
    from ._state import _enabled as state

    return state.enabled


def _arguments(inputs, keywords):
    """(positional, by keyword) of what the user gave."""
    if keywords is not None:
        if not isinstance(keywords, dict):
            raise RuntimeError("example_kwarg_inputs should be a dict")
        return (), keywords
    if isinstance(inputs, Tensor | dict):
        return (inputs,), {}
    if not isinstance(inputs, tuple):
        inputs = tuple(inputs)
    return inputs, {}


def _traced_function(func: Callable, args, kwargs, strict: bool, force_outplace: bool = False):
    graph, _ = record(func, args, kwargs, strict, {}, None, force_outplace)
    name = qualified_name(func)
    made = ScriptFunction(name, graph, doc=getattr(func, "__doc__", None))
    made._argument_names = [v.debugName() for v in graph.inputs()]
    made._traced_inputs = (args, kwargs)
    return made


def trace_module(
    mod: Module,
    inputs: dict,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_inputs_is_kwarg: bool = False,
    _store_inputs: bool = True,
) -> Any:
    """Record several methods of a module: `inputs` maps their names to example inputs."""
    if not _enabled():
        return mod
    warnings.warn(_DEPRECATED.format("trace_method"), DeprecationWarning, stacklevel=2)
    return _trace_module(
        mod, inputs, check_trace, check_inputs, check_tolerance, strict, example_inputs_is_kwarg
    )


def _trace_module(mod, inputs, check_trace, check_inputs, tolerance, strict, by_keyword):
    if not isinstance(mod, Module):
        raise AttributeError("expected torch.nn.Module as the first argument")
    if not isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    made = _recorded_module(mod, inputs, strict, by_keyword)
    if check_trace and not _checking:
        from ._trace_check import check_traced

        for name, example in inputs.items():
            given = [_method_arguments(name, example, by_keyword)]
            given += [_method_arguments(name, c[name], by_keyword) for c in check_inputs or ()]

            def again(args, kwargs, name=name):
                example = kwargs if by_keyword else args
                return getattr(_recorded_module(mod, {name: example}, strict, by_keyword), name)

            own = mod if name == "forward" else getattr(mod, name)
            traced = getattr(made, name)
            check_traced(again, traced, own, traced.graph, given, tolerance)
    return made


def _method_arguments(name, example, by_keyword):
    return _arguments(None, example) if by_keyword else _arguments(example, None)


def _recorded_module(mod: Module, inputs: dict, strict: bool, by_keyword: bool):
    types: dict = {}
    module_type(mod, types=types)
    root = types["__module"]
    for name, example in inputs.items():
        func = mod if name == "forward" else getattr(mod, name)
        args, kwargs = _method_arguments(name, example, by_keyword)
        graph, _ = record(func, args, kwargs, strict, types, mod, name=name)
        root.methods.pop(name, None)
        root.methods[name] = ScriptFunction(f"{root.qualified_name()}.{name}", graph)
        root.methods[name]._argument_names = [
            v.debugName().partition(".")[0] for v in graph.inputs()
        ]
    return _built(mod, "__module", types)


def _built(mod: Module, path: str, types: dict):
    """The compiled module over the same tensors; one that stands in two places becomes two."""
    kind = TopLevelTracedModule if path == "__module" else TracedModule
    state = state_of(mod, lambda child, name: _built(child, f"{path}.{name}", types))
    made = kind._construct(types[path], state)
    made.__dict__["_non_persistent_buffers_set"] = set(mod._non_persistent_buffers_set)
    return made


# -- one run ---------------------------------------------------------------------------------------


def record(func, args, kwargs, strict, types, mod, force_outplace=False, name="forward"):
    """(graph, outputs) of one run; `types` maps paths of the modules of `mod` to their types."""
    attributes, paths = _attributes(mod)
    tracer = Tracer(attributes, force_outplace)
    graph = tracer.graph
    self_value = None
    if mod is not None:
        self_value = graph.addInput("self").setType(types["__module"])
    args, kwargs = inputs_of(tracer, func if name != "forward" or mod is None else mod.forward,
                           args, kwargs)  # fmt: skip
    tracer.module_paths = paths
    scopes = _Scopes(tracer, paths)
    with _Recording(tracer, scopes):
        if mod is not None and name == "forward":
            outputs = mod(*args, **kwargs)
        else:
            outputs = func(*args, **kwargs)
        tracer.locate()
        value = output_of(tracer, outputs, strict)
    graph.source, graph.scope = None, ""
    if value is not None:
        graph.registerOutput(value)
    if mod is not None:
        to_methods(graph, types, self_value)
    else:
        remove_unused(graph)
    return graph, outputs


def _attributes(mod) -> tuple[dict, dict]:
    """(paths of tensors, paths of modules), by id; the first that leads to each."""
    tensors: dict[int, str] = {}
    modules: dict[int, str] = {}
    if mod is None:
        return tensors, modules
    for name, module in mod.named_modules():
        path = f"__module.{name}" if name else "__module"
        modules[id(module)] = path
        for own, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None:
                tensors.setdefault(id(tensor), f"{path}.{own}")
    return tensors, modules


class _Scopes:
    """Notes the modules that a program enters and leaves."""

    def __init__(self, tracer: Tracer, paths: dict[int, str]) -> None:
        self.tracer = tracer
        self.paths = paths
        self.open: list = []

    def enter(self, module, args) -> None:
        path = self.paths.get(id(module))
        whole = isinstance(module, ScriptModule) and module._is_compiled()  # a call of a method
        if path is None or path == "__module" or whole or not self.tracer.active:
            self.open.append(None)
            return
        graph = self.tracer.graph
        graph.source = None
        node = graph.create("prim::TracedModuleForward", [], 0).s_("scope", path)
        graph.insertNode(node)
        block = node.addBlock()
        self.open.append((node, graph.scope))
        graph.scope = f"{graph.scope}/{path}" if graph.scope else path
        graph.setInsertPoint(block)

    def leave(self, module, args, output) -> None:
        found = self.open.pop() if self.open else None
        if found is not None:
            node, scope = found
            graph = self.tracer.graph
            graph.scope = scope
            graph.setInsertPoint(node.next())


class _Recording:
    """While it is entered, the tracer sees what runs."""

    def __init__(self, tracer: Tracer, scopes: _Scopes) -> None:
        self.tracer, self.scopes = tracer, scopes

    def __enter__(self):
        from ..nn.modules.module import (
            register_module_forward_hook,
            register_module_forward_pre_hook,
        )
        from ._traced_calls import watch

        self.handles = [
            register_module_forward_pre_hook(self.scopes.enter),
            register_module_forward_hook(self.scopes.leave, always_call=True),
        ]
        traced_values.install()
        watch(True)
        traced_values._tracers.append(self.tracer)
        _C.push_interpreter(self.tracer)

    def __exit__(self, *exc):
        from ._traced_calls import watch

        _C.pop_interpreter()
        traced_values._tracers.remove(self.tracer)
        watch(False)
        traced_values.uninstall()
        for handle in self.handles:
            handle.remove()


def script_if_tracing(fn: Callable) -> Callable:
    """Mark a function that is compiled, with its control flow, when a traced program calls it."""
    from functools import wraps

    @wraps(fn)
    def wrapper(*args, **kwargs):
        if current() is None:
            return fn(*args, **kwargs)
        from . import script

        return script(wrapper.__original_fn)(*args, **kwargs)

    wrapper.__original_fn = fn
    wrapper.__script_if_tracing_wrapper = True
    return wrapper


def _get_trace_graph(
    f: Any,
    args: Any = (),
    kwargs: dict | None = None,
    strict: bool = True,
    _force_outplace: bool = False,
    return_inputs: bool = False,
    _return_inputs_states: bool = False,
):
    """(graph, outputs) of one run of a function or a module."""
    args = args if isinstance(args, tuple) else (args,)
    if isinstance(f, Module):
        f = ONNXTracedModule(f, strict, _force_outplace, return_inputs)
        return f(*args, **(kwargs or {}))
    graph, outputs = record(f, args, kwargs or {}, strict, {}, None, _force_outplace)
    return (graph, outputs, args) if return_inputs else (graph, outputs)


def _unique_state_dict(module: Module, keep_vars: bool = False) -> dict:
    """The state of a module without what it holds a second time."""
    found: dict = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            found[name] = tensor if keep_vars else tensor.detach()
    return found
