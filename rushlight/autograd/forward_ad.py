"""Forward-mode derivatives: tensors that carry a tangent, a direction in which they move.

While a level is open an interpreter sees every operator. One with dual inputs runs recorded, and
its tangent comes from its gradient: u -> u J is linear in u, so the gradient of that product in
the direction of the input tangents is J v. No operator needs a rule of its own.
"""

from __future__ import annotations

from collections import namedtuple

import rushlight as torch

from .. import _C, Tensor
from . import grad
from .grad_mode import enable_grad

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
_levels: list[_Level] = []


class _Level:
    """The interpreter of one level."""

    def process(self, op, args, kwargs):
        """Run an operator; the results of dual tensors become dual."""
        places = _Places(self)
        call_args = places.replace(args)
        if not places.primals:
            return op(*args, **kwargs)
        call_kwargs = {name: places.replace(value) for name, value in kwargs.items()}
        if op.inplace:
            return self._in_place(op, args, call_args, call_kwargs, places)
        with enable_grad():
            outputs = op(*call_args, **call_kwargs)
        return self._with_tangents(outputs, places)

    def _in_place(self, op, args, call_args, call_kwargs, places):
        with enable_grad():
            # The recorded run works on a copy, since leaves must not change.
            copy = call_args[0].clone() if isinstance(call_args[0], Tensor) else call_args[0]
            shadow = op(copy, *call_args[1:], **call_kwargs)
        tangent = _tangents([shadow], places)[0]
        op(*args, **{name: _plain(value) for name, value in call_kwargs.items()})
        _attach(args[0], tangent, self)
        return args[0]

    def _with_tangents(self, outputs, places):
        many = isinstance(outputs, (tuple, list))
        tensors = list(outputs) if many else [outputs]
        tangents = _tangents(tensors, places)
        results = []
        for value, tangent in zip(tensors, tangents, strict=True):
            if isinstance(value, Tensor) and value.requires_grad and not places.recorded:
                value = value.detach()
            if tangent is not None:
                _attach(value, tangent, self)
            results.append(value)
        if not many:
            return results[0]
        kind = type(outputs)
        return kind(results)


class _Places:
    """Stands recorded tensors in for the dual tensors among an operator's arguments."""

    def __init__(self, level: _Level):
        self._level = level
        self.primals: list[Tensor] = []
        self.tangents: list[Tensor] = []
        self.recorded = False

    def replace(self, value):
        """`value` with its dual tensors replaced, in nested sequences too."""
        if isinstance(value, Tensor):
            self.recorded = self.recorded or (value.requires_grad and torch.is_grad_enabled())
            tangent = _tangent_of(value, self._level)
            if tangent is None:
                return value
            if value.requires_grad:
                with enable_grad():
                    primal = value.view_as(value)
            else:
                primal = value.detach().requires_grad_()
            self.primals.append(primal)
            self.tangents.append(tangent)
            return primal
        if type(value) in (tuple, list):
            return type(value)([self.replace(item) for item in value])
        return value


def _plain(value):
    return value.detach() if isinstance(value, Tensor) else value


def _tangents(outputs, places: _Places) -> list[Tensor | None]:
    """J v for every output; None for those that do not depend on a dual input."""
    found: list[Tensor | None] = [None] * len(outputs)
    for position, output in enumerate(outputs):
        if not isinstance(output, Tensor) or not output.requires_grad:
            continue
        with enable_grad():
            dummy = torch.zeros_like(output, requires_grad=True)
            rows = grad(
                output,
                places.primals,
                dummy,
                retain_graph=True,
                create_graph=True,
                allow_unused=True,
            )
            pairs = [(r, v) for r, v in zip(rows, places.tangents, strict=True) if r is not None]
            pairs = [(r, v.to(r.dtype)) for r, v in pairs if r.requires_grad]
            if not pairs:
                continue
            # For complex numbers u -> u J conjugates; the tangent conjugates back.
            (tangent,) = grad(
                [r for r, _ in pairs],
                dummy,
                [v for _, v in pairs],
                create_graph=places.recorded or any(v.requires_grad for _, v in pairs),
                allow_unused=True,
            )
        found[position] = tangent
    return found


def _attach(tensor: Tensor, tangent: Tensor | None, level: _Level) -> None:
    tensor._dual = None if tangent is None else (level, tangent)


def _tangent_of(tensor: Tensor, level: _Level) -> Tensor | None:
    held = getattr(tensor, "_dual", None)
    return held[1] if held is not None and held[0] is level else None


def enter_dual_level() -> int:
    """Open the level in which dual tensors can be made; there is one at a time."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = _Level()
    _levels.append(level)
    _C.push_interpreter(level)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level: its tensors are plain ones again."""
    if not _levels or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created"
        )
    _C.pop_interpreter()
    _levels.pop()


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
    for name, value in (("primal", tensor), ("tangent", tangent)):
        if not (value.is_floating_point() or value.is_complex()):
            raise ValueError(
                f"Expected {name} to be floating point or complex, but got: {value.dtype}"
            )
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            "given "
            f"forward gradient is of size {list(tangent.shape)}."
        )
    result = _unpacked_view(tensor)
    _attach(result, tangent, _levels[-1])
    return result


def _unpacked_view(tensor: Tensor) -> Tensor:
    level = _levels[-1] if _levels else None
    if level is None:
        return tensor.view_as(tensor)
    _C.pop_interpreter()
    try:
        return tensor.view_as(tensor)
    finally:
        _C.push_interpreter(level)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of a tensor; no tangent, None, outside its level."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            "_unpack_dual(): argument 'dual' (position 1) must be Tensor, not "
            f"{type(tensor).__name__}"
        )
    tangent = _tangent_of(tensor, _levels[-1]) if _levels else None
    return UnpackedDualTensor(_unpacked_view(tensor), tangent)
