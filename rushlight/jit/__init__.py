"""torch.jit: programs as graphs that are printed, saved, loaded and run without their source.

`script` compiles Python source with its control flow, `trace` records one run of a program. With
PYTORCH_JIT=0 in the environment both give what they are given, as in PyTorch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._marks import annotate, export, ignore, interface, isinstance, unused  # noqa: F401
    from ._trace import trace, trace_module  # noqa: F401

__all__ = [
    "Attribute",
    "CompilationUnit",
    "Error",
    "Future",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "enable_onednn_fusion",
    "export",
    "export_opnames",
    "fork",
    "freeze",
    "interface",
    "ignore",
    "isinstance",
    "load",
    "onednn_fusion_enabled",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "set_fusion_strategy",
    "strict_fusion",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

# module: the public names that it holds
_HOMES = {
    "_marks": "annotate export ignore interface isinstance unused fork wait _overload "
    "_overload_method _unwrap_optional",
    "_attribute": "Attribute",
    "_function": "ScriptFunction",
    "_run_errors": "Error",
    "_script": "ScriptModule RecursiveScriptModule TopLevelTracedModule TracedModule",
    "_trace": "trace trace_module script_if_tracing ONNXTracedModule _get_trace_graph "
    "_unique_state_dict",
    "_trace_check": "TracingCheckError",
    "_traced_values": "TracerWarning",
    "_archive": "save load jit_module_from_flatbuffer save_jit_module_to_flatbuffer",
    "_frozen": "freeze optimize_for_inference run_frozen_optimizations export_opnames",
    "_settings": "enable_onednn_fusion onednn_fusion_enabled set_fusion_strategy strict_fusion "
    "last_executed_optimized_graph optimized_execution fuser _hide_source_ranges",
    "_scripting": "script script_method CompilationUnit ScriptWarning RecursiveScriptClass",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
_SUBMODULES = "_script _state _trace _recursive _serialization annotations frontend".split()


def is_scripting() -> bool:
    """Whether code is being compiled: not where Python runs it."""
    return False


def is_tracing() -> bool:
    """Whether calls are being recorded here."""
    values = sys.modules.get(f"{__name__}._traced_values")
    return values is not None and values.current() is not None


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        found = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    elif name in _SUBMODULES:
        found = import_module(f"{__name__}.{name}")
    elif name == "Final":
        from typing import Final as found  # type: ignore[assignment]
    elif name == "Future":
        from ..futures import Future as found  # type: ignore[assignment]
    elif name in ("_fork", "_wait"):
        found = getattr(import_module(f"{__name__}._marks"), name[1:])
    else:
        raise AttributeError(f"module 'torch.jit' has no attribute '{name}' (docs/gaps.md)")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, "Final", "Future", *_SUBMODULES})


del annotations  # the feature; the module of that name loads when asked for
