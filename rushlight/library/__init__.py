"""torch.library: operators of your own, with kernels for devices, gradients and vmap rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from importlib import import_module

from ..jit._function_schema import parse_schema
from ..jit._registry import register
from ._ops import Operator, Packet, faking, registry
from ._schema import infer_schema

__all__ = [
    "CustomOpDef",
    "Library",
    "custom_op",
    "define",
    "fallthrough_kernel",
    "get_ctx",
    "impl",
    "impl_abstract",
    "infer_schema",
    "opcheck",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_vmap",
    "triton_op",
    "wrap_triton",
]


def _enter(text: str) -> Operator:
    whole = text.partition("(")[0]
    space, colons, name = whole.partition("::")
    if not (colons and space and name):
        raise ValueError(f"expected a name with its namespace, as mylib::add: got {whole!r}")
    operator = Operator(parse_schema(text))
    registry[whole] = operator
    register(operator._schema, operator.call_in_order)
    return operator


def _find(op) -> Operator:
    if isinstance(op, CustomOpDef):
        return op._opoverload
    if isinstance(op, Packet):
        return op.default
    if isinstance(op, Operator):
        return op
    if op not in registry:
        raise RuntimeError(f"operator {op} does not exist: define it first")
    return registry[op]


def _registering(set_function: Callable, func):
    """Register `func` now, or be a decorator that registers what it decorates."""
    if func is not None:
        set_function(func)
        return None

    def decorate(function):
        set_function(function)
        return function

    return decorate


class CustomOpDef:
    """An operator that `custom_op` made: call it, or add kernels, a gradient, a vmap rule."""

    def __init__(self, operator: Operator, function: Callable):
        self._opoverload = operator
        self._qualname = operator.name()
        self._name = operator._opname
        self._init_fn = function

    def __call__(self, *args, **kwargs):
        return self._opoverload(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def register_kernel(self, device_types, fn: Callable | None = None, /):
        """Run another function on some device types (a name, or several; None: all)."""
        return register_kernel(self, device_types, fn)

    def register_fake(self, fn: Callable, /) -> Callable:
        """Say what comes out without computing it, for compilers."""
        register_fake(self, fn)
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None):
        """Give it a gradient: `backward(ctx, *grads)`, from what `setup_context` kept in ctx."""
        register_autograd(self, backward, setup_context=setup_context)

    def register_vmap(self, func: Callable | None = None):
        """Give it a rule `func(info, in_dims, *args) -> (output, out_dims)`."""
        return register_vmap(self, func)

    @contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True):
        """Within it: whether the kernel of a device type runs, or the function for all instead."""
        disabled = self._opoverload.disabled
        before = device_type in disabled
        (disabled.discard if enabled else disabled.add)(device_type)
        try:
            yield
        finally:
            (disabled.add if before else disabled.discard)(device_type)

    def register_autocast(self, device_type: str, cast_inputs) -> None:
        """Cast its inputs to a dtype while `autocast` is entered for a device type."""
        register_autocast(self, device_type, cast_inputs)


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types=None,
    schema: str | None = None,
    tags=None,
):
    """Make an operator of a Python function; a decorator when `fn` is left out.

    `name` has a namespace ("mylib::add"); `mutates_args` names the tensors that are written into.
    The schema comes from the annotations unless it is given. ValueError when it cannot.
    """

    def make(function: Callable) -> CustomOpDef:
        space, leaf = name.split("::")
        text = infer_schema(function, mutates_args=mutates_args) if schema is None else schema
        operator = _enter(f"{space}::{leaf}{text}")
        operator.needs_fake = getattr(function, "__name__", leaf)
        _set_kernels(operator, device_types, function)
        return CustomOpDef(operator, function)

    return make if fn is None else make(fn)


def _set_kernels(operator: Operator, device_types, function: Callable) -> None:
    types = [device_types] if isinstance(device_types, str) else device_types or [""]
    for device in types:
        operator.kernels["" if device == "default" else device] = function


def triton_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    schema: str | None = None,
):
    """Like `custom_op`, of tensor operators and Triton kernels: gradients come from the former."""

    def make(function: Callable) -> CustomOpDef:
        made = custom_op(name, function, mutates_args=mutates_args, schema=schema)
        made._opoverload.whole = function
        return made

    return make if fn is None else make(fn)


def wrap_triton(triton_kernel):
    """A Triton kernel as a `triton_op` calls it; ModuleNotFoundError without Triton."""
    import_module("triton")
    return triton_kernel


def __getattr__(name: str):
    if name in ("OpCheckError", "opcheck"):
        from . import _opcheck

        return getattr(_opcheck, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def fallthrough_kernel():
    """What `Library.impl` takes to say that a call goes on to the next kernel."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


def get_ctx() -> None:
    """Within a fake kernel: what makes sizes that depend on elements, which we do not have.

    NotImplementedError there; None elsewhere.
    """
    operator = faking.get()
    if operator is not None:
        raise NotImplementedError(
            f"{operator.name()}: You're trying to run this operator with meta Tensors, but it may "
            "return an output Tensor with data-dependent shape. Meta tensors don't support "
            "operators with outputs that have data-dependent shapes. If your operator returns no "
            "such output, its fake kernel must not call get_ctx()."
        )


def define(qualname: str, schema: str, *, lib=None, tags=()) -> None:
    """Define an operator "ns::name" by its schema, "(Tensor x) -> Tensor"; `impl` brings code."""
    _enter(qualname + schema)


def impl(qualname: str, types, func: Callable | None = None, *, lib=None):
    """Run a function on some device types ("cpu", "cuda", "default" or several)."""
    return register_kernel(qualname, types, func)


def register_kernel(op, device_types, func: Callable | None = None, /, *, lib=None):
    """Run a function on some device types (a name, or several; None: all)."""
    operator = _find(op)
    return _registering(lambda f: _set_kernels(operator, device_types, f), func)


def register_fake(op, func: Callable | None = None, /, *, lib=None, allow_override: bool = True):
    """Say what comes out without computing it, for compilers."""
    operator = _find(op)
    return _registering(lambda f: setattr(operator, "fake", f), func)


def impl_abstract(qualname, func: Callable | None = None, *, lib=None):
    """The older name of `register_fake`."""
    warnings.warn(
        "`torch.library.impl_abstract` was renamed to `torch.library.register_fake`. Please use "
        "that instead; we will remove `torch.library.impl_abstract` in a future version of "
        "PyTorch.",
        DeprecationWarning,
        stacklevel=2,
    )
    return register_fake(qualname, func, lib=lib)


def register_autograd(
    op, backward: Callable, /, *, setup_context: Callable | None = None, lib=None
) -> None:
    """Give an operator a gradient: `backward(ctx, *grads)`, from what `setup_context` kept."""
    operator = _find(op)
    operator.backward, operator.setup_context = backward, setup_context


def register_vmap(op, func: Callable | None = None, /, *, lib=None):
    """Give an operator a rule `func(info, in_dims, *args) -> (output, out_dims)`."""
    operator = _find(op)
    return _registering(lambda f: setattr(operator, "vmap", f), func)


def register_autocast(op, device_type: str, cast_inputs, /, *, lib=None) -> None:
    """Cast an operator's inputs to a dtype while `autocast` is entered for a device type."""
    _find(op).autocast[device_type] = cast_inputs


class Library:
    """Defines operators in a namespace ("DEF", "FRAGMENT") or brings code for them ("IMPL")."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError("Unsupported kind: ", kind)
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._op_defs: set[str] = set()

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags=()) -> str:
        """Define an operator by its schema, "name(Tensor x) -> Tensor"; its name."""
        operator = _enter(f"{self.ns}::{schema}")
        self._op_defs.add(operator.name())
        return operator._opname

    def impl(self, op_name, fn: Callable, dispatch_key: str = "", **kwargs) -> None:
        """Bring code: for "CPU", "CUDA", every device, or, as a composite, with its gradient."""
        name = op_name if isinstance(op_name, str) else op_name._opname
        operator = _find(name if "::" in name else f"{self.ns}::{name}")
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        if fn is fallthrough_kernel:
            return  # nothing stands between a call and its kernel
        if key == "CompositeImplicitAutograd" or key.startswith("Autograd"):
            operator.whole = fn
        elif key == "Meta":
            operator.fake = fn
        else:
            operator.kernels["" if key.startswith("Composite") else key.lower()] = fn

    def _destroy(self) -> None:
        """Forget what was defined."""
        for name in self._op_defs:
            registry.pop(name, None)
