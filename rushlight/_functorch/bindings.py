"""`torch._C._functorch`: levels of transforms by their numbers, and the tensors of a vmap.

A level of a vmap is an object here (rushlight/func/_levels.py); PyTorch's numbers stand for those
on the stack. Reverse mode has no level of its own: only its number is counted.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from .. import _C, Tensor
from ..func._levels import VmapLevel

_nested: list[VmapLevel | None] = []  # what the *_increment_nesting functions opened


class TransformType(Enum):
    """What a level does."""

    Torch = 0
    Vmap = 1
    Grad = 2
    Jvp = 3
    Functionalize = 4


class RandomnessType(Enum):
    """How a vmap draws numbers."""

    Error = 0
    Same = 1
    Different = 2


def level_of_number(number: int) -> VmapLevel:
    """The vmap with this number; RuntimeError when none is open."""
    for level in reversed(_C.interpreters()):
        if isinstance(level, VmapLevel) and level.number == number:
            return level
    raise RuntimeError(f"there is no vmap of level {number} open here")


# -- tensors ------------------------------------------------------------------------------------


def _held(t: Tensor):
    """(level, what it stands for, whether that differs from lane to lane), or None."""
    level = _C.level_of(t) if isinstance(t, Tensor) else None
    if level is None:
        return None
    physical, batched = _C.unwrap_lanes(t, level)
    return level, physical, batched


def is_batchedtensor(t: Tensor) -> bool:
    """Whether it differs from lane to lane of the innermost vmap that it belongs to."""
    held = _held(t)
    return held is not None and held[2]


def is_functorch_wrapped_tensor(t: Tensor) -> bool:
    """Whether it stands for another tensor."""
    return _held(t) is not None


def is_gradtrackingtensor(t: Tensor) -> bool:
    """Whether reverse mode wrapped it, which it does not do here."""
    return False


def is_functionaltensor(t: Tensor) -> bool:
    """Whether writes to it are taken down: nothing does that here."""
    return False


is_legacy_batchedtensor = is_functionaltensor


def get_unwrapped(t: Tensor) -> Tensor:
    """What a tensor of a vmap stands for, the lanes along dim 0."""
    held = _held(t)
    if held is None:
        raise RuntimeError("get_unwrapped(): expected a tensor that a transform wraps")
    return held[1]


def maybe_get_bdim(t: Tensor) -> int:
    """The dim of the lanes in what the tensor stands for; -1 where there are none."""
    return 0 if is_batchedtensor(t) else -1


def maybe_get_level(t: Tensor) -> int:
    """The number of the level that it belongs to; -1 of none."""
    held = _held(t)
    return -1 if held is None else held[0].number


def is_dead_tensor_wrapper(t: Tensor) -> bool:
    """Whether its transform is over."""
    held = _held(t)
    return held is not None and not held[0].open


def unwrap_if_dead(t: Tensor) -> Tensor:
    """What it stands for if its transform is over; else itself."""
    return get_unwrapped(t) if is_dead_tensor_wrapper(t) else t


def _add_batch_dim(t: Tensor, batch_dim: int, level: int) -> Tensor:
    """The tensor of a vmap whose lanes are the slices along a dim."""
    owner = level_of_number(level)
    moved = _C.call_outside(owner, Tensor.movedim, t, batch_dim, 0) if batch_dim else t
    return _C.wrap_lanes(owner, moved, True)


def _remove_batch_dim(t: Tensor, level: int, batch_size: int, out_dim: int) -> Tensor:
    """What a tensor of a vmap stands for, the lanes along `out_dim`."""
    return _C.call_outside(level_of_number(level), _removed, t, level_of_number(level),
                           batch_size, out_dim)  # fmt: skip


def _removed(t, level, size, out_dim):
    held = _C.unwrap_lanes(t, level)
    physical, batched = held if held is not None else (t, False)
    if not batched:
        physical = physical.expand(size, *physical.shape)
    return physical if out_dim == 0 else physical.movedim(0, out_dim)


def _unwrap_batched(t: Tensor, level: int) -> tuple[Tensor, int | None]:
    """What a tensor stands for in a vmap, and the dim of its lanes."""
    held = _C.unwrap_lanes(t, level_of_number(level))
    return (t, None) if held is None else (held[0], 0 if held[1] else None)


def _wrap_for_grad(t: Tensor, level: int) -> Tensor:
    """The tensor as reverse mode takes it: an alias that is on the tape."""
    return t.view_as(t)


def _unwrap_for_grad(t: Tensor, level: int) -> Tensor:
    """The tensor outside of reverse mode: itself."""
    return t


# -- levels --------------------------------------------------------------------------------------


def _vmap_increment_nesting(batch_size: int, randomness: str) -> int:
    """Open a vmap of so many lanes; its number."""
    _C.enter_transform()
    level = VmapLevel(batch_size, randomness)
    _C.push_interpreter(level)
    _nested.append(level)
    return level.number


def _vmap_decrement_nesting() -> int:
    """Close what was opened last; its number."""
    if not _nested:
        raise RuntimeError("_vmap_decrement_nesting(): no transform was opened")
    number = _C.transforms()
    level = _nested.pop()
    if level is not None:
        _C.close_level(level)
    _C.leave_transform()
    return number


def _grad_increment_nesting() -> int:
    """Count a run of reverse mode; its number."""
    _nested.append(None)
    return _C.enter_transform()


_grad_decrement_nesting = _vmap_decrement_nesting


def maybe_current_level() -> int | None:
    """The number of the innermost transform that is running."""
    return _C.transforms() or None


def current_level() -> int:
    """The number of the innermost transform that is running; RuntimeError where none is."""
    found = maybe_current_level()
    if found is None:
        raise RuntimeError("current_level(): no transform is running")
    return found


def get_dynamic_layer_stack_depth() -> int:
    """How many transforms are running."""
    return _C.transforms()


class CInterpreter:
    """A transform that is running: what it does and its number."""

    def __init__(self, level: VmapLevel):
        self._level = level

    def key(self) -> TransformType:
        """What it does."""
        return TransformType.Vmap if self._level.maps else TransformType.Jvp

    def level(self) -> int:
        """Its number."""
        return self._level.number

    def batchSize(self) -> int:  # noqa: N802 (PyTorch spells it so)
        """The number of lanes."""
        return self._level.size

    def randomness(self) -> RandomnessType:
        """How it draws numbers."""
        return RandomnessType[self._level.randomness.capitalize()]


def get_interpreter_stack() -> list[CInterpreter] | None:
    """The transforms that have levels, outermost first; None of none."""
    return [CInterpreter(i) for i in _C.interpreters() if isinstance(i, _C.Level)] or None


def peek_interpreter_stack() -> CInterpreter | None:
    """The innermost of them."""
    stack = get_interpreter_stack()
    return stack[-1] if stack else None


_switches: dict[str, Any] = {"inplace": False, "single": False, "warn": True}


def set_inplace_requires_grad_allowed(allowed: bool) -> None:
    """Say whether `requires_grad_` may be used inside a transform."""
    _switches["inplace"] = allowed


def get_inplace_requires_grad_allowed() -> bool:
    """What was said."""
    return _switches["inplace"]


def set_single_level_autograd_function_allowed(allowed: bool) -> None:
    """Say whether a Function may run that knows nothing of transforms."""
    _switches["single"] = allowed


def get_single_level_autograd_function_allowed() -> bool:
    """What was said."""
    return _switches["single"]


def _set_vmap_fallback_warning_enabled(enabled: bool) -> None:
    """Say whether operators without a rule, which run lane by lane, should warn."""
    _switches["warn"] = enabled
