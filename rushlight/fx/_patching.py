"""Putting other functions in place for the length of a trace."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import _C, nn

_ABSENT = object()


class _Patcher:
    """Replaces entries of dictionaries and attributes of classes; its end puts them back."""

    def __init__(self) -> None:
        self.patches_made: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.visited: set[int] = set()

    def patch(
        self,
        frame_dict: dict[str, Any],
        name: str,
        new_fn: Callable[..., Any],
        deduplicate: bool = True,
    ) -> None:
        """Replace an entry of a module's globals; one of builtins is shadowed."""
        if getattr(frame_dict.get(name), "__fx_already_patched", False):
            return
        setattr(new_fn, "__fx_already_patched", deduplicate)
        before = frame_dict.get(name, _ABSENT)
        if before is _ABSENT and not hasattr(builtins, name):
            raise AssertionError(f"Cannot patch {name}: not found in frame_dict or builtins")

        def put():
            frame_dict[name] = new_fn

        def back():
            if before is _ABSENT:
                del frame_dict[name]
            else:
                frame_dict[name] = before

        self._do(put, back)

    def patch_method(
        self, cls: type, name: str, new_fn: Callable[..., Any], deduplicate: bool = True
    ) -> None:
        """Replace a method of a class."""
        if getattr(getattr(cls, name), "__fx_already_patched", False):
            return
        setattr(new_fn, "__fx_already_patched", deduplicate)
        before = vars(cls).get(name, _ABSENT)

        def put():
            setattr(cls, name, new_fn)

        def back():
            if before is _ABSENT:
                delattr(cls, name)
            else:
                setattr(cls, name, before)
            if issubclass(cls, nn.Module):
                _quicken(cls)

        self._do(put, back)

    def _do(self, put, back):
        self.patches_made.append((put, back))
        put()

    def visit_once(self, thing: object) -> bool:
        """Whether the thing comes for the first time."""
        known = id(thing) in self.visited
        self.visited.add(id(thing))
        return not known

    def revert_all_patches(self) -> list[Any]:
        """Put all back for now."""
        for _, back in reversed(self.patches_made):
            back()
        return self.patches_made

    def reapply_all_patches(self) -> list[Any]:
        """Put the replacements in place again."""
        for put, _ in self.patches_made:
            put()
        return self.patches_made

    def __enter__(self) -> _Patcher:
        return self

    def __exit__(self, *exc: Any) -> None:
        while self.patches_made:
            self.patches_made.pop()[1]()
        self.visited.clear()


def _quicken(cls):
    """Give a class of modules and those derived from it their quick slots again."""
    _C.quicken_module(cls)
    for derived in cls.__subclasses__():
        _quicken(derived)


CURRENT_PATCHER: _Patcher | None = None


@contextmanager
def _new_patcher() -> Iterator[_Patcher]:
    global CURRENT_PATCHER
    before, CURRENT_PATCHER = CURRENT_PATCHER, _Patcher()
    try:
        with CURRENT_PATCHER as patcher:
            yield patcher
    finally:
        CURRENT_PATCHER = before


@contextmanager
def _maybe_revert_all_patches() -> Iterator[None]:
    """Within the block nothing is patched."""
    patcher = CURRENT_PATCHER
    if patcher is None:
        yield
        return
    patcher.revert_all_patches()
    try:
        yield
    finally:
        patcher.reapply_all_patches()
