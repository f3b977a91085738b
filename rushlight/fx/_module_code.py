"""Making functions of generated source, and moving what it names from module to module."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .. import nn
from ._code_types import custom_globals

_numbers = itertools.count()


class _EvalCacheLoader:
    """Keeps generated sources, so that tracebacks show their lines."""

    def __init__(self) -> None:
        self.eval_cache: dict[str, str] = {}

    def cache(
        self, src: str, globals: dict[str, Any], co_fields: dict[str, Any] | None = None
    ) -> str:
        """The file name that a source gets."""
        key = f"<eval_with_key>.{next(_numbers)}"
        if co_fields:
            fields = {**co_fields, "co_name": co_fields["co_name"].strip("<>")}  # it may not end so
            key += " from {co_filename}:{co_firstlineno} in {co_name}".format(**fields)
        self.eval_cache[key] = src
        globals.update(__name__=key, __loader__=self)
        linecache.lazycache(key, globals)
        return key

    def get_source(self, module_name: str) -> str | None:
        """The source with that file name."""
        return self.eval_cache.get(module_name)


_loader = _EvalCacheLoader()


def _exec_with_source(
    src: str, globals: dict[str, Any], co_fields: dict[str, Any] | None = None
) -> None:
    key = _loader.cache(src, globals, co_fields)
    exec(compile(src, key, "exec", dont_inherit=True), globals)


def _forward_from_src(
    src: str, globals: dict[str, Any], co_fields: dict[str, Any] | None = None
) -> Callable[..., Any]:
    return _method_from_src("forward", src, globals, co_fields)


def _method_from_src(
    method_name: str, src: str, globals: dict[str, Any], co_fields: dict[str, Any] | None = None
) -> Callable[..., Any]:
    names = {**custom_globals(), **globals}
    _exec_with_source(src, names, co_fields)
    return names[method_name]


# -- copying what a graph names -----------------------------------------------------------
def _copy_attr(from_module: nn.Module, to_module: nn.Module, target: str) -> None:
    """Let `to_module` have what is at a path in `from_module`."""
    *path, name = target.split(".")
    for step in path:
        inner, own = getattr(from_module, step), getattr(to_module, step, None)
        if inner is own:  # it is a whole module that came over
            return
        if own is None:
            own = nn.Module()
            setattr(to_module, step, own)
        from_module, to_module = inner, own
    _put(to_module, name, getattr(from_module, name))


def _assign_attr(from_obj: Any, to_module: nn.Module, target: str) -> None:
    """Put an object at a path in a module, making the modules on the way."""
    *path, name = target.split(".")
    for step in path:
        own = getattr(to_module, step, None)
        if own is None:
            own = nn.Module()
            setattr(to_module, step, own)
        to_module = own
    _put(to_module, name, from_obj)


def _put(module, name, value):
    if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)


def _get_attr(model: nn.Module, attr_name: str) -> Any:
    """What is at a path."""
    for name in attr_name.split("."):
        model = getattr(model, name)
    return model


def _has_attr(model: nn.Module, attr_name: str) -> bool:
    """Whether there is something at a path."""
    for name in attr_name.split("."):
        if not hasattr(model, name):
            return False
        model = getattr(model, name)
    return True


def _del_attr(model: nn.Module, attr_name: str) -> None:
    """Take away what is at a path."""
    *path, name = attr_name.split(".")
    delattr(_get_attr(model, ".".join(path)) if path else model, name)


class _CodeOnlyModule(nn.Module):
    """The parts of a saved module, to trace its code again."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__ = body
