"""Subclasses of Tensor: their results and `__torch_function__`."""

from __future__ import annotations

from .. import _C
from ..op import operators
from .common import Tensor, method


def _detach(t):
    return wrap_subclass(Tensor._raw_detach(t), type(t))


def wrap_subclass(result, cls):
    """A result of a call on a subclass: the same subclass, as PyTorch does."""
    if isinstance(result, Tensor) and type(result) is Tensor:
        out = result.as_subclass(cls)
        return out
    if isinstance(result, (tuple, list)):
        made = [wrap_subclass(r, cls) for r in result]
        if hasattr(result, "_fields"):
            return type(result)(made)
        return type(result)(made)
    return result


@method
def as_subclass(self, cls):
    """The same data, history and storage, as an instance of a subclass of Tensor."""
    alias = operators["alias"]
    seen = alias(self) if self.requires_grad and _C.is_grad_enabled() else self._raw_detach()
    out = Tensor._make_subclass(cls, seen)
    if seen.requires_grad:
        node = _Identity()
        _C.connect(node, (seen,), (out,))
    return out


class _Identity(_C.Node):
    """Passes a gradient on: ties a subclass instance to the tensor it shows."""

    def apply(self, g):
        return (g,)


_Identity.__name__ = "AliasBackward0"
_C.set_helper("detach", _detach)


def _torch_function(operator, args, kwargs):
    """Find the most derived `__torch_function__` among the arguments and call it."""
    found = []
    stack = [*args, *kwargs.values()]
    for a in stack:
        if isinstance(a, (list, tuple)):
            stack_items = a
        else:
            stack_items = (a,)
        for item in stack_items:
            kind = type(item)
            if isinstance(item, Tensor) and kind not in found and kind is not Tensor:
                found.append(kind)
    found.sort(key=lambda k: -len(k.__mro__))
    for kind in found:
        handler = kind.__torch_function__
        if getattr(handler, "__func__", handler) is disabled_torch_function:
            continue
        result = handler(operator, tuple(found), args, kwargs)
        if result is not NotImplemented:
            return result
    return _C.call_plain(operator, args, kwargs)


def _default_torch_function(cls, func, types, args=(), kwargs=None):
    kwargs = kwargs or {}
    if isinstance(func, _C.Op):
        result = _C.call_plain(func, tuple(args), kwargs)
    else:
        result = func(*args, **kwargs)
    return result if cls is Tensor else wrap_subclass(result, cls)


def disabled_torch_function(func, types, args=(), kwargs=None):
    return _C.call_plain(func, tuple(args), kwargs or {})


Tensor.__torch_function__ = classmethod(_default_torch_function)
_C.set_helper("torch_function", _torch_function)
_C.set_helper("getitem_subclass", lambda t, index: NotImplemented)
