"""The marks of programs that are compiled, and what means the same in plain Python."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin

from ..futures import Future

# -- marks -----------------------------------------------------------------------------------


def _marked(function: Callable, modifier: str) -> Callable:
    function._torchscript_modifier = modifier  # type: ignore[attr-defined]
    return function


def export(fn: Callable) -> Callable:
    """Mark a method as one to compile even if nothing calls it."""
    return _marked(fn, "export (compile this function even if nothing calls it)")


def unused(fn: Callable) -> Callable:
    """Mark a method as one that compiled code must not call."""
    if builtins.isinstance(fn, property):
        for accessor in (fn.fget, fn.fset):
            if accessor is not None:
                unused(accessor)
        return fn  # type: ignore[return-value]
    return _marked(fn, "unused (ignore and replace with raising of an exception)")


def ignore(drop: bool | Callable = False, **kwargs) -> Callable:
    """Mark a method as one that stays Python; with `drop=True`, as `unused` does."""
    if callable(drop):
        return _marked(drop, "ignore (leave as a call to Python, cannot be torch.jit.save'd)")
    if not builtins.isinstance(drop, bool):
        raise RuntimeError(
            f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}"
        )
    return unused if drop else ignore


_overloads: dict[str, list[Callable]] = {}


def _overload(func: Callable) -> Callable:
    """Mark a signature that the next function of this name has too: Python runs the last one."""
    _overloads.setdefault(f"{func.__module__}.{func.__qualname__}", []).append(func)
    return func


_overload_method = _overload


def interface(obj: type) -> type:
    """Mark a class as an interface."""
    if not builtins.isinstance(obj, type):
        raise RuntimeError("interface must be applied to a class")
    obj.__torch_script_interface__ = True  # type: ignore[attr-defined]
    return obj


def annotate(the_type, the_value):
    """The value: the type is for a compiler."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether a value is of a type, the elements of containers included (list[int], ...)."""
    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, t) for t in target_type)
    kind, inner = get_origin(target_type), get_args(target_type)
    if target_type is Any:
        return True
    if kind is None:
        return builtins.isinstance(obj, target_type)
    if kind is Union or type(target_type).__name__ == "UnionType":
        return any(isinstance(obj, type(None) if t is None else t) for t in inner)
    if not builtins.isinstance(obj, kind):
        return False
    if kind is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    if kind is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(isinstance(item, inner[0]) for item in obj)
        return len(obj) == len(inner) and all(map(isinstance, obj, inner))
    return all(isinstance(item, inner[0]) for item in obj)


def _unwrap_optional(x):
    """The value, which is not None."""
    if x is None:
        raise AssertionError("Unwrapping null optional")
    return x


# -- tasks -----------------------------------------------------------------------------------


def fork(func: Callable, *args, **kwargs) -> Future:
    """Call a function at once; its result, or its error, as a future."""
    future: Future = Future()
    try:
        result = func(*args, **kwargs)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    return future


def wait(future: Future):
    """The result of what was forked."""
    return future.wait()
