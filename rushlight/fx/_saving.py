"""GraphModules in pickles, as Python packages, and on the screen."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .. import nn
from ._code_types import custom_globals
from ._codegen import CodeGen, _PyTreeCodeGen

_HOOKS = ("_replace_hooks", "_create_node_hooks", "_erase_node_hooks", "_deepcopy_hooks")
# Modules whose repr builds them again.
_BUILT_BY_REPR = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d,
    nn.ConvTranspose3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
)  # fmt: skip


def import_block(globals_: dict[str, Any]) -> str:
    """The lines that import what generated code uses."""
    names = {**custom_globals(), **globals_}
    return "\n".join(sorted({_import(name, thing) for name, thing in names.items()})) + "\n"


def _import(name, thing):
    root = __name__.partition(".")[0]
    special = {
        "torch": f"import {root} as torch",
        "device": f"from {root} import device",
        "fx_pytree": f"import {root}.fx._pytree as fx_pytree",
        "pytree": f"import {root}.utils._pytree as pytree",
        "NoneType": "NoneType = type(None)",
        "inf": "from math import inf",
        "nan": "from math import nan",
    }
    if name in special:
        return special[name]
    if isinstance(thing, str) or not hasattr(thing, "__name__"):
        return f"{name} = {thing!r}"
    module, own = thing.__module__, thing.__qualname__
    if module == "builtins" or "." in own:
        holder, _, own = own.rpartition(".")
        module = f"{module}.{holder}" if holder else module
    if "<" in own:
        raise RuntimeError(f"{name}: {thing} cannot be imported from {module}")
    return f"from {module} import {own} as {name}"


def saved_state(module: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes of a GraphModule without its graph, and the globals of its code."""
    state = dict(module.__dict__)
    graph = state.pop("_graph")
    state.update({name: [] for name in _HOOKS})
    state["_graphmodule_cls_name"] = type(module).__name__
    if isinstance(graph._codegen, _PyTreeCodeGen):  # traced again leaf by leaf
        state["_codegen"], graph._codegen = graph._codegen, CodeGen()
        try:
            made = graph.python_code(root_module="self")
        finally:
            graph._codegen = state["_codegen"]
        state["_code"] = made.src
    else:
        made = graph.python_code(root_module="self")
    return state, made.globals


def rebuilt(forward: Callable[..., Any], body: nn.Module, cls: type) -> nn.Module:
    """A GraphModule from the code of its forward and its attributes."""
    from ._symbolic_trace import Tracer

    extras = body.__dict__.get("_tracer_extras") or {}
    base = body.__dict__.get("_tracer_cls") or Tracer

    class KeepModules(base):  # type: ignore[misc, valid-type]
        """Traces the code as it stands: every module is called whole."""

        def is_leaf_module(self, m, module_qualified_name):
            return True

    class Body(type(body)):  # type: ignore[misc]
        """The attributes, with the forward to trace."""

    Body.forward = forward  # type: ignore[attr-defined]
    holder = Body(body.__dict__)
    graph = KeepModules().trace(holder, **extras)
    graph._tracer_cls = base
    codegen = holder.__dict__.pop("_codegen", None)
    if codegen is not None:
        graph.set_codegen(codegen)
    name = holder.__dict__.pop("_graphmodule_cls_name", "GraphModule")
    made = cls(holder, graph, class_name="GraphModule" if cls.__name__ == "GraphModule" else name)
    for key, value in holder.__dict__.items():
        if not hasattr(made, key):
            setattr(made, key, value)
    return made


def to_folder(module: Any, folder: str | os.PathLike[str], module_name: str) -> None:
    """Write `module` as a package that does not need torch.fx to be read."""
    from pathlib import Path

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    torch.save(module.state_dict(), place / "state_dict.pt")
    tab = " " * 4
    made = module.graph.python_code(root_module="self")
    lines = [import_block(made.globals), f"from {_root()}.nn import *", ""]
    lines += [f"class {module_name}(torch.nn.Module):", f"{tab}def __init__(self):"]
    lines += [f"{tab * 2}super().__init__()"]
    pickled = []
    for name, child in module.named_children():
        text = repr(child) if isinstance(child, _BUILT_BY_REPR) else None
        if text is None:
            torch.save(child, place / f"{name}.pt")
            shown = str(child).replace("\n", " ").replace("\r", " ")
            lines.append(f"{tab * 2}# {shown}")
            text = f"torch.load(r'{place / f'{name}.pt'}', weights_only=False)"
            pickled.append(name)
        lines.append(f"{tab * 2}setattr(self, {name!r}, {text})")
    for name, buffer in module._buffers.items():
        if buffer is not None:
            lines.append(f"{tab * 2}self.register_buffer({name!r}, {_empty_like(buffer)})")
    for name, parameter in module._parameters.items():
        if parameter is not None:
            value = f"torch.nn.Parameter({_empty_like(parameter)})"
            lines.append(f"{tab * 2}setattr(self, {name!r}, {value})")
    lines.append(f"{tab * 2}self.load_state_dict(torch.load(r'{place / 'state_dict.pt'}'))")
    code = "".join(f"{tab}{line}".rstrip() + "\n" for line in made.src.split("\n"))
    (place / "module.py").write_text("\n".join(lines) + "\n" + code)
    (place / "__init__.py").write_text("from .module import *\n")
    if pickled:
        import warnings

        warnings.warn(
            "Was not able to save the following children modules as reprs -"
            f"saved as pickled files instead: {pickled}",
            stacklevel=3,
        )


def _root():
    return __name__.partition(".")[0]


def _empty_like(tensor):
    return f"torch.empty({list(tensor.shape)}, dtype={tensor.dtype})"


def readable(
    module: Any, name: str, include_stride: bool, include_device: bool, expanded_def: bool
) -> str:
    """The code of a GraphModule as a class, with notes, and of those inside of it."""
    from .graph_module import GraphModule

    made = module.graph.python_code(
        root_module="self",
        verbose=True,
        include_stride=include_stride,
        include_device=include_device,
        expanded_def=expanded_def,
    )
    code = made.src.strip("\n ") + "\n"
    text = f"class {name}(torch.nn.Module):\n{_indented(code)}"
    parts = [
        _indented(readable(child, key, include_stride, include_device, expanded_def))
        for key, child in module.named_children()
        if isinstance(child, GraphModule)
    ]
    return "\n".join([text, *parts])


def _indented(text):
    return "\n".join(f"    {line}" if line.strip() else line.strip() for line in text.split("\n"))
