"""Neural networks: modules, functions, initialisation and parameters."""

from __future__ import annotations

from . import functional, init, modules, parameter, utils
from .modules import *  # noqa: F403
from .modules import __all__ as _modules
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *_modules, "Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter",
    "factory_kwargs", "functional", "init", "modules", "parameter", "utils",
]  # fmt: skip
__all__ += ["DataParallel", "parallel"]  # noqa: F405 (loaded when first used)

utils.load_norms()


def factory_kwargs(kwargs):
    """The arguments that a tensor factory takes, out of those of a module.

    They may stand singly or together under "factory_kwargs", but no name twice.
    """
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    unknown = set(kwargs) - simple - {"factory_kwargs"}
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    result = dict(kwargs.get("factory_kwargs", {}))
    for name in simple & set(kwargs):
        if name in result:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        result[name] = kwargs[name]
    return result


def __getattr__(name):
    from importlib import import_module

    if name in ("attention", "common_types", "grad", "parallel"):
        return import_module(f".{name}", __name__)
    if name == "DataParallel":
        return import_module(".parallel", __name__).DataParallel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
