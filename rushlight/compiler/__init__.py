"""torch.compile and its switches, as PyTorch has them with TORCH_COMPILE_DISABLE=1.

rushlight runs operators as they are called, at a fraction of a microsecond each: a compiled
function computes exactly what it computes uncompiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ..nn import Module
from ._choices import (
    get_default_backend,
    keep_portable_guards_unsafe,
    keep_tensor_guards_unsafe,
    load_cache_artifacts,
    load_compiled_function,
    nested_compile_region,
    save_cache_artifacts,
    set_default_backend,
    set_enable_guard_collectives,
    skip_all_guards_unsafe,
    skip_guard_on_all_nn_modules_unsafe,
    skip_guard_on_globals_unsafe,
    skip_guard_on_inbuilt_nn_modules_unsafe,
    substitute_in_graph,
)

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "get_default_backend",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "keep_portable_guards_unsafe",
    "keep_tensor_guards_unsafe",
    "list_backends",
    "load_cache_artifacts",
    "load_compiled_function",
    "nested_compile_region",
    "reset",
    "save_cache_artifacts",
    "set_default_backend",
    "set_enable_guard_collectives",
    "set_stance",
    "skip_all_guards_unsafe",
    "skip_guard_on_all_nn_modules_unsafe",
    "skip_guard_on_globals_unsafe",
    "skip_guard_on_inbuilt_nn_modules_unsafe",
    "substitute_in_graph",
    "wrap_numpy",
]

_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")


def __getattr__(name: str):
    if name == "config":
        import importlib

        return importlib.import_module(f"{__name__}.config")
    raise AttributeError(f"module 'torch.compiler' has no attribute '{name}'")


class OptimizedModule(Module):
    """A compiled module: calls and attributes go to `_orig_mod`."""

    _modules: dict

    def __init__(self, mod: Module) -> None:
        super().__init__()
        self._orig_mod = mod
        self.training = mod.training

    def __call__(self, *args, **kwargs):
        return self._orig_mod(*args, **kwargs)

    def forward(self, *args, **kwargs):
        """What the module computes."""
        return self._orig_mod(*args, **kwargs)

    def train(self, mode: bool = True):
        """Put the module into training mode, or into evaluation mode."""
        self._orig_mod.train(mode)
        return super().train(mode)

    def __getattr__(self, name: str):
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value) -> None:
        modules = self.__dict__.get("_modules", {})
        own = name in ("_orig_mod", "training") or name.startswith("_")
        if own or "_orig_mod" not in modules:
            return super().__setattr__(name, value)
        return setattr(modules["_orig_mod"], name, value)


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable = "inductor",
    mode: str | None = None,
    options: dict | None = None,
    name: str | None = None,
    disable: bool = False,
):
    """The function or module, which runs as it is; a module is wrapped, as in PyTorch.

    The arguments choose how PyTorch compiles; they are checked and have nothing to choose here.
    """
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if model is None:
        return functools.partial(compile, backend=backend, mode=mode, options=options)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if isinstance(model, Module):
        return OptimizedModule(model)

    @functools.wraps(model)
    def compiled(*args, **kwargs):
        return model(*args, **kwargs)

    compiled._torchdynamo_orig_callable = model  # type: ignore[attr-defined]
    return compiled


def is_compiling() -> bool:
    """Whether code is being compiled: never."""
    return False


def is_dynamo_compiling() -> bool:
    """Whether Python is being traced for compilation: never."""
    return False


def is_exporting() -> bool:
    """Whether a program is being exported: never."""
    return False


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None):
    """The function, which is never compiled; a decorator as well."""
    return (lambda function: function) if fn is None else fn


def allow_in_graph(fn):
    """The function, or the functions of a list, themselves."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def wrap_numpy(fn: Callable) -> Callable:
    """A function over NumPy arrays as one over tensors."""

    @functools.wraps(fn)
    def wrapped(*args, **kwargs):
        from .. import Tensor, from_numpy
        from .._lazy import np
        from ..utils._pytree import tree_map, tree_map_only

        args, kwargs = tree_map_only(Tensor, lambda t: t.numpy(), (args, kwargs))
        result = fn(*args, **kwargs)
        return tree_map(lambda x: from_numpy(x) if isinstance(x, np.ndarray) else x, result)

    return wrapped


def list_backends(exclude_tags=("debug", "experimental")) -> list[str]:
    """The names of compilers: none."""
    return []


def reset() -> None:
    """Forget what was compiled: there is nothing."""


def cudagraph_mark_step_begin() -> None:
    """Mark the start of a step for graph capture, of which there is none."""


class set_stance:
    """A context, decorator or call that chooses how compiled functions run: here always eagerly."""

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe=False, force_backend=None
    ):
        stances = (
            "default", "force_eager", "eager_on_recompile", "fail_on_recompile",
            "eager_then_compile", "aot_eager_then_compile",
        )  # fmt: skip
        if stance not in stances:
            raise RuntimeError(
                f"invalid torch.compile stance {stance!r}: expected one of {stances}"
            )
        self.stance = stance

    def __enter__(self):
        return None

    def __exit__(self, exc_type, exc_value, traceback):
        return None

    def __call__(self, fn: Callable) -> Callable:
        return fn
