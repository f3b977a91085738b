"""What can compute here, and settings of libraries; each library has a module of its own."""

from __future__ import annotations

from importlib import import_module

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized"]


def __getattr__(name: str):
    if name in __all__:
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
