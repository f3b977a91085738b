"""Tensors without data, which compilers trace with: libraries ask whether they hold one."""

from __future__ import annotations

from .. import Tensor


class FakeTensor(Tensor):
    """A tensor without data; nothing here makes one."""


def is_fake(x) -> bool:
    """Whether `x` is a tensor without data."""
    return isinstance(x, FakeTensor)
