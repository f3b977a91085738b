"""What a compiled module holds, as text: `module._c.dump_to_str()`."""

from __future__ import annotations

from .. import Tensor
from ._ir_tensor import elements_text
from ._script import ScriptModule
from ._script_objects import is_module


def dumped(module: ScriptModule, code: bool, attributes: bool, parameters: bool) -> str:
    """Parameters, attributes, graphs of methods, and the same of the modules within."""
    return "\n".join(_lines(module, code, attributes, parameters)) + "\n"


def _lines(module: ScriptModule, code: bool, attributes: bool, parameters: bool) -> list[str]:
    of = module._jit_type
    values = module._attribute_values()
    lines = [f"module {of.qualified_name()} {{", "  parameters {"]
    for name, value in values.items():
        if name in of.parameters:
            lines += _attribute(name, value, parameters)
    lines += ["  }", "  attributes {"]
    for name, value in values.items():
        lines += _attribute(name, value, attributes)
    lines += ["  }", "  methods {"]
    for name, function in of.methods.items():
        lines.append(f"    method {name} {{")
        if code:
            lines += ["      " + line for line in str(function.graph).split("\n")]
        lines.append("    }")
    lines += ["  }", "  submodules {"]
    for name, kind in of.attributes.items():
        if is_module(kind):
            lines += ["    " + line for line in _lines(values[name], code, attributes, parameters)]
    return [*lines, "  }", "}"]


def _attribute(name: str, value, shown: bool) -> list[str]:
    if isinstance(value, Tensor):
        text = elements_text(value) if shown else "..."
    elif hasattr(value, "_jit_type"):
        text = f"<{value._jit_type.qualified_name()} object at {id(value):#x}>"
    else:
        text = repr(value)
    return ["    " + line for line in f"{name} = {text}".split("\n")]
