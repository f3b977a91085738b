"""Subclasses of Tensor: their results and `__torch_function__`."""

from __future__ import annotations

from .. import _C
from ..op import operators
from .common import Tensor, method


def _detach(t):
    if _C.handled_mode() is not None or _C.any_dispatching(t):
        from .._aten import aten
        from .._aten.handlers import call_handlers

        return call_handlers(aten.detach.default, (t,), {})
    return wrap_subclass(Tensor._raw_detach(t), type(t))


def _item(t):
    from .._aten import aten
    from .._aten.handlers import call_handlers

    return call_handlers(aten._local_scalar_dense.default, (t,), {})


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
    recorded = self.requires_grad and _C.is_grad_enabled()
    seen = operators["alias"](self) if recorded else self._raw_detach()
    return _instance(seen, cls)


def _instance(seen, cls):
    """The tensor `seen` as an instance of `cls`."""
    out = Tensor._make_subclass(cls, seen)
    if seen.requires_grad:
        node = _Identity()
        _C.connect(node, (seen,), (out,))
    return out


def _seen_as(tensor, cls):
    """What `cls(tensor)` makes of a tensor with a history: a view of it; no class is asked."""
    asked = _C.set_torch_function(False)
    try:
        seen = operators["alias"](tensor)
        return seen if cls is Tensor and type(seen) is Tensor else _instance(seen, cls)
    finally:
        _C.set_torch_function(asked)


_C.set_helper("seen_as", _seen_as)


def _make_wrapper_subclass(cls, size, strides=None, storage_offset=None, memory_format=None,
                           dtype=None, layout=None, device=None, pin_memory=False,
                           requires_grad=False, dispatch_sizes_strides_policy=None,
                           dispatch_device=False, dispatch_layout=False, _extra_dispatch_keys=None,
                           storage_size=None):  # fmt: skip
    """A tensor of a class that wraps others: a shape, a dtype, a device, and no elements.

    Its class needs a `__torch_dispatch__`, which carries out every call on it.
    """
    from .. import device as device_type
    from .. import empty, get_default_device

    if not _dispatches(cls):
        raise RuntimeError(
            f"{cls.__name__} requires a `__torch_dispatch__`: tensors that wrap others have no "
            "elements to compute with"
        )
    asked = _C.set_torch_dispatch(False)
    try:
        bare = empty(tuple(size), dtype=dtype, device="meta")
        if memory_format is not None:
            bare = bare.contiguous(memory_format=memory_format)
        if strides is not None or storage_offset:
            strides = bare.stride() if strides is None else tuple(strides)
            reach = sum((n - 1) * s for n, s in zip(bare.shape, strides, strict=True)) + 1
            whole = empty((storage_offset or 0) + reach, dtype=dtype, device="meta")
            bare = whole.as_strided(bare.shape, strides, storage_offset or 0)
    finally:
        _C.set_torch_dispatch(asked)
    made = Tensor._make_subclass(cls, bare, bool(requires_grad))
    _C.pretend_device(made, get_default_device() if device is None else device_type(device))
    return made


Tensor._make_wrapper_subclass = staticmethod(_make_wrapper_subclass)


class _Identity(_C.Node):
    """Passes a gradient on: ties a subclass instance to the tensor it shows."""

    def apply(self, g):
        return (g,)


_Identity.__name__ = "AliasBackward0"
_C.set_helper("detach", _detach)
_C.set_helper("item", _item)


def _overloaded(args, kwargs):
    """The classes among the arguments that have a say, subclasses before their bases."""
    found = []
    for a in (*args, *kwargs.values()):
        for item in a if isinstance(a, (list, tuple)) else (a,):
            kind = type(item)
            handler = getattr(kind, "__torch_function__", None)
            if kind is Tensor or handler is None or kind in found:
                continue
            rule = getattr(handler, "__func__", handler)
            # A class that works below the tape is not asked above it, unless it wants to be.
            if rule is _default_torch_function and _dispatches(kind):
                continue
            if rule is not disabled_torch_function:
                found.append(kind)
    found.sort(key=lambda k: -len(k.__mro__))
    return found


def _dispatches(kind) -> bool:
    handler = getattr(kind, "__torch_dispatch__", disabled_torch_dispatch)
    return getattr(handler, "__func__", handler) is not disabled_torch_dispatch


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
    if getattr(function, "makes_tensors", False):
        from .._aten.making import make

        return make(function, tuple(args), kwargs)
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


def disabled_torch_dispatch(func, types, args=(), kwargs=None):
    """The call as if no class had a `__torch_dispatch__`."""
    before = _C.set_torch_dispatch(False)
    try:
        return func(*args, **(kwargs or {}))
    finally:
        _C.set_torch_dispatch(before)


def _torch_dispatch(op, args, kwargs):
    from .._aten.calls import translate
    from .._aten.handlers import ask_classes, dispatching_classes

    call = translate(op, args, kwargs)
    types = dispatching_classes(call.args, call.kwargs)
    result = ask_classes(call.func, types, call.args, call.kwargs)
    return result if call.finish is None else call.finish(result)


def _decomposition(op, args, kwargs):
    from .._aten.parts import parts

    return parts(op, args, kwargs)


_C._disabled_torch_dispatch_impl = disabled_torch_dispatch
_C._disabled_torch_function_impl = disabled_torch_function  # the name that subclasses give


def _misuse(function, args, kwargs, error):
    from .._misuse import _checked

    return _checked(function, args, kwargs, error)


Tensor.__torch_function__ = classmethod(_default_torch_function)
Tensor.__torch_dispatch__ = staticmethod(disabled_torch_dispatch)
_C.set_helper("torch_function", _torch_function)
_C.set_helper("torch_dispatch", _torch_dispatch)
_C.set_helper("decomposition", _decomposition)
_C.set_helper("misuse", _misuse)


def _ask_item(function):
    """`x[i]` and `x[i] = v` where an index or value of another kind, as a traced one, has a say."""

    def ask(*args):
        for kind in _overloaded((*args, *(args[1] if isinstance(args[1], tuple) else ())), {}):
            if not issubclass(kind, Tensor):
                return kind.__torch_function__(function, (kind,), args, {})
        return NotImplemented

    return ask


def _asking(plain):
    """`plain` of a subclass that has a `__torch_function__` of its own, which is asked first."""

    def asked(self, *args):
        enabled = _C.set_torch_function(False)
        _C.set_torch_function(enabled)
        return _torch_function(plain, (self, *args), {}) if enabled else plain(self, *args)

    asked.__name__, asked.__qualname__ = plain.__name__, f"Tensor.{plain.__name__}"
    return asked


# What stands in slots of the type; the core asks about every other call.
_IN_SLOTS = {
    name: (getattr(Tensor, name), _asking(getattr(Tensor, name)))
    for name in ("__getitem__", "__setitem__")
}


def _init_subclass(cls, **kwargs):
    super(Tensor, cls).__init_subclass__(**kwargs)
    own = vars(cls).get("__torch_function__")
    rule = getattr(own, "__func__", own)
    if own is None or rule is disabled_torch_function or hasattr(cls, "_sees_operators_only"):
        return
    for name, (plain, asking) in _IN_SLOTS.items():
        if getattr(cls, name) is plain:
            setattr(cls, name, asking)


Tensor.__init_subclass__ = classmethod(_init_subclass)
_C.set_helper("getitem_subclass", _ask_item(Tensor.__getitem__))
_C.set_helper("setitem_subclass", _ask_item(Tensor.__setitem__))
