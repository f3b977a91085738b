"""What can compute here, and settings of libraries; each library has a module of its own."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized"]


def __getattr__(name: str):
    if name in __all__:
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Backends(ModuleType):
    """The module, with the setting that all backends start from."""

    @property
    def fp32_precision(self) -> str:
        """ "none", "ieee", "tf32" or "bf16": what float32 may be rounded to inside."""
        return import_module("._precision", __name__).get("generic")

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        import_module("._precision", __name__).put("generic", value)


sys.modules[__name__].__class__ = _Backends
