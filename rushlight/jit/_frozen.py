"""torch.jit.freeze and what goes with it."""

from __future__ import annotations

from typing import Any

from ._fold import fold
from ._script import RecursiveScriptModule, ScriptModule
from ._script_objects import ModuleObject, is_module


def freeze(
    mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True
) -> RecursiveScriptModule:
    """A copy of a compiled module in eval mode whose parameters and attributes are constants.

    Attributes and methods of `preserved_attrs` stay; `optimize_numerics` allows foldings that
    change the last digits. RuntimeError for other modules, and for those in training mode.
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            "Freezing expects a ScriptModule as input. Please use torch.jit.script or "
            "torch.jit.trace to script your 'nn.Module'."
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() "
            "on your module before freezing."
        )
    from ._freeze import freeze_module

    preserved = list(preserved_attrs or ())
    made = freeze_module(mod, preserved)
    methods = [n for n in preserved if n in mod._jit_type.methods]
    run_frozen_optimizations(made, optimize_numerics, methods)
    return made


def run_frozen_optimizations(
    mod: ScriptModule, optimize_numerics: bool = True, preserved_methods: list[str] | None = None
) -> None:
    """Fold batch norms and arithmetic with constants into the layers before them, in place."""
    if not optimize_numerics:
        return
    for name in ("forward", *(preserved_methods or ())):
        method = mod._jit_type.methods.get(name)
        if method is not None:
            fold(method.graph)
            method._debug_flush_compilation_cache()


def optimize_for_inference(
    mod: ScriptModule, other_methods: list[str] | None = None
) -> ScriptModule:
    """A compiled module that is frozen, in eval mode, with everything folded.

    Weights are packed for the processor when the operators first run.
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            "optimize_for_inference expects a ScriptModule as input. Please use torch.jit.script "
            "or torch.jit.trace to script your 'nn.Module'."
        )
    if "training" in mod._jit_type.attributes:
        mod = freeze(mod.eval(), preserved_attrs=other_methods)
    return mod


def export_opnames(m: ScriptModule | ModuleObject) -> list[str]:
    """The names of the operators that a compiled module calls, sorted."""
    module = m._module if isinstance(m, ModuleObject) else m
    found: set[str] = set()
    seen: set[int] = set()
    left = [module._jit_type]
    while left:
        of = left.pop()
        if id(of) in seen:
            continue
        seen.add(id(of))
        left += [t for t in of.attributes.values() if is_module(t)]
        for method in of.methods.values():
            found |= _operators(method.inlined_graph)
    return sorted(found)


def _operators(graph: Any) -> set[str]:
    from ._schema import schema_of

    found = set()
    for node in graph.all_nodes():
        schema = schema_of(node) if node.kind().startswith("aten::") else None
        if schema is not None:
            overload = f".{schema.overload_name}" if schema.overload_name else ""
            found.add(schema.name + overload)
    return found
