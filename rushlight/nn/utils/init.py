"""Making modules without drawing their parameters."""

from __future__ import annotations

__all__ = ["skip_init"]


def skip_init(module_cls, *args, **kwargs):
    """Build a module whose parameters hold whatever their memory held, and no random draws."""
    from inspect import signature

    from ..modules.module import Module

    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        if not isinstance(module_cls, type):
            raise TypeError(f"skip_init: expected a class of modules: got {module_cls}")
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    where = kwargs.pop("device", "cpu")
    return module_cls(*args, device="meta", **kwargs).to_empty(device=where)
