"""One transform after another, by chance, or in random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch

from .... import nn
from ._transform import Transform


def _check(transforms: Any, kinds: Any = Sequence) -> Any:
    if not isinstance(transforms, kinds):
        raise TypeError("Argument transforms should be a sequence of callables")
    return transforms


def _apply(transform: Callable, inputs: tuple) -> tuple:
    outputs = transform(*inputs)
    return outputs if len(inputs) > 1 else (outputs,)


def _unpacked(outputs: tuple) -> Any:
    return outputs if len(outputs) > 1 else outputs[0]


class _Listed(Transform):
    """Shows the transforms that it holds one a line."""

    transforms: Any

    def extra_repr(self) -> str:
        """The transforms, one a line."""
        return "\n".join(f"    {t}" for t in self.transforms)


class Compose(_Listed):
    """One transform after another."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        self.transforms = _check(transforms)
        if not transforms:
            raise ValueError("Pass at least one transform")

    def forward(self, *inputs: Any) -> Any:
        """Apply all of them."""
        for transform in self.transforms:
            inputs = _apply(transform, inputs)
        return _unpacked(inputs)


class RandomApply(_Listed):
    """All of the transforms with probability `p`, otherwise none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = _check(transforms, (Sequence, nn.ModuleList))
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        """Apply them, or not."""
        if torch.rand(1) >= self.p:
            return _unpacked(inputs)
        for transform in self.transforms:
            inputs = _apply(transform, inputs)
        return _unpacked(inputs)


class RandomChoice(Transform):
    """One of the transforms, drawn with weights `p`."""

    def __init__(self, transforms: Sequence[Callable], p: list[float] | None = None) -> None:
        super().__init__()
        self.transforms = _check(transforms)
        p = [1] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}"
            )
        self.p = [weight / sum(p) for weight in p]

    def forward(self, *inputs: Any) -> Any:
        """Apply one."""
        return self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))](*inputs)


class RandomOrder(Transform):
    """All of the transforms in random order."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        super().__init__()
        self.transforms = _check(transforms)

    def forward(self, *inputs: Any) -> Any:
        """Apply all of them."""
        for i in torch.randperm(len(self.transforms)).tolist():
            inputs = _apply(self.transforms[i], inputs)
        return _unpacked(inputs)
