"""Who carries out calls below the tape instead of us: modes, and classes of tensors."""

from __future__ import annotations

from .. import _C, Tensor
from ..utils._pytree import tree_leaves


def handled(args: tuple, kwargs: dict, recorded: bool = True) -> bool:
    """Whether a call goes straight to a mode or a class below the tape: not if it is recorded."""
    if _C.handled_mode() is None and not _C.any_dispatching((args, tuple(kwargs.values()))):
        return False
    if not recorded or not _C.is_grad_enabled():
        return True
    leaves = tree_leaves((args, kwargs))
    return not any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)


def dispatching_classes(args, kwargs) -> tuple:
    """The classes among the arguments that have a `__torch_dispatch__`, subclasses first."""
    if not _C.any_dispatching((args, tuple(kwargs.values()))):
        return ()
    base = Tensor.__torch_dispatch__
    found: list[type] = []
    for leaf in tree_leaves((args, kwargs)):
        kind = type(leaf)
        if not isinstance(leaf, Tensor) or kind in found:
            continue
        handler = kind.__torch_dispatch__
        if getattr(handler, "__func__", handler) is not base:
            found.append(kind)
    return tuple(sorted(found, key=lambda kind: -len(kind.__mro__)))


def call_handlers(func, args: tuple, kwargs: dict):
    """Ask the innermost mode, or else the classes of the arguments, with nothing recorded."""
    types = dispatching_classes(args, kwargs)
    mode = _C.handled_mode()
    recording = _C.set_grad_enabled(False)
    stack = _C.interpreters()
    try:
        if mode is not None:
            _C.set_interpreters(stack[:-1])
            return mode.__torch_dispatch__(func, types, args, kwargs)
        return ask_classes(func, types, args, kwargs)
    finally:
        if mode is not None:
            _C.set_interpreters(stack)
        _C.set_grad_enabled(recording)


def ask_classes(func, types: tuple, args: tuple, kwargs: dict):
    """The answer of the first class that has one."""
    for kind in types:
        result = kind.__torch_dispatch__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"Multiple dispatch failed for '{func}'; all __torch_dispatch__ handlers returned "
        f"NotImplemented:\n\n" + "".join(f"  - tensor subclass {kind}\n" for kind in types)
    )
