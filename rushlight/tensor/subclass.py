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


def _overloaded(args, kwargs):
    """The classes among the arguments that have a say, subclasses before their bases."""
    found = []
    for a in (*args, *kwargs.values()):
        for item in a if isinstance(a, (list, tuple)) else (a,):
            kind = type(item)
            handler = getattr(kind, "__torch_function__", None)
            if kind is Tensor or handler is None or kind in found:
                continue
            if getattr(handler, "__func__", handler) is not disabled_torch_function:
                found.append(kind)
    found.sort(key=lambda k: -len(k.__mro__))
    return found


def _torch_function(function, args, kwargs):
    """Ask the `__torch_function__` of each class among the arguments in turn."""
    found = _overloaded(args, kwargs)
    if not isinstance(function, _C.Op):  # written from operators: their rules are for those
        found = [k for k in found if not getattr(k, "_sees_operators_only", False)]
    for kind in found:
        result = kind.__torch_function__(function, tuple(found), args, kwargs)
        if result is not NotImplemented:
            return result
    if not found:
        return _plain(function, args, kwargs)
    raise TypeError(
        f"no implementation found for 'torch.{function.__name__}' on types that implement "
        f"__torch_function__: {[f'{k.__module__}.{k.__qualname__}' for k in found]}"
    )


def _plain(function, args, kwargs):
    if isinstance(function, _C.Op):
        return _C.call_plain(function, tuple(args), kwargs)
    return getattr(function, "__wrapped__", function)(*args, **kwargs)


def _default_torch_function(cls, func, types, args=(), kwargs=None):
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    before = _C.set_torch_function(False)
    try:
        result = _plain(func, args, kwargs or {})
    finally:
        _C.set_torch_function(before)
    return result if cls is Tensor else wrap_subclass(result, cls)


def disabled_torch_function(func, types, args=(), kwargs=None):
    return _plain(func, args, kwargs or {})


_C._disabled_torch_function_impl = disabled_torch_function  # the name that subclasses give


def _misuse(function, args, kwargs, error):
    from .._misuse import _checked

    return _checked(function, args, kwargs, error)


Tensor.__torch_function__ = classmethod(_default_torch_function)
_C.set_helper("torch_function", _torch_function)
_C.set_helper("misuse", _misuse)
_C.set_helper("getitem_subclass", lambda t, index: NotImplemented)
