"""Names of PyTorch's own extension module that programs use although they are private.

`torch._C` finds them here: what there is of each under a public name, or what it answers in a
library without a dispatcher.
"""

from __future__ import annotations

from typing import Any

from .version import __version__

# name -> module and name of ours that does the same
_SAME = {
    "DisableTorchFunction": ("overrides", "DisableTorchFunction"),
    "DisableTorchFunctionSubclass": ("overrides", "DisableTorchFunctionSubclass"),
    "_DisableTorchDispatch": ("utils._mode_utils", "no_dispatch"),
    "_get_dispatch_stack_at": ("utils._python_dispatch", "_get_dispatch_stack_at"),
    "_len_torch_dispatch_stack": ("utils._python_dispatch", "_len_torch_dispatch_stack"),
    "_is_alias_of": ("_ops", "_is_alias_of"),
    "_is_torch_function_mode_enabled": ("overrides", "_is_torch_function_mode_enabled"),
    "TensorBase": ("", "Tensor"),
    "_TensorBase": ("", "Tensor"),
    "_VariableFunctions": ("", None),
    "_is_tracing": ("jit", "is_tracing"),
    "_from_dlpack": ("utils.dlpack", "from_dlpack"),
    "_infer_size": ("", "broadcast_shapes"),
    "_to_dlpack": ("utils.dlpack", "to_dlpack"),
    "device": ("", "device"),
    "layout": ("", "layout"),
    "memory_format": ("", "memory_format"),
}
# What functions without arguments answer here.
_ANSWERS: dict[str, Any] = {
    "_get_mkldnn_enabled": True,
    "_get_privateuse1_backend_name": "privateuseone",
    "_is_torch_function_enabled": True,
    "_len_torch_function_stack": 0,
}
_CONSTANTS: dict[str, Any] = {
    "_GLIBCXX_USE_CXX11_ABI": True,
    "_has_cuda": False,
    "_has_mkldnn": True,
    "has_lapack": True,
    "has_mkl": False,
    "has_openmp": True,
}


def find(name: str) -> Any:
    """The attribute `name` of `torch._C` that our extension module lacks."""
    if name in _SAME:
        from importlib import import_module

        where, own = _SAME[name]
        module = import_module("rushlight" + ("." if where else "") + where)
        return module if own is None else getattr(module, own)
    if name == "_TensorMeta":
        from . import Tensor

        return type(Tensor)
    if name == "_nn":
        return _nn_functions()
    if name in ("_fft", "_linalg", "_special"):
        return _prefixed_functions(name)
    if name == "_distributed_rpc":
        from types import SimpleNamespace

        made = SimpleNamespace(PyRRef=type("PyRRef", (), {"__module__": "torch._C"}))
        _CONSTANTS[name] = made
        return made
    if name == "_functorch":
        from ._functorch import bindings

        return bindings
    if name == "_are_functorch_transforms_active":
        from . import _C

        return lambda: _C.transforms() > 0
    if name in _ANSWERS:
        return lambda: _ANSWERS[name]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    from ._jit_names import HOMES
    from ._jit_names import find as find_graph_name

    if name in HOMES:
        return find_graph_name(name)
    if name.startswith(
        ("_jit_", "_set_graph", "_get_graph", "_get_tracing", "_freeze_m", "_create_f", "_logging_")
    ):
        from .jit._jit_bindings import find as find_function

        found = find_function(name)
        if found is not None:
            return found
    raise AttributeError(
        f"module 'torch._C' has no attribute '{name}': it is private, and not among what rushlight "
        f"{__version__.rpartition('rushlight.')[2]} answers for (docs/gaps.md)"
    )


def _nn_functions() -> Any:
    """The functions of nn, and how `to` reads its arguments, which libraries ask for."""
    from types import ModuleType

    from .nn import functional
    from .nn.modules._conversion import _parse_to

    module = ModuleType("torch._C._nn")
    module.__dict__.update({**vars(functional), "__name__": "torch._C._nn", "_parse_to": _parse_to})
    module.__dict__["log_sigmoid"] = functional.logsigmoid
    return _kept("_nn", module)


def _prefixed_functions(name: str) -> Any:
    """The functions of torch.fft, linalg or special, as fft_fft and so on."""
    from importlib import import_module
    from types import ModuleType

    public, module = import_module(f"rushlight.{name[1:]}"), ModuleType(f"torch._C.{name}")
    names = (n for n in dir(public) if not n.startswith("_"))
    module.__dict__.update({f"{name[1:]}_{n}": getattr(public, n) for n in names})
    return _kept(name, module)


def _kept(name: str, module: Any) -> Any:
    """The module, which from now on is found without asking here: code from graphs calls it."""
    from . import _C

    setattr(_C, name, module)
    return module
