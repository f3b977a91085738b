"""The part of `gradcheck` that looks at forward-mode derivatives."""

from __future__ import annotations

import rushlight as torch

from . import forward_ad
from .grad_mode import no_grad


def forward_derivatives(func, args, tensor, direction, eps: float):
    """Pairs of tangent and central difference along `direction` of `tensor`, one per output."""
    with forward_ad.dual_level():
        moved = [forward_ad.make_dual(a, direction) if a is tensor else a for a in args]
        tangents = [
            forward_ad.unpack_dual(o).tangent for o in _tensors(func(*moved)) if _is_inexact(o)
        ]
    original = tensor.detach().clone()
    with no_grad():
        tensor.data.copy_(original + eps * direction)
        above = [o.detach().clone() for o in _tensors(func(*args)) if _is_inexact(o)]
        tensor.data.copy_(original - eps * direction)
        below = [o.detach().clone() for o in _tensors(func(*args)) if _is_inexact(o)]
        tensor.data.copy_(original)
    for tangent, a, b in zip(tangents, above, below, strict=True):
        numerical = (a - b) / (2 * eps)
        yield torch.zeros_like(numerical) if tangent is None else tangent.detach(), numerical


def _is_inexact(tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _tensors(value) -> list:
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [v for v in values if isinstance(v, torch.Tensor)]
