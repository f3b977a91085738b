"""Functions of `torch._C` about graphs: passes, schemas, and switches of the executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _passes, _registry
from ._function_schema import FunctionSchema
from ._function_schema import parse_schema as _parse
from ._ir import Graph
from ._types import VarType, has_free_variables


def parse_schema(schema: str, allow_typevars: bool = True) -> FunctionSchema:
    """The schema of a text; type variables are refused if asked so."""
    found = _parse(schema)
    if not allow_typevars and any(has_free_variables(a.type) for a in found.arguments):
        variable = next(a for a in found.arguments if has_free_variables(a.type))
        raise RuntimeError(f"parse_schema: {variable} has a type variable: {VarType.__doc__}")
    return found


def get_all_schemas() -> list[FunctionSchema]:
    """The schemas of all operators."""
    return [s for name in _registry.names() for s in _registry.schemas_of(name)]


def get_schemas_for_operator(name: str) -> list[FunctionSchema]:
    """The schemas of one operator."""
    return list(_registry.schemas_of(name))


def _lint(graph: Graph) -> None:
    graph.lint()


def _canonicalize(graph: Graph, keep_unique_names: bool = True) -> Graph:
    """A copy whose values are numbered from zero; their names are dropped if asked so."""
    made = graph.copy()
    if not keep_unique_names:
        for value in list(made.names.owners.values()):
            made.names.forget(value)
    return made


def _pool_constants(graph: Graph) -> None:
    from ._compile.cleanup import pool_constants

    pool_constants(graph)


def _unshape(graph: Graph) -> None:
    """Forget what types say of single tensors."""
    values = [*graph.inputs(), *(o for n in graph.all_nodes() for o in n.outputs())]
    inner = [v for n in graph.all_nodes() for b in n.blocks() for v in b.inputs()]
    for value in (*values, *inner):
        value.setType(value.type().unshaped())


def _inline_forks(graph: Graph) -> None:
    """Compute what is forked where it is forked."""
    for node in graph.findAllNodes("prim::fork"):
        with graph.insert_point_guard(node):
            (made,) = graph.insertGraph(node.g("Subgraph"), list(node.inputs()))
        uses = [u.user for u in node.output().uses()]
        if all(user.kind() == "aten::wait" for user in uses):
            for user in uses:
                user.output().replaceAllUsesWith(made)
                user.destroy()
            node.destroy()


def _remove_mutation(graph: Graph) -> bool:
    from ._mutation import remove_mutation

    return remove_mutation(graph)


def _unroll(graph: Graph) -> bool:
    from ._unroll import loop_unrolling

    return loop_unrolling(graph)


_PASSES: dict[str, Callable] = {
    "remove_mutation": _remove_mutation,
    "loop_unrolling": _unroll,
    "constant_pooling": _pool_constants,
    "erase_shape_information": _unshape,
    "inline_fork_wait": _inline_forks,
    "inline": _passes.inline,
    "dce": _passes.dce,
    "constant_propagation": _passes.constant_propagation,
    "constant_propagation_immutable_types": _passes.constant_propagation_immutable_types,
    "cse": _passes.cse,
    "peephole": lambda graph, addmm_fusion_enabled=False: _passes.peephole(graph),
    "lower_all_tuples": _passes.lower_simple_tuples,
    "lint": _lint,
    "canonicalize": _canonicalize,
}
# Switches: nothing runs differently; what is set is what is answered.
_settings: dict[str, Any] = {
    "profiling_executor": True,
    "profiling_mode": True,
    "texpr_fuser_enabled": True,
    "nvfuser_enabled": False,
    "llga_enabled": False,
    "num_profiled_runs": 1,
    "bailout_depth": 20,
    "graph_executor_optimize": True,
    "can_fuse_on_cpu": True,
    "can_fuse_on_gpu": False,
    "te_must_use_llvm_cpu": False,
    "texpr_reductions_enabled": False,
    "symbolic_shapes_test_mode": False,
}
_ALIASES = {
    "_jit_texpr_fuser_enabled": "texpr_fuser_enabled",
    "_jit_nvfuser_enabled": "nvfuser_enabled",
    "_jit_llga_enabled": "llga_enabled",
    "_get_graph_executor_optimize": "graph_executor_optimize",
    "_jit_can_fuse_on_cpu": "can_fuse_on_cpu",
    "_jit_can_fuse_on_gpu": "can_fuse_on_gpu",
    "_jit_texpr_reductions_enabled": "texpr_reductions_enabled",
    "_jit_get_num_profiled_runs": "num_profiled_runs",
    "_jit_get_bailout_depth": "bailout_depth",
}


def _setter(name: str) -> Callable[[Any], Any]:
    def set_value(value: Any) -> Any:
        before, _settings[name] = _settings[name], value
        return before

    return set_value


def find(name: str) -> Any | None:
    """A function of `torch._C` by its name; None for another."""
    if name.startswith("_jit_pass_"):
        return _PASSES.get(name.removeprefix("_jit_pass_"))
    if name in _ALIASES:
        return lambda: _settings[_ALIASES[name]]
    for prefix in ("_jit_set_", "_jit_override_", "_set_"):
        if name.startswith(prefix) and name.removeprefix(prefix) in _settings:
            return _setter(name.removeprefix(prefix))
    return {
        "_jit_get_all_schemas": get_all_schemas,
        "_jit_get_schemas_for_operator": get_schemas_for_operator,
        "_jit_try_infer_type": _try_infer_type,
        "_get_tracing_state": _tracing_state,
        "_freeze_module": _freeze_module,
        "_create_function_from_graph": _function_of,
        "_logging_set_logger": _set_logger,
    }.get(name)


def _function_of(name: str, graph: Graph) -> Any:
    """A function that computes a graph."""
    from ._function import ScriptFunction

    return ScriptFunction(name, graph.copy())


def _set_logger(logger: Any) -> Any:
    """Count events with another logger; the one before."""
    from . import _execution

    before, _execution.logger = _execution.logger, logger
    return before


def _freeze_module(
    module: Any,
    preservedAttrs: Sequence[str] = (),  # noqa: N803
    freezeInterfaces: bool = True,  # noqa: N803
    preserveParameters: bool = False,  # noqa: N803
) -> Any:
    """A frozen copy of a compiled module, as the object that graphs run on."""
    from ._freeze import freeze_module

    return freeze_module(module._module, preservedAttrs, preserveParameters)._c


def _tracing_state() -> Any:
    """The recording that goes on here, or None."""
    from ._execution import TracingState
    from ._traced_values import current

    tracer = current()
    if tracer is None:
        return None
    if tracer.state is None:  # one for the whole recording: it keeps the scopes that are entered
        tracer.state = TracingState(tracer.graph)
    return tracer.state


def _try_infer_type(value: Any) -> Any:
    from ._constants import try_type_of

    return try_type_of(value)
