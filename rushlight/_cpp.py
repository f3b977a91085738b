"""`torch.cpp`: modules and dictionaries of modules as programs in C++ have them.

A module that an extension defines and wraps is a Module here; these are the classes that say so.
"""

from __future__ import annotations

from collections import OrderedDict
from types import ModuleType
from typing import Any


class _Ordered(OrderedDict):
    """A dict that gives lists for its keys, values and items."""

    def keys(self) -> list[str]:  # type: ignore[override]
        return list(super().keys())

    def values(self) -> list[Any]:  # type: ignore[override]
        return list(super().values())

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        return list(super().items())


class OrderedTensorDict(_Ordered):
    """Names and tensors, in order."""


class OrderedModuleDict(_Ordered):
    """Names and modules, in order."""


def _module() -> type:
    from .nn import Module as PythonModule

    class Module(PythonModule):
        """The base of modules that extensions wrap."""

    return Module


class _Namespace(ModuleType):
    """`torch.cpp.nn`: its Module is made when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name != "Module":
            raise AttributeError(f"module 'torch.cpp.nn' has no attribute '{name}'")
        self.Module = found = _module()
        return found


nn = _Namespace("torch.cpp.nn")
