"""Forward-mode derivatives: tensors that carry a tangent, a direction in which they move."""

from __future__ import annotations

from collections import namedtuple

from .. import _C, Tensor
from ._dual import DualLevel, _laid_out_like

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(namedtuple("UnpackedDualTensor", "primal tangent")):
    """What `unpack_dual` returns: the value, and its tangent or None."""

    __slots__ = ()


# The open level, a new object each time: tangents of a closed level no longer match it.
_levels: list[DualLevel] = []


def enter_dual_level() -> int:
    """Open the level in which dual tensors can be made; there is one at a time."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = DualLevel()
    _levels.append(level)
    _C.push_interpreter(level)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level: its tensors are plain ones again."""
    if not _levels or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created"
        )
    _C.close_level(_levels.pop())


def __getattr__(name: str) -> int:
    if name == "_current_level":  # -1: none is open
        return len(_levels) - 1
    raise AttributeError(f"module 'torch.autograd.forward_ad' has no attribute '{name}'")


class dual_level:
    """A level for the length of a `with` block."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of `tensor` that moves in the direction `tangent`."""
    if not _levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    return dual_at(_levels[-1], tensor, tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of a tensor; no tangent, None, outside its level."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            "_unpack_dual(): argument 'dual' (position 1) must be Tensor, not "
            f"{type(tensor).__name__}"
        )
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*unpacked_at(_levels[-1], tensor))


def dual_at(level: DualLevel, tensor: Tensor, tangent: Tensor) -> Tensor:
    """A view of `tensor` with a tangent at the given level."""
    for name, value in (("primal", tensor), ("tangent", tangent)):
        if not (value.is_floating_point() or value.is_complex()):
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {value.dtype}"
            )
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )
    if _C.get_tangent(tensor, level) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            "same level 0 is not supported."
        )
    if tangent.stride() != tensor.stride():
        tangent = _C.call_outside(level, _laid_out_like, tensor, tangent)
    result = _seen_from_outside(level, tensor)
    _C.set_tangent(result, level, tangent)
    return result


def unpacked_at(level: DualLevel, tensor: Tensor) -> tuple[Tensor, Tensor | None]:
    """(value, tangent or None) of a tensor at the given level."""
    return _seen_from_outside(level, tensor), _C.get_tangent(tensor, level)


def _seen_from_outside(level: DualLevel, tensor: Tensor) -> Tensor:
    """A view of a tensor, as those further out see it: without a tangent at this level."""
    return _C.call_outside(level, tensor.view_as, tensor)
