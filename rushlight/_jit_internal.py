"""torch._jit_internal: marks and questions about annotations that libraries take from there."""

from __future__ import annotations

import builtins
import sys
import types
import typing
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035
from weakref import WeakKeyDictionary

from .futures import Future
from .jit import is_scripting
from .jit._compile.annotated import BroadcastingList1, BroadcastingList2, BroadcastingList3
from .jit._compile.unit import qualified_name as _qualified_name
from .jit._marks import _overload, _overload_method, export, ignore, unused

__all__ = [
    "FAKE_FILENAME_PREFIX", "Any", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3",
    "Dict", "Final", "FunctionModifiers", "Future", "List", "Optional", "Tuple", "Union",
    "_copy_to_script_wrapper", "_disable_emit_hooks", "_drop", "_get_model_id", "_overload",
    "_overload_method", "_qualified_name", "boolean_dispatch", "boolean_dispatched",
    "can_compile_class", "copy_torchscript_modifier", "createResolutionCallbackFromClosure",
    "createResolutionCallbackFromFrame", "export", "get_callable_argument_names",
    "get_torchscript_modifier", "ignore", "is_dict", "is_final", "is_future", "is_ignored_fn",
    "is_list", "is_optional", "is_scripting", "is_tuple", "is_union", "module_has_exports",
    "should_drop", "unused",
]  # fmt: skip
FAKE_FILENAME_PREFIX = "__torch_jit_dataclass"
boolean_dispatched: WeakKeyDictionary[Callable, dict[str, Any]] = WeakKeyDictionary()


class FunctionModifiers:
    """What a mark on a function says."""

    UNUSED = "unused (ignored and replaced with raising of an exception)"
    IGNORE = "ignore (leave as a call to Python, cannot be torch.jit.save'd)"
    EXPORT = "export (compile this function even if nothing calls it)"
    DEFAULT = "default (compile if called from an exported function / forward)"
    COPY_TO_SCRIPT_WRAPPER = (
        "if this method is not scripted, copy the python method onto the scripted model"
    )
    _DROP = "_drop (function is fully ignored, declaration can be unscriptable)"


# -- marks -------------------------------------------------------------------------------------


def get_torchscript_modifier(fn: Any) -> str:
    """The mark of a function; the default where it has none."""
    fn = getattr(fn, "__func__", fn)
    return getattr(fn, "_torchscript_modifier", FunctionModifiers.DEFAULT)


def copy_torchscript_modifier(orig: Any, new: Any) -> None:
    """Give one function the mark of another."""
    modifier = get_torchscript_modifier(orig)
    if modifier is not None:
        new._torchscript_modifier = modifier


def should_drop(fn: Any) -> bool:
    """Whether programs may not call a function."""
    return get_torchscript_modifier(fn).startswith(("unused", "_drop"))


def is_ignored_fn(fn: Any) -> bool:
    """Whether a function is left to Python, or may not be called."""
    return get_torchscript_modifier(fn).startswith(("unused", "ignore", "_drop"))


def module_has_exports(mod: Any) -> bool:
    """Whether a module has methods that are marked for export."""
    return any(
        get_torchscript_modifier(getattr(type(mod), name, None)) == FunctionModifiers.EXPORT
        for name in dir(type(mod))
    )


def _copy_to_script_wrapper(fn: Callable) -> Callable:
    """Mark a method that compiled modules have as Python has it."""
    fn._torchscript_modifier = FunctionModifiers.COPY_TO_SCRIPT_WRAPPER  # type: ignore[attr-defined]
    return fn


def _drop(fn: Callable) -> Callable:
    """Mark a function that the compiler does not look at."""
    fn._torchscript_modifier = FunctionModifiers._DROP  # type: ignore[attr-defined]
    return fn


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable,
    if_false: Callable,
    module_name: str,
    func_name: str,
) -> Callable:
    """One of two functions, as an argument says that is True or False."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        said = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return if_true(*args, **kwargs) if said else if_false(*args, **kwargs)

    doc = if_true.__doc__ if if_false.__doc__ is None else if_false.__doc__
    if None not in (if_true.__doc__, if_false.__doc__) and if_true.__doc__ != if_false.__doc__:
        raise RuntimeError("only one function can have a docstring")
    fn.__doc__ = doc
    if module_name is not None:
        fn.__module__ = module_name
    if func_name is not None:
        fn.__name__ = func_name
    boolean_dispatched[fn] = {
        "if_true": if_true,
        "if_false": if_false,
        "index": arg_index,
        "default": default,
        "arg_name": arg_name,
    }
    return fn


# -- annotations -------------------------------------------------------------------------------


def is_optional(ann: Any) -> bool:
    """Whether an annotation is of something that may be None."""
    return is_union(ann) and type(None) in typing.get_args(ann)


def is_union(ann: Any) -> bool:
    """Whether an annotation is a union."""
    return typing.get_origin(ann) is Union or isinstance(ann, types.UnionType)


def _is_of(ann: Any, kind: type, lacks: str, example: str) -> bool:
    if ann is kind:
        a = "a " if lacks == "type" else ""
        raise RuntimeError(
            f"Attempted to use {example.partition('[')[0]} without {a}contained {lacks}. "
            f"Please add {a}contained type, e.g. {example}"
        )
    return typing.get_origin(ann) is kind


def is_list(ann: Any) -> bool:
    """Whether an annotation is a list of a type."""
    return _is_of(ann, list, "type", "List[int]")


def is_dict(ann: Any) -> bool:
    """Whether an annotation is a dict of types."""
    return _is_of(ann, dict, "types", "Dict[int, int]")


def is_tuple(ann: Any) -> bool:
    """Whether an annotation is a tuple of types."""
    return _is_of(ann, tuple, "type", "Tuple[int]")


def is_future(ann: Any) -> bool:
    """Whether an annotation is a future of a type."""
    return _is_of(ann, Future, "type", "Future[int]")


def is_final(ann: Any) -> bool:
    """Whether an annotation says that a value does not change."""
    return ann is Final or typing.get_origin(ann) is Final


def can_compile_class(cls: type) -> bool:
    """Whether a class has nothing that a program cannot have: no functions of C."""
    if is_ignored_fn(cls) or issubclass(cls, (tuple, list)):
        return False
    from enum import Enum

    if issubclass(cls, Enum):
        return True
    functions = [getattr(cls, n) for n in cls.__dict__ if isinstance(cls.__dict__[n], Callable)]  # type: ignore[arg-type]
    return all(hasattr(f, "__code__") for f in functions)


def get_callable_argument_names(fn: Callable) -> list[str]:
    """The names of the arguments by position or keyword; none where some are others."""
    code = getattr(fn, "__code__", None)
    if code is None or code.co_flags & 0x0C or code.co_kwonlyargcount:
        return []
    return list(code.co_varnames[: code.co_argcount])


# -- names of a place ----------------------------------------------------------------------------


def createResolutionCallbackFromFrame(frames_up: int = 0) -> Callable[[str], Any]:  # noqa: N802
    """A function that finds names as the caller's frame does, dotted ones too."""
    frame = sys._getframe(frames_up + 1)
    names = {**frame.f_globals, **frame.f_locals}

    def find(name: str) -> Any:
        head, *rest = name.split(".")
        found = names.get(head, getattr(builtins, head, None))
        for part in rest:
            found = getattr(found, part, None)
        return found

    return find


def createResolutionCallbackFromClosure(fn: Callable) -> Callable[[str], Any]:  # noqa: N802
    """A function that finds names as a function does: what it closes over, then globals."""
    closed = dict(fn.__globals__)  # type: ignore[attr-defined]
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False):  # type: ignore[attr-defined]
        try:
            closed[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return lambda name: closed.get(name, getattr(typing, name, None))


def _get_model_id(obj: Any) -> str | None:
    """The name under which a model is logged: none is."""
    return None


@contextmanager
def _disable_emit_hooks():
    """Within it, nothing is told of what is compiled; nothing is told outside either."""
    yield
