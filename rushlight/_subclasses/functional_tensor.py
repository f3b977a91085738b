"""Tensors whose writes compilers turn into new tensors: libraries ask whether they hold one."""

from __future__ import annotations

from typing import Any

from .. import Tensor


class FunctionalTensor(Tensor):
    """A tensor whose writes are taken down; nothing here makes one."""


def mb_unwrap_functional_tensor(tensor: Any) -> Any:
    """What a functional tensor stands for; anything else as it is."""
    return tensor
