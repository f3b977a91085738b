"""Modes and classes of tensors that carry out calls below the tape, by PyTorch's operators.

A call is recorded over what the user holds; then the `__torch_dispatch__` of the innermost mode,
or of the arguments' classes, runs it as a function of `torch.ops.aten`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import rushlight as torch

from .. import _C, Tensor
from .._aten.calls import translate
from .._aten.handlers import dispatching_classes
from ._pytree import tree_leaves


class _Seen:
    """What modes are shown: operators, and functions that make tensors."""

    def __contains__(self, function) -> bool:
        return isinstance(function, _C.Op) or getattr(function, "makes_tensors", False)


class TorchDispatchMode:
    """While entered, its `__torch_dispatch__(func, types, args, kwargs)` carries out every call.

    `func` is an overload of `torch.ops.aten`. It runs with the mode itself left and with nothing
    recorded: what it returns takes its place on the tape afterwards.
    """

    below_the_tape = True
    functions = _Seen()
    supports_higher_order_operators = False

    def __init__(self, _dispatch_key: Any = None):
        self._dispatch_key = _dispatch_key

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} has no __torch_dispatch__")

    def process(self, function, args, kwargs):
        """What the gate calls."""
        if isinstance(function, _C.Op):
            call = translate(function, args, kwargs)
            types = dispatching_classes(call.args, call.kwargs)
            result = self.__torch_dispatch__(call.func, types, call.args, call.kwargs)
            return result if call.finish is None else call.finish(result)
        from .._aten.making import translate_making

        func, args, kwargs, requires_grad = translate_making(function, args, kwargs)
        types = dispatching_classes(args, kwargs)
        with torch.no_grad():
            result = self.__torch_dispatch__(func, types, args, kwargs)
        return result.requires_grad_() if requires_grad else result

    def __enter__(self):
        _push_mode(self)
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _pop_mode()

    @classmethod
    def push(cls, *args, **kwargs):
        """An instance, to be entered."""
        return cls(*args, **kwargs)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Whether compilers use it inside, which users need not see."""
        return False


class BaseTorchDispatchMode(TorchDispatchMode):
    """The mode that changes nothing."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


# -- the stack ------------------------------------------------------------------------------------


def _is_mode(interpreter) -> bool:
    return hasattr(type(interpreter), "below_the_tape")


def _get_current_dispatch_mode_stack() -> list:
    return [i for i in _C.interpreters() if _is_mode(i)]


def _get_current_dispatch_mode() -> Any:
    stack = _get_current_dispatch_mode_stack()
    return stack[-1] if stack else None


def _get_dispatch_stack_at(i: int) -> Any:
    return _get_current_dispatch_mode_stack()[i]


def _len_torch_dispatch_stack() -> int:
    return len(_get_current_dispatch_mode_stack())


def _push_mode(mode: TorchDispatchMode) -> None:
    _C.push_interpreter(mode)


def _pop_mode(k: Any = None) -> Any:
    stack = _C.interpreters()
    place = max((i for i, item in enumerate(stack) if _is_mode(item)), default=-1)
    if place < 0:
        raise RuntimeError("_pop_mode: there is no TorchDispatchMode to leave")
    mode = stack.pop(place)
    _C.set_interpreters(stack)
    return mode


_push_on_torch_dispatch_stack = _push_mode
_pop_torch_dispatch_stack = _pop_mode


@contextlib.contextmanager
def _pop_mode_temporarily(k: Any = None) -> Iterator:
    mode = _pop_mode(k)
    try:
        yield mode
    finally:
        _push_mode(mode)


@contextlib.contextmanager
def _disable_current_modes() -> Iterator[list]:
    stack = _C.interpreters()
    _C.set_interpreters([i for i in stack if not _is_mode(i)])
    try:
        yield [i for i in stack if _is_mode(i)]
    finally:
        _C.set_interpreters(stack)


def any_torch_dispatch_mode_on_stack(*, include_infra_modes: bool = True) -> bool:
    """Whether a mode is entered."""
    modes = _get_current_dispatch_mode_stack()
    return any(include_infra_modes or not mode.is_infra_mode() for mode in modes)


def is_in_torch_dispatch_mode(include_infra_modes: bool = True) -> bool:
    """Whether a mode is entered."""
    return any_torch_dispatch_mode_on_stack(include_infra_modes=include_infra_modes)


def is_in_any_mode_without_ignore_compile_internals() -> bool:
    """Whether a mode is entered that would not have compiled code run inside."""
    return any(
        not getattr(mode, "ignore_compile_internals", lambda: False)()
        for mode in _get_current_dispatch_mode_stack()
    )


def autograd_would_have_decomposed(func, flat_args: Sequence) -> bool:
    """Whether recording would have taken an operator apart: that has happened by then."""
    return False


# -- classes that wrap tensors --------------------------------------------------------------------


def is_traceable_wrapper_subclass_type(t: type) -> bool:
    """Whether tensors of a class can be taken apart and put together again."""
    return (
        issubclass(t, Tensor)
        and t is not Tensor
        and hasattr(t, "__tensor_flatten__")
        and hasattr(t, "__tensor_unflatten__")
    )


def is_traceable_wrapper_subclass(t: object) -> bool:
    """Whether it can be taken apart by `__tensor_flatten__` and put together again."""
    return is_traceable_wrapper_subclass_type(type(t))


def transform_subclass(t, callback: Callable[[str, Tensor], Any], outer_size=None,
                       outer_stride=None):  # fmt: skip
    """A tensor of the same class whose parts are `callback(name, part)`."""
    names, context = t.__tensor_flatten__()
    parts = {name: callback(name, getattr(t, name)) for name in names}
    size = t.size() if outer_size is None else outer_size
    stride = t.stride() if outer_stride is None else outer_stride
    made = type(t).__tensor_unflatten__(parts, context, size, stride)
    if made.shape != size:
        raise AssertionError(
            f"Expected return value from {type(t)}__tensor_unflatten__() to have shape equal to "
            f"{size}, but got: {made.shape}"
        )
    if made.stride() != tuple(stride):
        raise AssertionError(
            f"Expected return value from {type(t)}__tensor_unflatten__() to have strides equal to "
            f"{stride}, but got: {made.stride()}"
        )
    return made


class AliasInfo(NamedTuple):
    """The memory that an argument or a result shares."""

    alias_set: set
    is_write: bool
    name: str | None


class SchemaInfo(NamedTuple):
    """Which arguments and results share memory."""

    args: list
    outs: list
    is_inplace_view_op: bool = False


def get_alias_info(func) -> SchemaInfo:
    """What `return_and_correct_aliasing` asks of an operator."""

    def told(argument):
        info = argument.alias_info
        names = set() if info is None else set(info.before_set)
        return AliasInfo(names, info is not None and info.is_write, argument.name or None)

    described = func._schema
    return SchemaInfo([told(a) for a in described.arguments], [told(r) for r in described.returns])


def return_and_correct_aliasing(func, args, kwargs, out):
    """What a handler of a wrapping class should return, sharing memory as the operator says.

    A view shares the storage of its source; an operator that writes returns what it wrote to.
    """
    described = func._schema
    if described.is_mutable:
        written = [
            kwargs[a.name] if a.kwarg_only else args[i]
            for i, a in enumerate(described.arguments)
            if a.alias_info is not None and a.alias_info.is_write
            and (a.name in kwargs if a.kwarg_only else i < len(args))
        ]  # fmt: skip
        returned = [r for r in described.returns if r.alias_info is not None]
        if returned and written:
            return written[0] if len(returned) == 1 else tuple(written)
        return out
    if any(r.alias_info is not None for r in described.returns):
        _correct_storage_aliasing(func, args[0], out)
    return out


def _correct_storage_aliasing(func, source, out) -> None:
    for made in tree_leaves(out):
        if made is source or not isinstance(made, Tensor):
            continue
        if is_traceable_wrapper_subclass(made) and _C.any_dispatching(source):
            _C.view_storage_of(made, source)
